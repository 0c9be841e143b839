"""Copies of a sample that compete: what survives follows the posterior, and samples stay reproducible."""

import dataclasses

import numpy as np
import pytest
import torch

from controllers.base import Controlled
from controllers.length import Length
from controllers.strategies.absorb import Absorb
from controllers.strategies.particles import Particles
from diffusion import StudioError, generate, load, stream
from diffusion.core.types import Request
from tests.controllers.small import control, model, request
from tests.controllers.strategies.wishes import Mentions, mentions, posterior


@pytest.fixture(scope="module")
def oracle():
    return load("oracle")


def sentences(oracle, ids):
    """Which of the oracle's sentences each text is, (B,); 8 for none."""
    same = (torch.from_numpy(ids.astype("int64"))[:, None] == oracle.tokens).all(-1)
    return torch.where(same.any(1), same.float().argmax(1), 8)


def shares(oracle, runs, control, **options):
    """Shares of the sentences in texts of many runs, (9,)."""
    count = torch.zeros(9)
    samples = 256 // (options.get("particles", 1) * options.get("rerank", 1))
    for run in range(runs):
        asked = Request(seeds=tuple(range(run * 1000, run * 1000 + samples)), steps=24, **options)
        trace = generate(oracle, asked, Absorb([control])).run()
        count += torch.bincount(sentences(oracle, trace.ids), minlength=9)
    return count / count.sum()


def distance(one, other):
    return float((one[:8] - other).abs().sum() / 2 + one[8] / 2)


def test_survivors_follow_the_posterior_of_a_soft_wish(oracle):
    wish = mentions(oracle, nats=0.0)
    target = posterior()
    free, weighed = shares(oracle, 1, wish), shares(oracle, 20, wish, particles=16)
    assert distance(free, target) > 0.4
    assert distance(weighed, target) < 0.1               # 320 texts: sampling alone gives some 0.05
    assert float(weighed[[2, 3, 6, 7]].sum()) == pytest.approx(float(target[[2, 3, 6, 7]].sum()), abs=0.05)


def test_re_ranking_keeps_the_candidate_that_has_its_wish(oracle):
    wish = mentions(oracle, nats=0.0)
    share = shares(oracle, 2, wish, rerank=8)
    assert float(share[[2, 3, 6, 7]].sum()) == pytest.approx(1 - (20 / 32) ** 8, abs=0.05)


@pytest.mark.parametrize("options", [{"particles": 4}, {"rerank": 3}, {"particles": 2, "rerank": 2}])
@pytest.mark.parametrize("paper", ["diffusion-lm", "ar"])
def test_a_sample_alone_is_the_sample_in_a_batch(paper, options):
    built, strategy = model(paper), Absorb([Controlled(Mentions(doubt=1e-4), 0.5)])
    many = generate(built, request(5, **options), strategy).run()
    for seed in (0, 3):
        alone = generate(built, request(1, **options).with_(seeds=(seed,)), strategy).run()
        assert (alone.ids[0] == many.ids[seed]).all()
        assert all((one.ids[0] == other.ids[seed]).all() for one, other in zip(alone.frames, many.frames, strict=True))


def test_only_the_samples_are_shown_and_every_copy_is_counted(oracle):
    asked = Request(seeds=(1, 2, 3), steps=6, particles=2, rerank=2)
    steps = list(stream(oracle, asked, Absorb([mentions(oracle)])))
    for step in steps:
        assert step.free.shape[0] == step.steered.shape[0] == step.probs.shape[0] == step.state.x.shape[0] == 3
        assert all(value.shape == (3,) for value in step.satisfaction.values())
    assert steps[-1].text.shape == (3, 16) and steps[-1].nfe == 6 * 4
    assert generate(oracle, asked, Absorb([mentions(oracle)])).run().info["seeds"] == [1, 2, 3]


def test_a_single_copy_is_todays_run_bitwise(oracle):
    wish = [mentions(oracle)]
    plain = generate(oracle, Request(seeds=(4, 5), steps=8), Absorb(wish)).run()
    asked = Request(seeds=(4, 5), steps=8, particles=1, rerank=1)
    assert (generate(oracle, asked, Absorb(wish)).run().frames[-1].top_probs == plain.frames[-1].top_probs).all()


@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "dpm-solver++"])
def test_copies_carry_the_memory_of_every_sampler(oracle, sampler):
    asked = Request(seeds=tuple(range(16)), steps=12, sampler=sampler, particles=4)
    trace = generate(oracle, asked, Absorb([mentions(oracle, nats=0.0)])).run()
    assert (sentences(oracle, trace.ids) < 8).float().mean() > 0.8


def test_copies_of_a_sample_share_its_blanks():
    built, texts = model("diffusion-lm"), ["infill=The Vaults ___ pub ___ .", "length=9-12"]
    controls = [Controlled(control(text)) for text in texts]
    asked = Absorb(controls).request(request(3, particles=3))
    trace = generate(built, request(3, particles=3), Absorb(controls)).run()
    pins = controls[0].controller.pins(asked)
    for row, ids, where in zip(trace.ids.astype(np.int64), pins, controls[0].controller.pinned(asked), strict=True):
        assert (torch.from_numpy(row)[where] == ids[where]).all()


def test_copies_without_a_controller_are_refused():
    with pytest.raises(StudioError, match="no controller"):
        next(iter(generate(model("diffusion-lm"), request(2, particles=4))))


def test_weights_telescope_to_the_last_potential_and_resampling_drops_the_hopeless():
    particles = Particles(Request(seeds=(7, 8), particles=4))
    particles.weigh(torch.tensor([-9.0, -9, -9, -1, -1, -1, -1, -1]))
    kept = particles.resample()
    assert kept.tolist() == [3, 3, 3, 3, 4, 5, 6, 7]
    assert particles.potential.tolist() == [[[-1.0] * 4], [[-1.0] * 4]] and not particles.log_weights[0].any()
    particles.weigh(torch.tensor([-1.0, -1, -1, -0.5, 0, -30, -30, -30]))
    assert particles.log_weights[0, 0].tolist() == [0, 0, 0, 0.5]
    assert particles.chosen()[1] == 4 and particles.leading()[0] == 3


def test_resampled_copies_part_again_by_their_own_noise(oracle):
    wish = dataclasses.replace(mentions(oracle).controller, doubt=1e-4)
    steps = stream(oracle, Request(seeds=(1,), steps=8, particles=8), Absorb([Controlled(wish, 0.0), Controlled(Length(9, 9))]))
    assert len([step.text for step in steps]) == 8
