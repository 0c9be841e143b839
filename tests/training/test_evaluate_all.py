"""Every bundled paper is measured by one command: each measurement runs for each paper, and the table holds them all."""

import json
import sys

import pytest

import diffusion
from diffusion.core import checkpoint
from diffusion.core.errors import StudioError
from diffusion.core.types import Request
from tests.support import evaluation
from training import __main__ as training_main
from training.evaluation import plan
from training.evaluation.ledger import Ledger
from training.evaluation.quality import measure as quality
from training.evaluation.quality.measure import Setting
from training.evaluation.report import readme, table
from training.evaluation.report.results import load_all

PAPERS = [slug for slug, kind in diffusion.PAPERS.items() if not kind.weightless]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return evaluation.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def bundled(tmp_path_factory, monkeypatch):
    """A folder of bundled checkpoints with a small random model of every paper, and the judge."""
    made = tmp_path_factory.getbasetemp() / "all-papers"
    if not made.exists():
        judge = evaluation.judge()
        checkpoint.write(made / "judge", judge, checkpoint.distinct(judge), {})
        for slug in PAPERS:
            evaluation.paper(slug).save_pretrained(made / slug)
    monkeypatch.setattr(checkpoint, "BUNDLED", made)
    return made


def evaluate(monkeypatch, *arguments):
    argv = ["evaluate", *map(str, arguments)]
    monkeypatch.setattr(sys, "argv", ["training", *argv])
    return training_main.main(argv)


def test_one_command_measures_all_papers_and_the_table_shows_them(bundled, folder, tmp_path, monkeypatch, capsys):
    shared = ("--paper", "all", "--compute", "fp32", "--json", tmp_path)
    data = ("--data", folder)
    assert evaluate(monkeypatch, "quality", *shared, *data, "--samples", 3, "--steps", 2) == 0
    assert "What will be measured" in capsys.readouterr().out
    assert evaluate(monkeypatch, "likelihood", *shared, *data, "--samples", 3, "--draws", 1) == 0
    assert evaluate(monkeypatch, "speed", *shared, "--steps", 2, "--grid", 2, "--repeats", 1, "--runs", 1, "--samples", 1,
                    "--paths", "fp32") == 0
    results = load_all(tmp_path)
    sources = {f"source-{slug}" for slug in PAPERS if diffusion.PAPERS[slug].source}
    assert set(results) == {f"{kind}-{slug}" for kind in ("free", "likelihood", "speed") for slug in PAPERS} | sources
    made = table.papers(results)
    for slug in PAPERS:
        model = diffusion.load(slug)
        rows = [row for row in made.rows if row["paper"] == model.title]
        assert [row["sampler"] for row in rows] == list(model.samplers)
        assert all(row["NFE"] > 0 and row["s for 4"] > 0 and 0 <= row["MAUVE"] <= 1 for row in rows)
        assert all(("bits" in row) != ("bits, no bound" in row) for row in rows)
    assert {row["paper"] for row in table.from_source(results).rows} == {
        "human text", *(kind.title for kind in diffusion.PAPERS.values() if kind.source)}
    text = readme.pages(results)["free.md"]
    assert all(f"`{readme.SHOWN}/free-{slug}.json`" in text for slug in PAPERS)


def test_an_interrupted_run_goes_on_with_the_rows_that_are_missing(bundled, folder, tmp_path, monkeypatch, capsys):
    arguments = ("quality", "--paper", "all", "--what", "free", "--samplers", "ddim,analytic", "--data", folder, "--compute",
                 "fp32", "--json", tmp_path, "--samples", 2)
    assert evaluate(monkeypatch, *arguments, "--steps", 2) == 0
    assert evaluate(monkeypatch, *arguments, "--steps", "2,3", "--plan") == 0
    planned = capsys.readouterr().out.splitlines()[-5:]
    assert not any("ancestral" in line for line in planned)
    assert all(line.split()[3:5] == ["2", "1"] for line in planned if "ddim" in line or "analytic" in line)
    drawn = []
    written = quality.written
    monkeypatch.setattr(quality, "written", lambda model, request, seeds: (
        drawn.append((model.slug, request.steps)) or written(model, request, seeds)))
    assert evaluate(monkeypatch, *arguments, "--steps", "2,3") == 0
    fitting = [slug for slug in PAPERS if {"ddim", "analytic"} & set(diffusion.PAPERS[slug].samplers)]
    assert drawn == [(slug, 3) for slug in fitting]
    rows = json.loads((tmp_path / "free-sedd.json").read_text(encoding="utf-8"))["tables"][0]["rows"]
    assert [(row["sampler"], row.get("steps")) for row in rows] == [("human text", None), ("analytic", 2), ("analytic", 3)]


def test_temperatures_of_every_paper_are_tuned_on_rows_held_out_for_it(bundled, folder, tmp_path, monkeypatch, capsys):
    first = {slug: diffusion.PAPERS[slug].samplers[0] for slug in PAPERS}
    assert evaluate(monkeypatch, "quality", "--paper", "all", "--what", "free", "--rows", "tuning", "--data", folder, "--steps", 2,
                    "--samplers", ",".join(sorted(set(first.values()))), "--samples", 3, "--temperature", "0.5,0.9",
                    "--compute", "fp32", "--json", tmp_path) == 0
    printed = capsys.readouterr().out
    assert "perplexity / human" in printed and "MAUVE" in printed and "distinct-4 / human" in printed
    results = load_all(tmp_path)
    assert set(results) == {f"tuning-free-{slug}" for slug in PAPERS}
    for slug in PAPERS:
        rows = results[f"tuning-free-{slug}"]["tables"][0]["rows"]
        found = [(row["sampler"], row["temperature"]) for row in rows if "temperature" in row]
        asked = [name for name in diffusion.PAPERS[slug].samplers if name in first.values()]
        assert first[slug] in asked and found == [(name, value) for name in asked for value in (0.5, 0.9)]
    assert not table.rows(results, "quality, free")      # they are not reported


def test_only_papers_that_read_a_source_are_measured_from_one(bundled, folder, monkeypatch, capsys):
    arguments = ("quality", "--what", "source", "--data", folder, "--compute", "fp32", "--samples", 3, "--steps", 2, "--plan")
    assert evaluate(monkeypatch, *arguments, "--paper", "sedd,seqdiffuseq") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "from a source" in line]
    assert [line.split()[0] for line in lines] == ["seqdiffuseq"]
    assert " 15 " in lines[0]                            # five candidates for each of three
    assert evaluate(monkeypatch, "quality", "--paper", "sedd", "--what", "source", "--data", folder, "--samples", 3) == 2
    assert "reads no source" in capsys.readouterr().err


def test_several_results_in_one_file_are_refused(bundled, folder, tmp_path, monkeypatch, capsys):
    assert evaluate(monkeypatch, "quality", "--paper", "sedd,ar", "--data", folder, "--json", tmp_path / "one.json") == 2
    assert "Name a folder" in capsys.readouterr().err


def test_the_plan_counts_steps_batches_and_what_follows_the_last_step(monkeypatch):
    model = evaluation.model()
    monkeypatch.setattr(plan, "pace", lambda model, request, batch: (0.5, 2.0))
    request = Request(length=evaluation.LENGTH, sampler="ddim", steps=8, temperature=1.0)
    wanted = [Setting(request, 130), Setting(request.with_(steps=16), 130)]
    assert plan.minutes(model, wanted) == pytest.approx(3 * (8 * 0.5 + 2 + 16 * 0.5 + 2) / 60)
    ledger = Ledger(rows=[{**quality.about(request), "texts": 130}])
    row = plan.plan(model, wanted, ledger)[0]
    assert (row["rows"], row["kept"], row["texts"]) == (2, 1, 130)
    assert row["minutes"] == pytest.approx(3 * (16 * 0.5 + 2) / 60)


def test_the_pace_leaves_out_the_first_step_and_finds_the_decoder(monkeypatch):
    now, model = [0.0], evaluation.model()
    finish, predict = model.finish, model.predict

    def timed(seconds, function):
        def wrapped(*args):
            now[0] += seconds
            return function(*args)
        return wrapped

    monkeypatch.setattr(plan.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(model, "predict", timed(3.0, predict))
    monkeypatch.setattr(model, "finish", timed(5.0, finish))
    assert plan.pace(model, Request(length=evaluation.LENGTH, sampler="ddim"), 2) == (3.0, 5.0)


def test_a_path_that_one_of_several_papers_lacks_is_named_in_its_result(bundled, folder, tmp_path, monkeypatch):
    assert evaluate(monkeypatch, "likelihood", "--paper", "diffusion-lm,ar", "--compute", "bf16", "--data", folder,
                    "--samples", 2, "--draws", 1, "--json", tmp_path) == 0
    assert {result["paper"]: result["path"] for result in load_all(tmp_path).values()} == {"diffusion-lm": "bf16", "ar": "fp32"}
    with pytest.raises(StudioError, match="no speed path"):
        diffusion.core.compute.choose(diffusion.load("ar"), "bf16")
