"""The command line of training: what it prints, what it writes, what it refuses, and what it does without."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import diffusion
from diffusion.core import checkpoint
from diffusion.core.types import Request
from tests.support import tiny_training
from tests.support.packages import closure
from tests.support.tiny_training import TINY
from training import progress, recipes, state
from training.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = ("torch", "numpy", "safetensors", "tokenizers", "transformers", "accelerate")


@pytest.fixture(autouse=True)
def tiny_world(monkeypatch, tmp_path):
    """The tiny recipes in the table, an empty folder to work in, one thread, no TensorBoard."""
    for name, row in tiny_training.RECIPES.items():
        monkeypatch.setitem(recipes.RECIPES, name, row)
    monkeypatch.setattr(progress, "_board", lambda folder, step: None)
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def command(name, *arguments, recipe="tiny", data=TINY):
    return main([name, "--recipe", recipe, "--data", str(data), *map(str, arguments)])


def test_a_dry_run_prints_the_whole_configuration_and_leaves_nothing(tmp_path, capsys):
    assert command("train", "--dry-run", "--seed", 5, "--max-minutes", 3) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recipe"]["seed"] == 5 and told["recipe"]["steps"] == 150
    assert told["recipe"]["config"]["backbone"]["label_sizes"] == told["data"]["label_sizes"]
    assert told["options"]["max_minutes"] == 3 and told["options"]["output"] == "runs/tiny"
    assert told["data"]["rows"] == 270 and told["slots"]["area"] == ["harbour", "old town"]
    assert told["parameters"] > 10_000 and told["torch"] == torch.__version__ and told["device"]
    assert not list(tmp_path.iterdir())


def test_training_writes_a_checkpoint_that_samples_and_a_card_that_says_how(tmp_path, capsys):
    assert command("train", "--steps", 4, "--output", "run", "--look-every", 2) == 0
    printed = capsys.readouterr()
    assert printed.out == "run/checkpoint\n"
    assert "270 training rows, 30 held out, 40 for validation; left out because they do not fit: 0 and" in printed.err
    assert "step 4: validation loss" in printed.err
    model = diffusion.load("run/checkpoint")
    assert model.card["steps"] == 4 and model.card["recipe"] == "tiny" and model.card["curve"][-1]["step"] == 4
    assert len(diffusion.generate(model, Request(length=model.length, steps=2)).run().frames) == 2
    saved = state.read(tmp_path / "run")[0]
    for name, value in checkpoint.distinct(model).items():
        assert torch.equal(value, saved[f"ema.{name}"].bfloat16().float())
    readme = Path("run/checkpoint/README.md").read_text(encoding="utf-8")
    assert readme.startswith("---\nlicense: apache-2.0\n") and "library_name:" in readme and "datasets:" not in readme
    for part in ("| recipe | tiny |", "| steps | 4 |", "| hardware | ", "## Limits", "diffusion.load("):
        assert part in readme


def test_export_writes_the_same_checkpoint_from_the_saved_state():
    command("train", "--steps", 3, "--output", "run", "--look-every", 0, recipe="tiny-ar")
    assert command("export", "--run", "run", "--output", "copy", "--steps", 3, recipe="tiny-ar") == 0
    names = sorted(path.name for path in Path("copy").iterdir())
    assert names == sorted(path.name for path in Path("run/checkpoint").iterdir())
    for name in names:
        assert Path("copy", name).read_bytes() == Path("run/checkpoint", name).read_bytes(), name


def test_a_run_goes_on_where_its_time_was_over(capsys):
    arguments = ("train", "--steps", 3, "--output", "run", "--look-every", 0)
    assert command(*arguments, "--max-minutes", 0) == 0
    assert "The time is over at step 0 of 3." in capsys.readouterr().err
    assert command(*arguments) == 2
    assert command(*arguments, "--resume") == 0
    assert state.read(Path("run"))[1]["step"] == 3


@pytest.mark.parametrize(("arguments", "sentence"), [
    ({"recipe": "tinny"}, "Unknown recipe 'tinny'. The nearest known: 'tiny'"),
    ({"data": "nowhere"}, "There are no data 'nowhere'."),
])  # fmt: skip
def test_a_mistake_is_one_sentence_on_standard_error_and_code_2(arguments, sentence, capsys):
    assert command("train", "--dry-run", **arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(sentence) and printed.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--max-minutes", "-1"], ["--threads", "2x"], ["--seed", "x"]])
def test_an_impossible_number_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        command("train", "--dry-run", *arguments)
    assert stop.value.code == 2 and f"'{arguments[1]}' is not a" in capsys.readouterr().err


def test_help_lists_every_command_and_imports_none(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    printed = capsys.readouterr().out
    assert stop.value.code == 0 and all(name in printed for name in ("train", "export", "evaluate"))


def test_without_tensorboard_it_says_so_and_metrics_go_to_a_file(monkeypatch, tmp_path, capsys):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with progress.Log(tmp_path / "run", [], 0) as log:
        log.add({"step": 1, "loss": 2.0})
    assert "TensorBoard is not installed" in capsys.readouterr().err
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == '{"step": 1, "loss": 2.0}\n'


@pytest.mark.slow
def test_metrics_and_samples_reach_tensorboard(monkeypatch, tmp_path):
    monkeypatch.undo()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with progress.Log(tmp_path, [], 0) as log:
        log.add({"step": 7, "loss": 2.5, "valid": 2.0, "sample": "A pub."})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(7, 2.5)]
    assert "sample/text_summary" in events.Tags()["tensors"]


@pytest.mark.slow
def test_training_runs_with_six_packages_alone(tmp_path):
    brought = closure([Requirement(name) for name in ENOUGH])
    hidden = {module for module, owners in importlib.metadata.packages_distributions().items()
              if not any(canonicalize_name(owner) in brought for owner in owners) and module.isidentifier()
              and module not in sys.stdlib_module_names}  # fmt: skip
    assert {"gradio", "spacy", "plotly", "tensorboard", "nltk", "pandas", "umap"} <= hidden
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests' / 'support' / 'guard'}{os.pathsep}{ROOT}",
                   "GUARD_BLOCKED_IMPORTS": ",".join(sorted(hidden)), "GUARD_HOSTS_LOG": str(tmp_path / "hosts"),
                   "OMP_NUM_THREADS": "1"}  # fmt: skip
    answer = subprocess.run(
        [sys.executable, "-m", "tests.support.tiny_training", "train", "--recipe", "tiny", "--data", str(TINY),
         "--steps", "2", "--look-every", "2", "--output", "run"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout == "run/checkpoint\n" and "TensorBoard is not installed" in answer.stderr
    assert not (tmp_path / "hosts").exists()
