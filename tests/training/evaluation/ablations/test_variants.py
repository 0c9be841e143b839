"""Ablations: variants differ in what is named and in nothing else, and a run is written down row by row."""

import dataclasses
import itertools
import json
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
import torch

import diffusion
from diffusion.core import checkpoint
from diffusion.nn.backbone import BackboneConfig
from diffusion.papers import autoregressive
from tests.support import evaluation
from tests.test_results import objections
from tests.tiny import tiny_model
from training import __main__ as training_main
from training import progress, recipes
from training.data.corpus import load_corpus
from training.evaluation.ablations import command as ablations_cli
from training.evaluation.ablations import measures as ablation_measures
from training.evaluation.ablations import rows as ablation_rows
from training.evaluation.ablations.variants import ablations, digest, recipe_of
from training.evaluation.report.results import fingerprint
from training.loop import BUILDERS, configured

STEPS = 900
TRAINED = [(name, variant.name) for name, ablation in ablations(STEPS).items() if ablation.kind == "trained"
           for variant in ablation.variants]  # fmt: skip


def made(name, variant):
    """The recipe of a variant."""
    ablation = ablations(STEPS)[name]
    return recipe_of(ablation, next(other for other in ablation.variants if other.name == variant), STEPS)


# ---- the table


@pytest.mark.parametrize("name", ablations(STEPS))
def test_an_ablation_names_claim_source_and_two_variants_or_more(name):
    ablation = ablations(STEPS)[name]
    assert len(ablation.claim.split()) > 8 and "arXiv" in ablation.source
    assert len({variant.name for variant in ablation.variants}) == len(ablation.variants) >= 2
    assert ablation.paper in diffusion.PAPERS or ablation.why_not()


def test_all_that_was_promised_is_there():
    known = ablations(STEPS)
    assert {"clamping", "prediction", "schedule", "embeddings", "self-conditioning", "adaptive-schedule", "cached-encoder",
            "latent-steps", "graph", "objective", "prior"} == set(known)  # fmt: skip
    steps = [variant.request.steps for variant in known["latent-steps"].variants if not variant.paper]
    assert steps == [25, 50, 100, 250, 500]


@pytest.mark.parametrize(("name", "variant"), TRAINED)
def test_a_trained_variant_can_be_built_and_differs_from_the_first_in_the_named_fields_alone(name, variant):
    mine, first = made(name, variant), made(name, ablations(STEPS)[name].variants[0].name)
    assert dataclasses.replace(mine, config=first.config) == first
    vocab, labels = world()
    model = BUILDERS[mine.model](configured(mine, labels.sizes), vocab, labels)
    assert 2e5 < sum(weight.numel() for weight in model.parameters()) < 2e6
    changed = {field.name for field in dataclasses.fields(mine.config)
               if getattr(mine.config, field.name) != getattr(first.config, field.name)}  # fmt: skip
    asked = {key for other in ablations(STEPS)[name].variants for key in other.changes}
    assert changed <= asked and (changed or variant == ablations(STEPS)[name].variants[0].name)


def test_variants_that_are_the_same_model_are_trained_once_and_others_are_not_mixed_up():
    assert digest(made("schedule", "sqrt")) == digest(made("embeddings", "learned")) == digest(made("self-conditioning", "on"))
    assert digest(made("objective", "cross-entropy, importance sampling")) == digest(made("prior", "mask"))
    assert len({digest(made(*pair)) for pair in TRAINED}) == len(TRAINED) - 3


def test_the_adaptive_schedule_is_refitted_within_any_number_of_steps():
    for steps in (20, 100, 1200):
        stride = ablations(steps)["adaptive-schedule"].variants[0].changes["refit_stride"]
        assert 3 * stride < steps


# ---- a run


@cache
def world():
    """Words and slots as training has them of the tiny data."""
    with tempfile.TemporaryDirectory() as folder:
        found = load_corpus(evaluation.write_data(Path(folder)), made("schedule", "sqrt"), evaluation.LENGTH)
    return found.vocab, found.labels


def paper(slug, seed=0):
    """A small random model of a paper over those words."""
    model = tiny_model(slug, *world(), length=evaluation.LENGTH)
    with torch.no_grad():
        model.bias += seed
        model.bias[::2] += seed
    return model


def write_judge(folder, seed):
    """A checkpoint of a small random judge over those words."""
    vocab, labels = world()
    torch.manual_seed(seed)
    config = autoregressive.Config(width=16, layers=1, heads=2, length=evaluation.LENGTH, label_sizes=labels.sizes)
    judge = autoregressive.LanguageModel(config, vocab, labels).eval()
    checkpoint.write(folder, judge, checkpoint.distinct(judge), {})


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The command on a tiny world: small networks, bundled checkpoints with random weights, no TensorBoard."""
    data = evaluation.write_data(tmp_path / "data")
    write_judge(tmp_path / "bundled" / "judge", seed=1)
    for slug in ("diffusion-lm", "seqdiffuseq"):
        paper(slug).save_pretrained(tmp_path / "bundled" / slug)
    monkeypatch.setattr(checkpoint, "BUNDLED", tmp_path / "bundled")
    monkeypatch.setattr(recipes, "ABLATION", BackboneConfig(width=16, layers=1, heads=2, length=evaluation.LENGTH, time_width=16))
    monkeypatch.setattr(progress, "_board", lambda folder, step: None)
    monkeypatch.setattr(ablations_cli, "REPEATS", 1)
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()

    def command(*arguments):
        argv = ["ablations", "--data", str(data), "--steps", "2", "--samples", "2", "--texts", "3", "--draws", "1", *arguments]
        monkeypatch.setattr(sys, "argv", ["training", *argv])
        return training_main.main(argv)

    yield command
    torch.set_num_threads(before)


def result(path="runs/ablations/ablations.json"):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def rows(path="runs/ablations/ablations.json"):
    return by_name(result(path))


def by_name(found):
    return {(row["ablation"], row["variant"]): row for row in found["tables"][0]["rows"]}


def test_trained_variants_are_bounded_and_sampled_and_the_file_says_what_it_came_from(lab, capsys):
    assert lab("--only", "embeddings") == 0
    assert "random" in capsys.readouterr().out
    found = rows()
    assert list(found) == [("embeddings", "learned"), ("embeddings", "random")]
    for row in found.values():
        assert row["bits per token"] > 0 and row["perplexity / human"] > 0 and row["trained steps"] == 2
        assert 0 <= row["distinct-4"] <= 1 and row["sampled steps"] == 64 and row["strict bound"] is True
    whole = result()
    assert objections({**whole, "commit": "1234567"}, {"judge": whole["judge"]}) == []
    assert [(row["ablation"], row["paper"]) for row in whole["tables"][1]["rows"]] == [("embeddings", "diffusion-lm")]
    assert whole["command"].startswith("python -m training ablations --data data")


def test_an_interrupted_run_keeps_its_rows_and_goes_on_and_others_stay(lab, monkeypatch):
    measure, done = ablations_cli.Lab.measure, []

    def once(self, ablation, variant):
        if done:
            raise KeyboardInterrupt
        done.append(variant.name)
        return measure(self, ablation, variant)

    with monkeypatch.context() as patched:
        patched.setattr(ablations_cli.Lab, "measure", once)
        assert lab("--only", "clamping") == 130
    before = rows()
    assert list(before) == [("clamping", "off")]
    assert lab("--only", "clamping") == 0
    assert rows()["clamping", "off"] == before["clamping", "off"] and len(rows()) == 3
    with monkeypatch.context() as patched:               # all is there: nothing is measured, trained or lost
        patched.setattr(ablations_cli.Lab, "measure", lambda *_: pytest.fail("measured again"))
        assert lab("--only", "clamping") == 0
    assert lab("--only", "graph") == 0
    assert [name for name, _ in rows()] == ["clamping"] * 3 + ["graph"] * 2
    assert set(result()["checkpoints"]) == {"diffusion-lm", "judge"}


def test_rows_of_another_machine_stay_as_they_were_and_the_header_says_which_measured_what(lab, monkeypatch):
    monkeypatch.setattr(ablation_rows, "device_name", lambda device: "cpu: another")
    assert lab("--only", "embeddings") == 0
    path = Path("runs/ablations/ablations.json")
    old = result()
    assert old["device"] == "cpu: another" and "earlier" not in old["options"]
    for row in old["tables"][0]["rows"]:                 # a file from before rows named their machine
        del row["device"], row["torch"], row["claim"]
    path.write_text(json.dumps({**old, "torch": "1.0"}), encoding="utf-8")
    monkeypatch.setattr(ablation_rows, "device_name", lambda device: "cpu: mine")
    assert lab("--only", "clamping,cached-encoder") == 0
    new, found = result(), rows()
    for name, row in by_name(old).items():
        assert found[name] == {**row, "device": "cpu: another", "torch": "1.0", "claim": ablations(2)["embeddings"].claim}
    mine = f"cpu: mine, torch {torch.__version__} (clamping, cached-encoder)"
    assert new["device"] == f"cpu: another, torch 1.0 (embeddings); {mine}"
    assert new["options"]["earlier"] == [old["command"]] and new["command"] != old["command"]
    assert all(row["claim"] == ablations(2)[row["ablation"]].claim for row in found.values())
    assert lab("--only", "clamping,cached-encoder") == 0
    again = result()
    assert (again["device"], again["options"], again["tables"]) == (new["device"], new["options"], new["tables"])


def test_rows_of_another_checkpoint_or_judge_are_measured_again(lab):
    assert lab("--only", "clamping") == 0
    first = rows()
    paper("diffusion-lm", seed=5).save_pretrained(checkpoint.BUNDLED / "diffusion-lm")
    assert lab("--only", "clamping") == 0
    assert all(rows()[name]["weights"] != first[name]["weights"] for name in first)
    write_judge(checkpoint.BUNDLED / "judge", seed=9)
    assert lab("--only", "graph") == 0
    assert {name for name, _ in rows()} == {"graph"}


def test_a_trial_of_few_steps_does_not_stand_for_a_whole_run(lab):
    assert lab("--only", "embeddings") == 0
    first = rows()
    assert lab("--only", "embeddings", "--steps", "3") == 0
    assert {row["trained steps"] for row in rows().values()} == {3} and len(rows()) == len(first) == 2


def test_the_encoder_is_timed_both_ways_in_one_run_and_writes_the_same(lab, monkeypatch):
    turns = []
    finished = ablation_measures.quality.finished
    monkeypatch.setattr(ablation_measures.quality, "finished", lambda model, request: (
        turns.append(model.cache_source), finished(model, request))[1])
    assert lab("--only", "cached-encoder") == 0
    assert turns == [True, False] * 2
    cached, anew = rows().values()
    assert cached["seconds / first"] == 1 and cached["seconds"] > 0 and anew["same texts as first"] is True
    assert cached["weights"] == fingerprint(checkpoint.BUNDLED / "seqdiffuseq" / checkpoint.WEIGHTS)


def test_what_cannot_be_measured_is_left_out_with_the_reason_or_refused_where_it_was_asked_for(lab, capsys, monkeypatch):
    known = ablations(2)
    few = {name: known[name] for name in ("clamping", "latent-steps")}
    monkeypatch.setattr(ablations_cli, "ablations", lambda steps: few)
    assert lab() == 0
    assert "Left out: latent-steps, because no checkpoint 'ld4lg' is bundled." in capsys.readouterr().err
    assert lab("--only", "latent-steps") == 2
    assert "'latent-steps' cannot be measured: no checkpoint 'ld4lg' is bundled" in capsys.readouterr().err
    assert lab("--only", "clampin") == 2
    assert "Unknown ablation 'clampin'. The nearest known: 'clamping'" in capsys.readouterr().err
    Path("runs/ablations/ablations.json").write_text("[]", encoding="utf-8")
    assert lab() == 2
    assert "is not a result of this command" in capsys.readouterr().err


def test_a_judge_of_other_words_is_refused_before_anything_is_trained(lab, tmp_path, capsys):
    other = evaluation.judge()
    checkpoint.write(tmp_path / "other", other, checkpoint.distinct(other), {})
    assert lab("--only", "graph", "--judge", str(tmp_path / "other")) == 2
    assert "The judge knows the vocabulary" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_the_bound_of_an_ablation_is_that_of_the_likelihood_command():
    """One estimator: free rows, the same seed of times."""
    from training.data.corpus import Encoded
    from training.evaluation.likelihood import measure as likelihood

    model = evaluation.model()
    encoded = Encoded.encode(evaluation.rows()[:10], model.vocab, model.labels, model.length)
    free = likelihood.likelihood(model, encoded, 2)[0].rows[0]
    bits, interval = ablation_measures.bits(model, encoded.tokens, 2)
    assert (free["bits per token"], free["± (95%)"]) == pytest.approx((bits, interval), rel=1e-3)


def test_models_are_timed_in_turn(monkeypatch):
    order = []
    monkeypatch.setattr(ablation_measures.quality, "finished", lambda model, request: order.append(model) or [model])
    seconds, texts = ablation_measures.timed(["a", "b", "c"], None, 2)
    assert order == ["a", "b", "c"] * 3 and texts == [["a"], ["b"], ["c"]] and len(seconds) == 3
    assert all(itertools.starmap(lambda first, second: first >= 0 and second >= 0, itertools.pairwise(seconds)))
