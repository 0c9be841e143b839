"""A resume state is on disk whole or not at all, and a run that was killed ends as one that was left alone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from diffusion.core.errors import StudioError
from training import state

ROOT = Path(__file__).resolve().parents[2]
POINTS = 18  # moments before and after each file operation of one save


def tensors(step):
    return {"a": torch.full((3, 2), float(step)), "b": torch.tensor(step, dtype=torch.uint8)}


def test_what_was_written_is_read_back(tmp_path):
    state.write(tmp_path / "run", 7, tensors(7), {"note": "é"})
    found, info = state.read(tmp_path / "run")
    assert info == {"note": "é", "step": 7}
    assert found.keys() == {"a", "b"} and all(torch.equal(found[name], tensors(7)[name]) for name in found)
    assert found["b"].dtype == torch.uint8


def test_only_the_newest_state_is_kept(tmp_path):
    for step in (999, 1_000, 100_000):
        state.write(tmp_path, step, tensors(1), {})
        assert [path.name for path in state.found(tmp_path)] == [f"resume-{step:09d}"]
    assert state.read(tmp_path)[1]["step"] == 100_000


def test_what_a_kill_left_half_written_is_no_state_and_is_removed(tmp_path):
    half = tmp_path / ".resume-000000009.4711"
    half.mkdir()
    (half / state.TENSORS).write_bytes(b"half")
    assert state.found(tmp_path) == []
    state.write(tmp_path, 8, tensors(8), {})
    assert [path.name for path in tmp_path.iterdir()] == ["resume-000000008"]


def test_nothing_to_resume_and_a_damaged_state_are_sentences(tmp_path):
    with pytest.raises(StudioError, match="no resume state"):
        state.read(tmp_path)
    written = state.write(tmp_path, 1, tensors(1), {}) / state.TENSORS
    written.write_bytes(written.read_bytes()[:-3])
    with pytest.raises(StudioError, match=r"resume-000000001.*damaged"):
        state.read(tmp_path)


@pytest.mark.parametrize("point", range(1, POINTS + 1))
def test_a_save_that_breaks_off_at_any_moment_leaves_a_whole_state(tmp_path, monkeypatch, point):
    state.write(tmp_path, 1, tensors(1), {})
    passed = 0

    def breaking(call):
        def called(*args, **kwargs):
            nonlocal passed
            for moment in ("before", "after"):
                passed += 1
                if passed == point:
                    raise KeyboardInterrupt
                if moment == "before":
                    result = call(*args, **kwargs)
            return result
        return called

    with monkeypatch.context() as patch:
        for owner, name in ((state, "save_file"), (state, "_sync"), (Path, "rename"), (shutil, "rmtree")):
            patch.setattr(owner, name, breaking(getattr(owner, name)))
        try:
            state.write(tmp_path, 2, tensors(2), {})
        except KeyboardInterrupt:
            pass
        else:
            assert passed < point  # a save has fewer moments than this one
    found, info = state.read(tmp_path)
    assert info["step"] in (1, 2) and torch.equal(found["a"], tensors(info["step"])["a"])
    state.write(tmp_path, 3, tensors(3), {})
    assert [path.name for path in tmp_path.iterdir()] == ["resume-000000003"]


def test_saving_the_same_step_again_never_leaves_a_moment_without_a_state(tmp_path, monkeypatch):
    state.write(tmp_path, 5, tensors(5), {})
    monkeypatch.setattr(shutil, "rmtree", lambda *args, **kwargs: pytest.fail("the only state is being removed"))
    state.write(tmp_path, 5, tensors(5), {})
    assert torch.equal(state.read(tmp_path)[0]["a"], tensors(5)["a"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forks")
def test_a_run_killed_at_any_moment_and_resumed_ends_bit_for_bit_as_one_left_alone(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    answer = subprocess.run([sys.executable, "-m", "tests.support.killing", str(tmp_path)], cwd=ROOT, env=environment,
                            capture_output=True, text=True, check=False)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    assert told["kills_at_points"] == 17 and told["kills_at_moments"] >= 1
    assert told["same_after_points"] and told["same_after_moments"]
    assert told["steps_in_metrics"] == sorted(set(told["steps_in_metrics"]))
    assert told["left_behind"] == ["metrics.jsonl", "resume-000000012"]
