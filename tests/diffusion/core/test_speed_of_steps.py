"""What is computed once for all steps and runs has the bits that it has when it is computed anew."""

import dataclasses
import itertools

import pytest
import torch

from diffusion.core import schedules
from diffusion.core.beliefs import entropy_below
from diffusion.core.rng import Rng
from diffusion.core.types import entropy
from diffusion.papers.rdlm import RDLM
from diffusion.samplers import ancestral, geodesic
from diffusion.spheres.bridge import Bridge, Schedule
from tests.tiny import tiny_model

MODEL = tiny_model("diffusion-lm")
TIMES = torch.linspace(1, 0, 38, dtype=torch.float64).tolist()
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", schedules.GAUSSIAN)
def test_known_weights_of_the_posterior_are_those_of_its_formula(name):
    x, x0_hat = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(1))
    for t, s in itertools.pairwise(TIMES[:-1]):
        a, b = schedules.at(name, t), schedules.at(name, s)
        ratio = a / b
        mean = (b.sqrt() * (1 - ratio) * x0_hat + ratio.sqrt() * (1 - b) * x) / (1 - a)
        for _ in range(2):                               # computed, then known
            found = ancestral.posterior(x, x0_hat, a, b)
            assert torch.equal(found[0], mean) and torch.equal(found[1], ((1 - ratio) * (1 - b) / (1 - a)).sqrt())


def test_weights_of_one_precision_do_not_stand_for_those_of_another():
    t, s = schedules.at("cosine", 0.5), schedules.at("cosine", 0.25)
    ones = torch.ones(1, 1, 1, dtype=torch.float64)
    ancestral.posterior(ones, ones, t, s)
    assert ancestral.posterior(ones, ones, t.double(), s.double())[1].dtype == torch.float64


def test_known_gains_and_moments_are_those_of_their_time():
    for t in TIMES:
        time = torch.full((1,), t)
        assert torch.equal(schedules.moment(t, CPU), time)
        signal, times = schedules.sqrt(time)[:, None, None], torch.tensor([t, 0.5])
        assert torch.equal(MODEL._gain(times)[1:], MODEL._gain(times[1:]))
        assert torch.equal(MODEL._gain(time), torch.rsqrt(1 - signal * (1 - 0.5**2)))


@pytest.mark.parametrize("uniform", [False, True])
def test_points_of_one_time_for_all_rows_are_those_of_that_time_for_each(uniform):
    bridge = Bridge(Schedule(), 6, uniform)
    digits = torch.randint(6, (2, 5, 3), generator=torch.Generator().manual_seed(2))
    for t in TIMES * 2:
        expected = bridge.noised(digits, torch.full((1, 1, 1), t), Rng((3, 4)))
        assert torch.equal(bridge.noised_at(digits, t, Rng((3, 4))), expected)


@pytest.mark.parametrize("prior", ["mask", "mixed"])
def test_points_are_read_by_what_their_own_time_says(prior):
    model = tiny_model("rdlm")
    model = RDLM(dataclasses.replace(model.config, prior=prior), model.vocab, model.labels)
    for t in TIMES * 2:
        time = torch.full((1,), t)
        centre, scale = model._at(time[:, None, None], "scale")
        expected = centre, scale[..., None], model._at(time[:, None, None], "evidence")[..., None]
        assert all(torch.equal(*pair) for pair in zip(model._reading(time), expected, strict=True))
    assert len(model._readings) == len(TIMES)
    both = torch.tensor([0.9, 0.2])
    assert torch.equal(model._reading(both)[2][1:], model._reading(both[1:])[2])


def test_strides_are_those_of_the_schedule():
    schedule = Schedule()
    for t, s in itertools.pairwise(TIMES):
        keep, variance = schedule.step(torch.tensor(t).double(), torch.tensor(s).double())
        assert geodesic._stride(schedule, t, s) == (1 - float(keep), float(variance.sqrt()))


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (64, 32)])
def test_noise_is_that_of_each_seed_alone(shape):
    drawn = Rng((5, 6, 7)).normal(*shape)
    for row, seed in zip(drawn, (5, 6, 7), strict=True):
        assert torch.equal(row, torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def test_entropy_without_a_logarithm_for_every_word_is_the_entropy():
    logits = 12 * torch.randn(3, 9, 200, generator=torch.Generator().manual_seed(8))
    logits[..., 3] = -torch.inf
    logits[0, 0], logits[0, 0, 5] = -torch.inf, 2.0      # certain
    logits[0, 1] = 0.0                                   # says nothing
    probs = logits.softmax(-1)
    most, best = probs.max(-1, keepdim=True)
    found = entropy_below(logits, probs, most, best)
    torch.testing.assert_close(found, entropy(logits.double()).float(), rtol=1e-5, atol=2e-6)
    assert found[0, 0] == 0 and (found >= 0).all()
