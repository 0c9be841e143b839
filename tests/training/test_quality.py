"""What is measured on samples: planted perfection, copying and unsteadiness show, and results can be repeated."""

import dataclasses
import json
import shutil
import sys

import pytest
import torch

import diffusion
from controllers.linguistics.slot_matcher import FINGERPRINT
from diffusion.core.errors import StudioError
from diffusion.core.labels import parse_meaning
from diffusion.core.types import Request
from tests.support import evaluation
from training import __main__ as training_main
from training import likelihood, metrics, quality, steering
from training.data import Encoded
from training.quality import Bench
from training.results import fingerprint

REQUEST = Request(length=evaluation.LENGTH, sampler="ancestral", steps=2)


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
    monkeypatch.setattr(quality, "write", lambda model, request, count: human[::-1])
    tables = quality.free(bench, [REQUEST.with_(steps=64)], 20)
    written = tables[0].rows[1]
    assert written["perplexity / human"] == written["distinct-4 / human"] == 1.0
    assert written["verbatim %"] == 0
    assert set(met(tables).values()) == {True}


def test_a_model_that_recites_its_training_rows_is_found_out(bench, monkeypatch):
    recited = sorted(bench.training)[:20]
    monkeypatch.setattr(quality, "write", lambda model, request, count: recited)
    tables = quality.free(bench, [REQUEST.with_(steps=64)], 20)
    assert tables[0].rows[1]["verbatim %"] == 100
    assert tables[0].rows[1]["copied 4-grams %"] == 100
    assert met(tables)["verbatim above human, points (ancestral, 64 steps)"] is False


def test_a_model_that_always_says_the_same_is_found_out(bench, monkeypatch):
    monkeypatch.setattr(quality, "write", lambda model, request, count: [bench.human[0].words] * count)
    tables = quality.free(bench, [REQUEST.with_(steps=64)], 20)
    assert tables[0].rows[1]["self-BLEU %"] == 100
    assert met(tables)["distinct-4 / human (ancestral, 64 steps)"] is False


def test_free_samples_are_those_of_generate_with_the_same_seeds(bench):
    texts = quality.write(bench.model, REQUEST, 3)
    trace = diffusion.generate(bench.model, REQUEST.with_(seeds=(0, 1, 2))).run()
    assert texts == metrics.texts_of(torch.from_numpy(trace.ids.astype("int64")))
    assert len(set(texts)) == 3


def test_settings_vary_only_what_the_sampler_uses():
    found = quality.settings(["ancestral", "ddim", "dpm-solver++"], [8], [1.0], [0.0, 0.5], [0.0, 1.0])
    knobs = [(request.sampler, request.clamp, request.eta) for request in found]
    assert knobs == [("ancestral", 0, 0), ("ancestral", 0.5, 0), ("ddim", 0, 0), ("ddim", 0, 1), ("ddim", 0.5, 0),
                     ("ddim", 0.5, 1), ("dpm-solver++", 0, 0)]


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
    free, told = likelihood.likelihood(model, encoded, draws=2)[0].rows
    assert (free["bits per token"], told["bits per token"]) == (2.0, 1.5)
    assert free["tokens"] == int(words.sum())


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


# ---- labels, lengths, blanks


def test_shares_of_named_slots_are_counted_by_hand():
    meanings = [{"food": "Italian", "priceRange": "cheap"}, {"food": "French"}]
    texts = ["It serves Italian food for less than £20 .", "It serves Indian food by the river ."]
    shares = steering.Shares.of(texts, meanings)
    assert shares.named == {"food": 50.0, "priceRange": 100.0}
    assert shares.strictly == {"food": 50.0, "priceRange": 0.0}          # the number stands for the word
    assert shares.overall == pytest.approx(200 / 3)
    assert shares.overall_strictly == pytest.approx(100 / 3)
    assert shares.invented == pytest.approx(100 * 1 / 13)                # the river, of 6 + 7 slots that were not given


def test_a_value_that_the_matcher_does_not_know_is_refused():
    with pytest.raises(StudioError, match="Klingon"):
        steering.Shares.of(["Gagh ."], [{"food": "Klingon"}])


def test_a_model_that_says_what_it_is_told_meets_the_bars_of_labels(bench, monkeypatch):
    human = [row.words for row in bench.human]

    def write(model, request, count, labels=None):
        if labels is None:
            return human[::-1][:count]
        told = [model.labels.decode(label) for label in labels]
        assert told == [parse_meaning(row.meaning) for row in bench.human[:count]]
        return human[:count] if request.guidance_scale == 2 else human[1:count + 1]

    monkeypatch.setattr(steering, "write", write)
    tables = steering.label(bench, REQUEST, 20, [1.0, 2.0])
    by_scale = {row["texts"]: row["named %"] for row in tables[0].rows if "named %" in row}
    assert by_scale["guidance scale 2"] == by_scale["human"] == 100
    assert by_scale["guidance scale 1"] < 80
    assert set(met(tables).values()) == {True}
    assert {row["slot"] for row in tables[1].rows} == {"name", "eatType", "food", "area", "familyFriendly"}


def test_label_tells_the_other_slots_to_be_absent_on_request(bench, monkeypatch):
    seen = []
    monkeypatch.setattr(steering, "write", lambda model, request, count, labels=None: (
        seen.append(labels) or [row.words for row in bench.human[:count]]))
    bench = dataclasses.replace(bench, human=[dataclasses.replace(row, meaning="food[Italian]") for row in bench.human])
    steering.label(bench, REQUEST, 4, [1.0], absent=True)
    food = list(bench.model.labels.slots).index("food")
    assert (seen[1] == 1).sum(1).tolist() == [4] * 4     # all but food
    assert (seen[1][:, food] > 1).all()


def test_lengths_and_pins_are_exact_even_with_random_weights(bench):
    table, bars = steering.length(bench, REQUEST, 12)
    assert [row["exact %"] for row in table.rows] == [100.0, 100.0]
    assert all(row["met"] for row in bars.rows)


def test_a_length_that_is_missed_is_counted(bench, monkeypatch):
    monkeypatch.setattr(steering, "steered", lambda model, request, controls: [(3,) * 7] * len(request.seeds))
    table, bars = steering.length(bench, REQUEST, 40)
    assert table.rows[0]["exact %"] < 15                 # one length of 36 is 7
    assert table.rows[1]["exact %"] == 0
    assert not any(row["met"] for row in bars.rows)


def test_blanks_are_three_to_six_words_and_the_same_every_time(bench):
    given = steering.blanks(bench, 20)
    assert given == steering.blanks(bench, 20)
    assert {blank.size for blank in given} == {3, 4, 5, 6}
    assert all(len(blank.inside(blank.words)) == blank.size for blank in given)
    blank = given[0]
    control = blank.control(bench.model).removeprefix("infill=").split()
    assert control[blank.start] == f"___{blank.size}"
    assert len(control) == len(blank.words) - blank.size + 1


def test_a_changed_word_outside_the_blank_is_not_kept():
    blank = steering.Blank((3, 4, 5, 6, 7, 8), start=1, size=3)
    assert blank.inside((3, 9, 9, 9, 7, 8)) == (9, 9, 9)
    assert blank.kept((3, 9, 9, 9, 7, 8))
    assert not blank.kept((3, 9, 9, 9, 7, 9))
    assert not blank.kept((3, 9, 9, 9, 7, 8, 8))
    assert not blank.kept((3, 9, 9, 7, 8))


def test_perfect_infills_reach_the_human_text(bench, monkeypatch):
    given = iter(steering.blanks(bench, 10))
    monkeypatch.setattr(steering, "steered", lambda model, request, controls: [next(given).words])
    row = steering.infill(bench, REQUEST, 10, None)[0].rows[1]
    assert row["perplexity / human"] == 1.0
    assert row["BLEU-4 of the blanks %"] == row["blanks as the human %"] == 100.0


def test_infills_keep_every_pin_even_with_random_weights(bench):
    tables = steering.infill(bench, REQUEST, 10, None)
    assert tables[0].rows[1]["pins exact %"] == 100.0
    assert met(tables)["pins exact, %"] is True


def test_a_model_without_a_choice_of_steps_is_measured_once():
    from diffusion.autoregressive import Autoregressive, Config
    from training.evaluate_cli import FREE_STEPS, usual_steps

    vocab, labels = evaluation.world()
    baseline = Autoregressive(Config(width=16, layers=1, heads=2, length=16, label_sizes=labels.sizes), vocab, labels)
    assert usual_steps(baseline, baseline.samplers) == [64]
    assert usual_steps(evaluation.model(), ["ddim"]) == FREE_STEPS
    with pytest.raises(StudioError, match="ancestral"):
        usual_steps(evaluation.model(), ["ancestrall"])
