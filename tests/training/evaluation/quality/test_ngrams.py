"""n-grams: hand-counted probabilities, distributions that sum to one, and the gain of looking further back."""

import math

import pytest
import torch

from diffusion.core.errors import StudioError
from diffusion.text.vocab import END, PAD, UNK
from training.evaluation.quality.ngrams import WittenBell

A, B, SIZE = 3, 4, 5
ROWS = torch.tensor([[A, A, B, END, PAD], [A, B, END, PAD, PAD]])


def nats(model, *ids):
    """Of one row that need not end."""
    return model.nats(torch.tensor([[*ids, PAD]])).item()


def test_unigrams_are_those_counted_by_hand():
    model = WittenBell(ROWS, 1, SIZE)                    # 7 tokens of 3 kinds, and 4 that can be predicted
    for word, count in ((A, 3), (B, 2), (END, 2), (UNK, 0)):
        assert nats(model, word) == pytest.approx(-math.log((count + 3 / 4) / 10))


def test_bigrams_are_those_counted_by_hand():
    model, alone = WittenBell(ROWS, 2, SIZE), WittenBell(ROWS, 1, SIZE)
    unigram = {word: math.exp(-nats(alone, word)) for word in (A, B, END)}
    first = (2 + 1 * unigram[A]) / 3                     # both rows begin with A: one kind of token after the start
    assert nats(model, A) == pytest.approx(-math.log(first))
    for word, count in ((A, 1), (B, 2), (END, 0)):       # after A: A once, B twice
        assert nats(model, A, word) - nats(model, A) == pytest.approx(-math.log((count + 2 * unigram[word]) / 5))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("before", [(), (A,), (A, A), (B, A), (UNK, B, A)])
def test_the_next_token_has_probability_one_in_all(order, before):
    model = WittenBell(ROWS, order, SIZE)
    known = nats(model, *before) if before else 0.0
    assert sum(math.exp(known - nats(model, *before, word)) for word in (A, B, END, UNK)) == pytest.approx(1)


def test_a_context_that_was_never_seen_says_what_a_shorter_one_says():
    long, short = WittenBell(ROWS, 4, SIZE), WittenBell(ROWS, 1, SIZE)
    assert nats(long, UNK, UNK, UNK, A) - nats(long, UNK, UNK, UNK) == pytest.approx(nats(short, A))


def test_looking_further_back_explains_text_with_memory_better_and_pad_counts_nothing():
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randint(2, (400, 6), generator=generator)
    rows = torch.stack([pairs + A, pairs + A], 2).flatten(1)                  # every letter is said twice
    rows = torch.cat([rows, torch.full((400, 1), END), torch.full((400, 3), PAD)], 1)
    scores = [WittenBell(rows[:300], order, SIZE).nats(rows[300:]).mean().item() for order in (1, 2, 8)]
    assert scores[0] > scores[1] > scores[2]
    entropy = 6 * math.log(2)                            # six letters are chosen; their echo and the end are certain
    assert entropy < scores[2] < 0.8 * scores[0]
    wider = torch.cat([rows, torch.full((400, 5), PAD)], 1)
    assert WittenBell(wider[:300], 2, SIZE).nats(wider[300:]).mean().item() == pytest.approx(scores[1])


@pytest.mark.parametrize("order", [0, 25])
def test_an_order_that_cannot_be_counted_is_refused(order):
    with pytest.raises(StudioError, match="Choose 1 to 24 tokens"):
        WittenBell(ROWS, order, SIZE)
