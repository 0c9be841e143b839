"""A long measurement is written down row by row, and only rows of the very same things are kept."""

import dataclasses
import json

import pytest

from diffusion.core.errors import StudioError
from training.evaluation.ledger import Ledger
from training.evaluation.report.results import Result, Table

BLANK = Result("quality, free", "diffusion-lm", "python -m training evaluate quality", {"rows": 1}, "cpu: a processor", "fp32",
               {"diffusion-lm": "abc", "judge": "def"}, [], {"rows": "valid"}, {"valid.csv": "123"})


def tables(rows):
    return [Table.of("Samples", rows)]


def opened(file, anew=False, **changes):
    return Ledger.open(file, dataclasses.replace(BLANK, **changes), tables, anew)


def test_every_row_is_on_disk_as_soon_as_it_is_measured(tmp_path):
    path = tmp_path / "free.json"
    ledger = opened(path)

    def interrupted():
        raise KeyboardInterrupt

    ledger.row({"steps": 8}, lambda: {"ratio": 1.23456})
    with pytest.raises(KeyboardInterrupt):
        ledger.row({"steps": 16}, interrupted)
    rows = json.loads(path.read_text(encoding="utf-8"))["tables"][0]["rows"]
    assert [(row["steps"], row["ratio"]) for row in rows] == [(8, 1.235)]


def test_a_run_that_is_killed_while_it_writes_leaves_the_rows_before(tmp_path, monkeypatch):
    path = tmp_path / "free.json"
    ledger = opened(path)
    ledger.row({"steps": 8}, lambda: {"ratio": 1.0})
    write = type(path).write_text

    def killed(file, text, **options):
        write(file, text[:50], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        ledger.row({"steps": 16}, lambda: {"ratio": 2.0})
    assert [row["steps"] for row in opened(path).rows] == [8]


def test_kept_rows_are_not_measured_again_and_say_from_which_commit_they_are(tmp_path):
    path = tmp_path / "free.json"
    opened(path).row({"steps": 8, "temperature": 0.123456}, lambda: {"ratio": 1.0})
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["tables"][0]["rows"][0]["commit"] = "before"
    path.write_text(json.dumps(stored), encoding="utf-8")
    again = opened(path, command="python -m training evaluate quality --steps 8,16")
    assert again.row({"steps": 8, "temperature": 0.123456}, lambda: pytest.fail("measured twice"))["commit"] == "before"
    again.row({"steps": 16, "temperature": 0.123456}, lambda: {"ratio": 2.0})
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert [row["ratio"] for row in stored["tables"][0]["rows"]] == [1.0, 2.0]
    assert stored["options"]["earlier"] == ["python -m training evaluate quality"]


@pytest.mark.parametrize("changes", [
    {"checkpoints": {"diffusion-lm": "xyz", "judge": "def"}}, {"path": "bf16"}, {"data": {"valid.csv": "456"}},
    {"options": {"rows": "tuning"}}, {"paper": "sedd"}])
def test_rows_of_anything_else_are_measured_again(changes, tmp_path):
    path = tmp_path / "free.json"
    opened(path).row({"steps": 8}, lambda: {"ratio": 1.0})
    assert opened(path).rows
    assert not opened(path, **changes).rows
    assert not opened(path, anew=True).rows


def test_another_setting_is_another_row():
    ledger = Ledger()
    ledger.row({"sampler": "ddim", "steps": 8}, lambda: {"ratio": 1.0})
    assert ledger.find({"sampler": "ddim", "steps": 8})
    assert ledger.find({"sampler": "ddim", "steps": 16}) is None
    assert ledger.find({"sampler": "ddim", "texts": 8}) is None


def test_a_file_that_is_no_result_is_not_overwritten(tmp_path):
    path = tmp_path / "notes.json"
    path.write_text('{"my": "notes"}', encoding="utf-8")
    with pytest.raises(StudioError, match="not a result file"):
        opened(path)
    assert path.read_text(encoding="utf-8") == '{"my": "notes"}'
