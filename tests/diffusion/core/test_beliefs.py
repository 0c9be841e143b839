"""What is read off a belief agrees with brute force and closed forms."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.core.beliefs import guide, most_likely_text, pressure, with_temperature
from diffusion.core.types import Request, entropy
from diffusion.text.vocab import END, PAD, UNK


def texts(length: int, words: int) -> list[list[int]]:
    """Every row of at least one word, END and PAD over a vocabulary of `words`, specials included."""
    rows = []
    for count in range(1, length):
        rows += [
            [*text, END, *[PAD] * (length - count - 1)] for text in itertools.product(range(3, words), repeat=count)
        ]
    return rows


def log_probability(logits: torch.Tensor, row: list[int]) -> float:
    """Of a row under independent positions, (L, V)."""
    return logits.double().log_softmax(-1)[range(len(row)), row].sum().item()


@given(
    seed=st.integers(0, 2**31),
    length=st.integers(2, 4),
    words=st.integers(4, 7),
    sharpness=st.sampled_from([0.1, 1.0, 10.0]),
)
@settings(max_examples=100, deadline=None)
def test_most_likely_text_is_what_brute_force_finds(seed, length, words, sharpness):
    logits = sharpness * torch.randn(1, length, words, generator=torch.Generator().manual_seed(seed))
    found = most_likely_text(logits)[0].tolist()
    best = max(texts(length, words), key=lambda row: log_probability(logits[0], row))
    assert log_probability(logits[0], found) == pytest.approx(log_probability(logits[0], best), abs=1e-4)
    assert found in texts(length, words)


def test_most_likely_text_weighs_all_positions_where_the_largest_of_each_is_no_text():
    logits = torch.log(
        torch.tensor(
            [[[0.01, 0.01, 0.01, 0.97], [0.40, 0.35, 0.01, 0.24], [0.05, 0.55, 0.01, 0.39], [0.9, 0.05, 0.01, 0.04]]]
        )
    )
    assert logits.argmax(-1).tolist() == [[3, PAD, END, PAD]]
    assert most_likely_text(logits).tolist() == [[3, 3, END, PAD]]


def test_rows_of_a_batch_are_read_on_their_own():
    logits = torch.randn(5, 6, 8, generator=torch.Generator().manual_seed(0))
    together = most_likely_text(logits)
    assert torch.equal(together, torch.cat([most_likely_text(row[None]) for row in logits]))


def test_a_belief_in_unk_and_in_an_empty_text_is_overruled():
    logits = torch.zeros(1, 3, 5)
    logits[:, :, UNK] = 30
    logits[:, 0, END] = 20
    text = most_likely_text(logits)[0].tolist()
    assert UNK not in text and text[0] >= 3


def test_a_belief_with_ruled_out_words_gives_the_only_text_that_is_left():
    row = [4, 3, END, PAD]
    logits = torch.full((1, 4, 6), -torch.inf)
    logits[0, range(4), row] = 0.0
    assert most_likely_text(logits).tolist() == [row]


def test_pressure_is_the_kl_divergence_of_two_coins():
    p, q = torch.tensor([0.9, 0.1]), torch.tensor([0.25, 0.75])
    expected = 0.9 * torch.log(torch.tensor(0.9 / 0.25)) + 0.1 * torch.log(torch.tensor(0.1 / 0.75))
    assert pressure(q.log()[None, None], p.log()[None, None]).item() == pytest.approx(expected.item(), rel=1e-5)


def test_pressure_of_a_pin_is_the_surprise_of_the_pinned_word():
    free = torch.log(torch.tensor([[[0.2, 0.5, 0.3]]]))
    pinned = free.masked_fill(torch.tensor([False, True, True]), -torch.inf)
    assert pressure(free, pinned).item() == pytest.approx(-torch.log(torch.tensor(0.2)).item(), rel=1e-5)


@given(seed=st.integers(0, 2**31), shift=st.floats(-50, 50))
@settings(max_examples=50, deadline=None)
def test_pressure_is_never_negative_and_blind_to_a_shift_of_all_logits(seed, shift):
    free, steered = torch.randn(2, 1, 3, 7, generator=torch.Generator().manual_seed(seed))
    moved = pressure(free, steered)
    assert (moved >= 0).all()
    assert pressure(free, free).abs().max() == 0
    torch.testing.assert_close(pressure(free + shift, steered), moved, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("probs", "nats"), [([1.0, 0.0, 0.0, 0.0], 0.0), ([0.25] * 4, 1.386294), ([0.5, 0.5, 0.0, 0.0], 0.693147)]
)
def test_entropy_of_known_distributions(probs, nats):
    assert entropy(torch.log(torch.tensor(probs))[None, None]).item() == pytest.approx(nats, abs=1e-6)


def test_guidance_above_one_pushes_no_logit_further_than_its_limit():
    conditional, free = torch.tensor([[[3.0, 0.0, -0.5]]]), torch.tensor([[[0.0, 0.0, 0.0]]])
    pushed = guide(conditional, free, Request(guidance_scale=3.0, guidance_limit=2.0))
    torch.testing.assert_close(pushed, torch.tensor([[[5.0, 0.0, -1.5]]]))
    assert torch.equal(guide(conditional, free, Request(guidance_scale=0.0)), free)
    assert torch.equal(guide(conditional, free, Request(guidance_scale=1.0)), conditional)


def test_a_temperature_sharpens_the_choice_among_words_and_leaves_their_share_alone():
    logits = torch.randn(3, 4, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before, after = logits.softmax(-1), with_temperature(logits, 0.5).softmax(-1)
    torch.testing.assert_close(after[..., :2], before[..., :2])                          # PAD and END
    squared = before[..., 2:].square()
    torch.testing.assert_close(after[..., 2:] / after[..., 2:].sum(-1, keepdim=True), squared / squared.sum(-1, keepdim=True))
