"""A model of characters is measured beside n-grams on the same text; texts of words and of characters are not mixed up."""

import dataclasses
import json
import sys

import pytest
import torch

import diffusion
from diffusion.core.errors import StudioError
from diffusion.text.characters import ALPHABET
from diffusion.text.vocab import PAD
from tests.support.tiny_training import LENGTH, TINY, tiny
from tests.test_results import objections
from tests.tiny import SIZES, shrunk
from training import __main__ as training_main
from training import progress, recipes, state
from training.data.corpus import load_corpus
from training.evaluation.likelihood import measure as likelihood
from training.evaluation.quality.ngrams import WittenBell
from training.loop import Options, train

LONG = 160
RDLM = shrunk(recipes.RECIPES["rdlm-characters-small"].config, {**SIZES, "length": LONG})
RECIPE = dataclasses.replace(recipes.RECIPES["rdlm-characters-small"], config=RDLM, steps=2, batch=8, warmup=1)


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """The recipe at a size for tests, in an empty folder; no TensorBoard."""
    monkeypatch.setitem(recipes.RECIPES, "rdlm-characters-small", RECIPE)
    monkeypatch.setattr(progress, "_board", lambda folder, step: None)
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    return training_main.main(list(arguments))


def test_data_in_characters_are_the_same_texts_in_the_form_of_text8():
    words, characters = (load_corpus(TINY, row, LONG) for row in (tiny(), RECIPE))
    assert characters.vocab.kind == "characters" and words.vocab.kind == "words"
    assert characters.labels.fingerprint == words.labels.fingerprint
    shown = [characters.vocab.text(row) for row in characters.train.tokens]
    assert any("five" in text for text in shown) and all(set(text) <= set(ALPHABET) for text in shown)
    assert shown[0].split()[:2] == words.vocab.text(words.train.tokens[0]).lower().split()[:2]


def test_a_model_of_characters_is_trained_measured_and_written_down(monkeypatch, capsys):
    assert command(monkeypatch, "train", "--recipe", "rdlm-characters-small", "--data", str(TINY), "--look-every", "2",
                   "--threads", "1") == 0  # fmt: skip
    assert "step 2: validation loss" in capsys.readouterr().err
    assert command(monkeypatch, "characters", "--data", str(TINY), "--rows", "10", "--draws", "1", "--order", "3",
                   "--json", "characters.json") == 0  # fmt: skip
    with open("characters.json", encoding="utf-8") as file:
        result = json.load(file)
    assert objections({**result, "commit": "1234567"}, {}) == []
    bound, *counted = result["tables"][0]["rows"]
    assert bound["kind"] == "upper bound" and bound["bits per character"] > counted[-1]["bits per character"] > 0
    assert [row["model"][:6] for row in counted] == ["1-gram", "2-gram", "3-gram"]
    assert {row["texts"] for row in [bound, *counted]} == {10} and result["options"]["checkpoint"]
    assert "Bits per character" in capsys.readouterr().out


def test_bits_per_character_count_spaces_and_end_on_the_same_rows_for_both(monkeypatch):
    assert command(monkeypatch, "train", "--recipe", "rdlm-characters-small", "--data", str(TINY), "--look-every", "0") == 0
    from training.evaluation.likelihood import characters as characters_cli

    data, model = load_corpus(TINY, RECIPE, LONG), diffusion.load("runs/rdlm-characters-small/checkpoint").eval()
    tokens = data.valid.tokens[:6]
    characters = sum(len(model.vocab.text(row)) + 1 for row in tokens)
    row, counted = characters_cli.measured(model, tokens, 1), characters_cli.counted(data, tokens, 2)[1]
    assert row["characters"] == counted["characters"] == characters == int((tokens != PAD).sum())
    exact = WittenBell(data.train.tokens, 2, len(data.vocab)).nats(tokens).sum().item() / characters / 0.6931471805599453
    assert counted["bits per character"] == pytest.approx(exact)
    generator = torch.Generator().manual_seed(likelihood.SEED)
    with torch.no_grad():
        free = model.labels.free().expand(6, -1)
        nats = likelihood.bound(model, tokens, free, generator).sum().item()
    assert row["bits per character"] == pytest.approx(nats / characters / 0.6931471805599453)


def test_a_model_of_words_is_refused(monkeypatch, tmp_path, capsys):
    assert command(monkeypatch, "train", "--recipe", "rdlm-characters-small", "--vocab", "words", "--data", str(TINY),
                   "--steps", "2", "--look-every", "0", "--output", "words") == 0  # fmt: skip
    assert diffusion.load("words/checkpoint").vocab.kind == "words"
    assert command(monkeypatch, "characters", "--data", str(TINY), "--paper", "words/checkpoint") == 2
    assert "is a model of words. Give one that was trained with --vocab characters" in capsys.readouterr().err


def test_a_run_is_not_resumed_in_the_other_vocabulary_but_one_from_before_there_were_two_is(tmp_path):
    """A field that a saved recipe lacks is younger than it, and had its default."""
    recipe, data = tiny(steps=2), load_corpus(TINY, tiny(), LENGTH)
    train(recipe, data, Options(tmp_path, look_every=0))
    with pytest.raises(StudioError, match="vocab = words, not characters"):
        train(dataclasses.replace(recipe, vocab="characters"), data, Options(tmp_path, look_every=0, resume=True))
    path = state.found(tmp_path)[0] / state.INFO
    info = json.loads(path.read_text(encoding="utf-8"))
    assert info["recipe"].pop("vocab") == "words" and info["recipe"]["config"].pop("learned_embeddings") is True
    path.write_text(json.dumps(info), encoding="utf-8")
    assert train(recipe, data, Options(tmp_path, look_every=0, resume=True)).step == 2
    info["recipe"]["config"]["anchor"] = False
    path.write_text(json.dumps(info), encoding="utf-8")
    with pytest.raises(StudioError, match="began with config"):
        train(recipe, data, Options(tmp_path, look_every=0, resume=True))
