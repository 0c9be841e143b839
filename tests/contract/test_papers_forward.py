"""The promises that every paper keeps about its forward process: how much is left of a text, and what a noisy state says of it."""

from __future__ import annotations

import math

import pytest
import torch

from diffusion.core.rng import Rng
from diffusion.core.types import Space
from tests.contract.papers import SEEDS, halfway, model, text_rows
from tests.tiny import NAMES, tiny_model

PLACED = [name for name in NAMES if model(name).hard and model(name).space is not Space.PREFIX]   # a word has a place in the state


@pytest.mark.parametrize("name", NAMES)
def test_all_of_a_text_survives_at_time_0_nothing_at_time_1_and_ever_less_in_between(name):
    paper = model(name)
    left = torch.stack([paper.survival(step / 20).expand(paper.length) for step in range(21)])
    assert (left[0] > 0.93).all() and (left[-1] < 0.01).all()
    assert (left.diff(dim=0) <= 1e-6).all() and ((left >= 0) & (left <= 1)).all()


@pytest.mark.parametrize("t", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_a_glimpse_is_a_distribution_over_words_at_every_position(name, t):
    paper, tokens = model(name), text_rows(name)
    said = paper.glimpse(paper.noise(tokens, t, Rng(SEEDS)), t)
    assert said.shape == (*tokens.shape, len(paper.vocab)) and not said.isnan().any()
    assert torch.allclose(said.exp().sum(-1), torch.ones(()), atol=1e-4)


@pytest.mark.parametrize("name", PLACED)
def test_a_glimpse_at_text_is_the_text_and_at_noise_says_nothing_of_it(name):
    paper, tokens = model(name), text_rows(name)
    at_text = paper.glimpse(paper.noise(tokens, 0.0, Rng(SEEDS)), 0.0)
    same = (at_text.argmax(-1) == tokens).float().mean()
    assert same > 0.9 if getattr(paper, "entry_variance", 0) else same == 1           # entry noise is there at time 0 already
    at_noise = paper.glimpse(paper.noise(tokens, 1.0, Rng(SEEDS)), 1.0)
    assert float(at_noise.max()) < -math.log(len(paper.vocab)) + 0.05


@pytest.mark.parametrize("name", PLACED)
def test_a_glimpse_is_calibrated(name):
    """Words drawn uniformly have on average the log-probability that the glimpse expects of them."""
    paper = tiny_model(name)
    draws, rows = 64, torch.Generator().manual_seed(2)
    tokens = torch.randint(0, len(paper.vocab), (draws, paper.length), generator=rows)
    t = 0.5
    said = paper.glimpse(paper.noise(tokens, t, Rng(range(draws))), t)
    got = said.gather(-1, tokens[..., None]).clamp(min=-50).mean()
    expected = (said.exp() * said.clamp(min=-50)).sum(-1).mean()
    assert abs(float(got - expected)) < 0.12


@pytest.mark.parametrize("name", NAMES)
def test_a_glimpse_of_a_row_depends_on_that_row_alone(name):
    paper, state = model(name), halfway(name)
    alone = paper.noise(text_rows(name)[1:2], 0.6, Rng(SEEDS[1:2]))
    assert torch.allclose(paper.glimpse(state, 0.6)[1], paper.glimpse(alone, 0.6)[0], atol=1e-4)
