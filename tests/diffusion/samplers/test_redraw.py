"""Redrawing is exact for a text of one word at any number of steps, and draws words as the belief says."""

import itertools

import pytest
import torch

from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Prediction, Request
from diffusion.samplers.redraw import Redraw
from tests.diffusion.exact_spheres import SHARES, one_word

DRAWS, LIMIT = 20_000, 0.015


@torch.no_grad()
def distance(sampler: Redraw) -> float:
    """Of the words at the end from their shares, in total variation."""
    model = one_word()
    request = sampler.request.with_(length=1, seeds=tuple(range(DRAWS)))
    rng = BatchRng(torch.Generator().manual_seed(1), DRAWS)
    x = model.prior(request, rng)
    for t, s in itertools.pairwise(sampler.times(model, request.steps)):
        logits = model.believe(x, torch.tensor([t]), None)
        x = sampler.advance(model, x, Prediction(logits, None), t, s, rng, None)[0].state
    found = torch.bincount(model.decode(x).flatten(), minlength=3) / DRAWS
    return 0.5 * (found - SHARES).abs().sum().item()


@pytest.mark.parametrize("steps", [1, 3, 12])
def test_one_word_is_drawn_from_its_shares_at_any_number_of_steps(steps):
    assert distance(Redraw(Request(steps=steps))) <= LIMIT


class Likeliest(Redraw):
    """Takes the likeliest word instead of drawing one."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        return super().advance(model, state, Prediction(1e4 * prediction.logits, None), t, s, rng, memory)


class SwappedTimes(Redraw):
    """Puts points where they were at t."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        return super().advance(model, state, prediction, s, t, rng, memory)


@pytest.mark.parametrize("faulty", [Likeliest, SwappedTimes])
def test_a_planted_fault_is_found(faulty):
    assert distance(faulty(Request(steps=3))) > LIMIT


def test_the_old_point_is_forgotten_and_the_new_one_is_where_a_bridge_to_the_word_passes():
    model, request = one_word(), Request(steps=4)
    certain = torch.tensor([-torch.inf, 0.0, -torch.inf]).expand(2_000, 1, 3)
    starts = [model.noise(torch.full((2_000, 1), word), 0.6, Rng(range(2_000))) for word in (0, 2)]
    ends = [Redraw(request).advance(model, x, Prediction(certain, None), 0.6, 0.4, Rng(range(2_000)), None)[0].state
            for x in starts]
    assert torch.equal(*ends)
    place = model.bridge(0.4).mean(model.digits[torch.tensor([[1]])], torch.full((1, 1, 1), 0.4))[0, 0, 0]
    mean = ends[0].mean(0)[0, 0]
    assert torch.nn.functional.cosine_similarity(mean, place, dim=0) > 0.999
