"""What is measured on samples: planted perfection, copying and unsteadiness show, and results can be repeated."""

import dataclasses
import json
import shutil
import sys

import pytest
import torch

import diffusion
from controllers.matchers.slot_matcher import FINGERPRINT
from diffusion.core.errors import StudioError
from diffusion.core.types import Request
from tests.support import evaluation
from training import __main__ as training_main
from training.data.corpus import Encoded
from training.evaluation.likelihood import measure as likelihood
from training.evaluation.quality import measure as quality
from training.evaluation.quality import metrics
from training.evaluation.quality.measure import Bench, Setting
from training.evaluation.report.results import fingerprint

REQUEST = Request(length=evaluation.LENGTH, sampler="ancestral", steps=2)
AT_64 = [Setting(REQUEST.with_(steps=64, temperature=1.0), 20)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return evaluation.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bench(folder):
    return Bench.open(folder, evaluation.model(), evaluation.judge())


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    return evaluation.write_checkpoints(tmp_path_factory.mktemp("checkpoints"))


def met(tables):
    """Whether each bar of the last table is met, by its name."""
    return {row["what"]: row["met"] for row in tables[-1].rows}


# ---- what stands beside a measurement


def test_human_texts_are_held_out_and_come_in_one_order(bench, folder):
    texts = [row.text for row in bench.human]
    assert len(texts) == 24
    assert texts == [row.text for row in Bench.open(folder, evaluation.model(), evaluation.judge()).human]
    assert not {row.words for row in bench.human} & bench.training
    assert [bench.model.vocab.text(row.words) for row in bench.human] != sorted(texts)


def test_human_texts_for_tuning_are_training_rows_that_the_model_never_saw(folder):
    tuning = Bench.open(folder, evaluation.model(), evaluation.judge(), tuning=True)
    held_out = {row.words for row in tuning.human}
    assert len(held_out) == 7                            # a tenth of 72 training rows
    assert not held_out & tuning.training
    assert len(held_out | tuning.training) == 72


def test_judge_of_another_vocabulary_is_refused(folder):
    judge = evaluation.judge()
    judge.vocab = type(judge.vocab)([*judge.vocab.words, "sushi"])
    with pytest.raises(StudioError, match=judge.vocab.fingerprint):
        Bench.open(folder, evaluation.model(), judge)


def test_more_samples_than_human_texts_are_refused(bench):
    with pytest.raises(StudioError, match="only 24 fit"):
        bench.first(25)


# ---- free samples


def test_a_model_that_writes_as_people_do_meets_all_bars(bench, monkeypatch):
    human = [row.words for row in bench.human[:20]]
    monkeypatch.setattr(quality, "written", lambda model, request, seeds: (human[::-1], 64.0))
    tables = quality.free(bench, AT_64)
    written = tables[0].rows[1]
    assert written["NFE"] == 64
    assert written["MAUVE"] == 1.0
    assert written["perplexity / human"] == written["distinct-4 / human"] == 1.0
    assert written["verbatim %"] == 0
    assert set(met(tables).values()) == {True}


def test_a_model_that_recites_its_training_rows_is_found_out(bench, monkeypatch):
    recited = sorted(bench.training)[:20]
    monkeypatch.setattr(quality, "written", lambda model, request, seeds: (recited, 64.0))
    tables = quality.free(bench, AT_64)
    assert tables[0].rows[1]["verbatim %"] == 100
    assert tables[0].rows[1]["copied 4-grams %"] == 100
    assert met(tables)["verbatim above human, points (ancestral, 64 steps)"] is False


def test_a_model_that_always_says_the_same_is_found_out(bench, monkeypatch):
    monkeypatch.setattr(quality, "written", lambda model, request, seeds: ([bench.human[0].words] * len(seeds), 64.0))
    tables = quality.free(bench, AT_64)
    assert tables[0].rows[1]["self-BLEU %"] == 100
    assert met(tables)["distinct-4 / human (ancestral, 64 steps)"] is False


def test_free_samples_are_those_of_generate_with_the_same_seeds(bench):
    texts = quality.write(bench.model, REQUEST, 3)
    trace = diffusion.generate(bench.model, REQUEST.with_(seeds=(0, 1, 2))).run()
    assert texts == metrics.texts_of(torch.from_numpy(trace.ids.astype("int64")))
    assert len(set(texts)) == 3


def test_settings_vary_only_what_the_sampler_reads():
    given = {"clamp": [0.0, 0.5], "eta": [0.0, 1.0], "mix": [0.0], "revise": [0, 2]}
    found = quality.combined(["ancestral", "ddim", "dpm-solver++"], [8], [1.0], given)
    knobs = [(request.sampler, request.clamp, request.eta, request.revise) for request in found]
    assert sorted(knobs) == [("ancestral", 0, 0, 0), ("ancestral", 0.5, 0, 0), ("ddim", 0, 0, 0), ("ddim", 0, 1, 0),
                             ("ddim", 0.5, 0, 0), ("ddim", 0.5, 1, 0), ("dpm-solver++", 0, 0, 0)]


def test_a_sampler_that_heeds_no_number_of_steps_is_measured_once():
    found = quality.combined(["left-to-right", "ddim"], [8, 16], [None], {})
    assert [(request.sampler, request.steps) for request in found] == [("left-to-right", 64), ("ddim", 8), ("ddim", 16)]
    with pytest.raises(StudioError, match="ancestral"):
        quality.combined(["ancestrall"], [8], [None], {})


def test_samples_are_compared_with_as_many_human_texts(bench, monkeypatch):
    monkeypatch.setattr(quality, "written", lambda model, request, seeds: (
        [row.words for row in bench.human[:len(seeds)]], 2.0))
    rows = quality.free(bench, [Setting(REQUEST, 12), Setting(REQUEST.with_(sampler="ddim"), 6)])[0].rows
    assert [(row["sampler"], row["texts"]) for row in rows] == [
        ("human text", 12), ("human text", 6), ("ancestral", 12), ("ddim", 6)]
    assert rows[2]["perplexity / human"] == rows[3]["perplexity / human"] == 1.0
    assert rows[0]["distinct-4"] != rows[1]["distinct-4"]
    assert 0 < rows[0]["MAUVE"] <= 1                     # human text against the next twelve


def test_network_evaluations_are_those_of_the_run(bench):
    assert quality.written(bench.model, REQUEST, range(3))[1] == 2.0
    guided = REQUEST.with_(guidance_scale=2.0)
    told = bench.model.labels.encode({"food": "Italian"}).expand(3, -1)
    assert quality.written(bench.model, guided, range(3), told)[1] == 4.0


# ---- reproducibility


def test_every_seed_comes_again_on_plain_fp32():
    rows = quality.reproducibility(evaluation.model(), REQUEST, 6, ["fp32"])[0].rows
    assert rows == [{"path": "fp32", "seeds": 6, "again %": 100.0, "alone as in a batch %": 100.0, "as fp32 %": 100.0}]


def test_a_text_that_depends_on_its_batch_is_found_out(monkeypatch):
    model = evaluation.model()
    predict = model.predict

    def unsteady(state, t, request):
        found = predict(state, t, request)
        shift = len(request.seeds) * 9.0 * torch.eye(*found.logits.shape[1:])
        return dataclasses.replace(found, logits=found.logits + shift)

    monkeypatch.setattr(model, "predict", unsteady)
    tables = quality.reproducibility(model, REQUEST, 6, ["fp32"])
    assert tables[0].rows[0]["alone as in a batch %"] < 50
    assert met(tables)["alone as in a batch, % of seeds (fp32)"] is False
    assert met(tables)["again, % of seeds (fp32)"] is True


# ---- likelihood


def test_bits_per_token_of_a_model_with_a_known_bound(monkeypatch):
    model, rows = evaluation.model(), evaluation.rows()
    encoded = Encoded.encode(rows, model.vocab, model.labels, model.length)
    words = torch.tensor([len(model.vocab.encode(row.text)) + 1 for row in rows])

    def bound(tokens, label, rng):
        """Two bits a token, and a half less where a label is told."""
        rate = torch.where((label > 0).any(1), 1.5, 2.0)
        return (metrics.rows_of(metrics.texts_of(tokens)) != 0).sum(1) * rate * torch.log(torch.tensor(2.0))

    monkeypatch.setattr(model, "bound", bound)
    table, bar = likelihood.likelihood(model, encoded, draws=2)
    free, told = table.rows
    assert (free["bits per token"], told["bits per token"]) == (2.0, 1.5)
    assert free["tokens"] == int(words.sum())
    assert bar.rows[0]["value"] == 2.0 and bar.rows[0]["met"] is True


def test_a_number_that_bounds_nothing_is_not_called_a_bound(monkeypatch):
    model, rows = evaluation.model(), evaluation.rows()[:8]
    encoded = Encoded.encode(rows, model.vocab, model.labels, model.length)
    monkeypatch.setattr(type(model), "bound_is_strict", False, raising=False)
    tables = likelihood.likelihood(model, encoded, draws=1)
    assert len(tables) == 1                              # no bar for it
    assert "bits per token" not in tables[0].rows[0]
    assert tables[0].rows[0]["bits per token, not a bound"] > 0


# ---- the whole command


def evaluated(arguments, tmp_path, monkeypatch):
    """The JSON of an evaluation by the command line, in this process."""
    file = tmp_path / "result.json"
    argv = ["evaluate", *map(str, arguments), "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["training", *argv])
    assert training_main.main(argv) == 0
    return json.loads(file.read_text(encoding="utf-8"))


def command(checkpoints, folder, *more):
    return ["quality", "--paper", checkpoints / "diffusion-lm", "--judge", checkpoints / "judge", "--data", folder,
            "--compute", "fp32", "--samples", 4, "--steps", 2, "--samplers", "ddim", *more]


def test_result_says_all_that_is_needed_to_repeat_it(checkpoints, folder, tmp_path, monkeypatch):
    result = evaluated(command(checkpoints, folder), tmp_path, monkeypatch)
    shipped = {name: fingerprint(checkpoints / name / "model.safetensors") for name in ("diffusion-lm", "judge")}
    assert result["checkpoints"] == shipped
    assert result["judge"] == shipped["judge"]
    assert result["matcher"] == FINGERPRINT
    assert result["path"] == "fp32"
    assert result["torch"] == torch.__version__
    assert result["seeds"] == {"samples": "0-3", "rows": quality.ROW_SEED}
    assert result["data"] == {name: fingerprint(folder / name) for name in ("train.csv", "valid.csv")}
    assert result["device"].startswith("cpu")
    assert result["commit"]
    assert result["machine"]["threads"] == torch.get_num_threads()
    named = "quality --paper diffusion-lm --judge judge --data "
    assert result["command"].startswith(f"python -m training evaluate {named}")
    assert str(tmp_path.parent) not in json.dumps(result)


def test_changed_checkpoint_has_another_hash(checkpoints, folder, tmp_path, monkeypatch):
    before = evaluated(command(checkpoints, folder), tmp_path, monkeypatch)
    changed = tmp_path / "changed"
    shutil.copytree(checkpoints, changed)
    evaluation.model(seed=5).save_pretrained(changed / "diffusion-lm")
    after = evaluated(command(changed, folder), tmp_path, monkeypatch)
    assert after["checkpoints"]["diffusion-lm"] != before["checkpoints"]["diffusion-lm"]
    assert after["judge"] == before["judge"]


@pytest.mark.parametrize("what", ["label", "length", "infill", "reproducibility"])
def test_every_measurement_runs_from_the_command_line(what, checkpoints, folder, tmp_path, monkeypatch):
    more = ["--what", what, "--baseline", "none", "--guidance-scale", "1,2"]
    result = evaluated(command(checkpoints, folder, *more), tmp_path, monkeypatch)
    assert result["what"] == f"quality, {what}"
    assert all(row.keys() >= set(table["show"][:1]) for table in result["tables"] for row in table["rows"])


def test_mistakes_are_answered_with_a_sentence(checkpoints, folder, capsys):
    judged_by_model = command(checkpoints, folder, "--judge", checkpoints / "diffusion-lm")
    without_data = ["quality", "--paper", checkpoints / "diffusion-lm", "--compute", "fp32"]
    for arguments, expected in ((judged_by_model, "must not judge itself"), (without_data, "Give --data")):
        assert training_main.main(["evaluate", *map(str, arguments)]) == 2
        assert expected in capsys.readouterr().err
