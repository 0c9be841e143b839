"""Walks and flows on spheres: with exact beliefs samples follow the corpus, and the check finds three planted faults."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion.core.rng import BatchRng, Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Prediction, Request, Transition
from diffusion.papers.rdlm import RDLM
from diffusion.samplers.geodesic import Geodesic
from diffusion.samplers.ode import SphereODE
from diffusion.spheres import geometry as sphere
from tests.diffusion.exact_spheres import PRIORS, Exact, corpus, one_word

DRAWS, STEPS, LIMIT = 4_000, 512, 0.08
NEAR = 0.02              # radians, root mean square over digits, within which a final state is a text


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Thousands of short operations: sharing each among threads costs more than it gains."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@torch.no_grad()
def total_variation(model: Exact, sampler: Sampler, draws: int = DRAWS) -> float:
    """Distance of the samples from the corpus; what ends at no text counts as one that the corpus lacks."""
    request = sampler.request.with_(length=model.length, seeds=tuple(range(draws)))
    rng = BatchRng(torch.Generator().manual_seed(1), draws)
    x, memory = model.prior(request, rng), None
    for t, s in itertools.pairwise(sampler.times(model, request.steps)):
        transition, memory = sampler.advance(model, x, model.digits_only(x, t), t, s, rng, memory)
        x = transition.state
    vertices = F.one_hot(model.digits[model.texts], model.base + 1).float()                        # (K, L, m, b + 1)
    distances = torch.stack([sphere.distance(x, text.expand_as(x)).square().mean((1, 2)).sqrt() for text in vertices], 1)
    found = (distances < NEAR).float().mean(0)
    return 0.5 * ((found - model.log_shares.exp()).abs().sum() + (1 - found.sum())).item()


def check_follows_the_corpus(kind: type[Sampler], steps: int = STEPS, **changes: object) -> None:
    """Raises AssertionError unless the samples follow the corpus."""
    distance = total_variation(corpus([2, 5], **changes), kind(Request(steps=steps)))
    assert distance <= LIMIT, f"the samples are {distance:.3f} from the corpus in total variation, of {LIMIT}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Geodesic, SphereODE])
def test_samples_of_512_steps_follow_the_corpus(kind):
    check_follows_the_corpus(kind)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("kind", [Geodesic, SphereODE])
def test_samples_of_32_steps_follow_the_corpus_from_every_start(kind, prior):
    check_follows_the_corpus(kind, 32, prior=prior)


def test_every_sampler_is_checked_but_redraw_which_is_exact_for_one_word_alone():
    assert set(RDLM.samplers) == {Geodesic.slug, SphereODE.slug, "redraw"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Geodesic, SphereODE])
def test_samples_come_closer_to_the_corpus_as_steps_double(kind):
    model = corpus(slice(0, 7))
    distances = [total_variation(model, kind(Request(steps=steps)), 2_000) for steps in (8, 16, 32, 64)]
    assert distances == sorted(distances, reverse=True) and distances[-1] < distances[0] / 2, distances


class WrongCoefficient(Geodesic):
    """Pulls twice as strongly as a bridge does."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        return super().advance(model, state, Prediction(prediction.logits, 2 * prediction.native), t, s, rng, memory)


class NoiseAtTheEnd(Geodesic):
    """Adds the noise of the forward step at the last step too."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        transition, _ = super().advance(model, state, prediction, t, s, rng, memory)
        if s > 0:
            return transition, None
        std = model.bridge(t).schedule.remaining(torch.tensor(t)).sqrt()
        noise = sphere.project(transition.state, rng.normal(*state.shape[1:]))
        return Transition(sphere.exp(transition.state, std * noise)), None


class SwappedTimes(Geodesic):
    """Takes t for s and s for t; kept away from 0, so that the distribution shows it and no division by zero."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        return super().advance(model, state, prediction, max(s, 1e-3), t, rng, memory)


@pytest.mark.parametrize("faulty", [WrongCoefficient, NoiseAtTheEnd, SwappedTimes])
def test_a_planted_fault_makes_the_check_fail(faulty):
    with pytest.raises(AssertionError, match="from the corpus in total variation"):
        check_follows_the_corpus(faulty, 64)


def test_the_error_of_the_flow_falls_to_a_quarter_when_steps_double():
    model = one_word()
    began = model.late.noised(torch.tensor([0, 1, 2, 0])[:, None, None], torch.full((1, 1, 1), 0.9),
                              BatchRng(torch.Generator().manual_seed(0), 4)).double()

    def end(steps: int) -> Tensor:
        sampler, x, memory = SphereODE(Request()), began, None
        for t, s in itertools.pairwise(torch.linspace(0.9, 0.4, steps + 1, dtype=torch.float64).tolist()):
            transition, memory = sampler.advance(model, x, model.digits_only(x, t), t, s, None, memory)
            x = transition.state
        return x

    exact = end(512)
    errors = [(end(steps) - exact).abs().max().item() for steps in (16, 32, 64)]
    assert 3.3 < errors[0] / errors[1] < 4.8 and 3.3 < errors[1] / errors[2] < 4.8, errors


@pytest.mark.parametrize("kind", [Geodesic, SphereODE])
def test_times_fall_from_noise_to_text_and_are_dense_where_words_are_decided(kind):
    times = kind(Request()).times(corpus([2, 5]), 100)
    assert times[0] == 1 and times[-1] == 0 and times == sorted(times, reverse=True) and len(times) == 101
    assert sum(0.3 <= t <= 0.8 for t in times) > 70


@pytest.mark.parametrize("kind", [Geodesic, SphereODE])
def test_the_last_step_to_a_certain_word_ends_at_its_vertices(kind):
    model = corpus([2, 5])
    x = model.noise(model.texts, 0.1, Rng(range(8)))
    certain = Prediction(x, F.one_hot(model.digits[model.texts], model.base).float())
    end = kind(Request()).advance(model, x, certain, 0.1, 0.0, Rng(range(8)), None)[0].state
    torch.testing.assert_close(end, model.noise(model.texts, 0.0, Rng(range(8))), rtol=0, atol=1e-5)
