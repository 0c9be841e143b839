"""How likely a belief says something, against sums over all texts; and where the ways of saying a value come from."""

import itertools
import json
import math

import pytest
import torch

from controllers import phrases
from controllers.phrases import Way, fits_somewhere, log_said, nearest_said, way_of_words, ways_of
from diffusion import StudioError
from diffusion.text.vocab import SPECIALS, Vocabulary
from tests.controllers.small import CONTEXT, LABELS, VOCAB

A, B, C = 3, 4, 5


def belief(length: int, words: int = 5, seed: int = 0) -> torch.Tensor:
    logits = torch.randn(1, length, words + 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return logits.softmax(-1)


def share_of_texts(probs: torch.Tensor, says) -> float:
    """Probability under independent positions that a text fulfils a test: a sum over all texts."""
    total = 0.0
    for text in itertools.product(range(probs.shape[2]), repeat=probs.shape[1]):
        if says(text):
            total += math.prod(float(probs[0, place, word]) for place, word in enumerate(text))
    return total


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_word_is_exactly_the_share_of_all_texts_that_hold_it(seed):
    probs = belief(4, seed=seed)
    exact = share_of_texts(probs, lambda text: A in text)
    assert float(log_said([Way(((A,),))], probs).exp()) == pytest.approx(exact, rel=1e-5)


def test_spellings_of_a_word_count_as_one():
    probs = belief(4)
    exact = share_of_texts(probs, lambda text: A in text or C in text)
    assert float(log_said([Way(((A, C),))], probs).exp()) == pytest.approx(exact, rel=1e-5)


def test_a_phrase_with_one_place_is_exactly_the_share_of_all_texts_that_are_it():
    probs = belief(2)
    exact = share_of_texts(probs, lambda text: text == (A, B))
    assert float(log_said([Way(((A,), (B,)))], probs).exp()) == pytest.approx(exact, rel=1e-5)


def test_places_and_ways_are_independent_chances():
    probs, none = belief(5), 1.0
    for place in range(5):
        none *= 1 - float(probs[0, place, C])
        if place < 4:
            none *= 1 - float(probs[0, place, A] * probs[0, place + 1, B])
    assert float(log_said([Way(((A,), (B,))), Way(((C,),))], probs).exp()) == pytest.approx(1 - none, rel=1e-5)


def test_rare_and_frequent_chances_meet_without_a_step():
    values = []
    for chance in torch.linspace(-15.2, -12.8, 400, dtype=torch.float64).exp():
        probs = torch.zeros(1, 3, 6, dtype=torch.float64)
        probs[..., A], probs[..., B] = chance, 1 - chance
        values.append(float(log_said([Way(((A,),))], probs)))
    steps = torch.tensor(values).diff()
    assert (steps > 0).all() and float(steps.max() / steps.min()) < 1.01


def test_a_phrase_that_does_not_fit_is_all_but_impossible_and_finite():
    way = Way(((A,), (B,), (C,)))
    assert -300 < float(log_said([way], belief(2))) < -100


def test_the_nearest_place_gets_most_of_the_pull():
    probs = torch.full((1, 4, 6), 1 / 6)
    probs[0, 2] = torch.tensor([.1, .1, .1, .5, .1, .1])
    logits = probs.log().requires_grad_()
    slope = torch.autograd.grad(nearest_said([Way(((A,),))], logits.softmax(-1)).sum(), logits)[0][0, :, A]
    even = torch.autograd.grad(log_said([Way(((A,),))], logits.softmax(-1)).sum(), logits)[0][0, :, A]
    assert slope.argmax() == 2 and slope[2] / slope[0] > 5 > even[2] / even[0]


def test_a_frequent_way_is_preferred_where_the_belief_is_open():
    logits = torch.zeros(1, 4, 6).requires_grad_()
    ways = [Way(((A,),), 0.8), Way(((B,),), 0.1)]
    slope = torch.autograd.grad(nearest_said(ways, logits.softmax(-1)).sum(), logits)[0]
    assert float(slope[0, 0, A]) > 0.15 > 0.01 > float(slope[0, 0, B])


def test_a_way_fits_where_its_words_may_stand_side_by_side_in_every_text():
    way, mask = Way(((A,), (B, C))), torch.zeros(2, 4, 6, dtype=torch.bool)
    mask[:, 1, A] = mask[:, 2, C] = True
    assert fits_somewhere([way], mask) and fits_somewhere([way], mask[0])
    mask[1, 2, C] = False
    assert not fits_somewhere([way], mask) and fits_somewhere([way, Way(((A,),))], mask)


# ---- where ways come from


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(phrases, "FOLDER", tmp_path)
    return tmp_path


def write(folder, slots) -> None:
    (folder / phrases.TABLE).write_text(json.dumps({"slots": slots}), encoding="utf-8")


def test_ways_are_those_of_the_table_whose_words_the_model_knows(folder):
    write(folder, {"food": {"Italian": [["italian", 0.8], ["pasta", 0.1], ["cheap italian", 0.05]]}})
    found = ways_of("food", "Italian", CONTEXT)
    assert [way.share for way in found] == [0.8, 0.05]
    assert found[1].groups == ((VOCAB.ids["cheap"],), (VOCAB.ids["Italian"],))


def test_a_value_that_the_table_lacks_is_said_in_its_own_words(folder):
    write(folder, {})
    assert ways_of("near", "Café Rouge", CONTEXT) == (Way(((VOCAB.ids["Café"],), (VOCAB.ids["Rouge"],))),)


def test_a_value_whose_words_the_model_lacks_is_refused(folder):
    write(folder, {"customer rating": {"low": [["low customer", 0.4]]}})
    with pytest.raises(StudioError, match="'customer rating:low' cannot be said"):
        ways_of("customer rating", "low", CONTEXT)


def test_a_word_stands_for_all_its_spellings_and_unknown_ones_name_the_nearest():
    vocab = Vocabulary([*SPECIALS, "The", "the", "pub"])
    assert way_of_words(["THE", "pub"], vocab).groups == ((3, 4), (5,))
    with pytest.raises(StudioError, match=r"'pubs' is not among.*'pub'"):
        way_of_words(["the", "pubs"], vocab)


@pytest.mark.parametrize("text", ["", "[]", '{"slots": 3}', '{"slots": {"food": {"Italian": [3]}}}'])
def test_a_damaged_table_is_told_with_the_command_that_makes_it(folder, text):
    assert "python -m training phrases" in phrases.missing()
    (folder / phrases.TABLE).write_text(text, encoding="utf-8")
    assert "python -m training phrases" in phrases.missing()


def test_the_shipped_table_says_every_value_of_the_shipped_models():
    from diffusion.core import checkpoint
    from diffusion.text.labels import LabelSet

    labels = LabelSet.load(checkpoint.BUNDLED / "diffusion-lm" / "labels.json")
    table = phrases.table()
    assert {slot: sorted(values) for slot, values in table.items()} == {slot: sorted(v) for slot, v in labels.slots.items()}
    assert all(0 < share <= 1 for values in table.values() for said in values.values() for _, share in said)
    assert set(LABELS.slots) <= set(table)
