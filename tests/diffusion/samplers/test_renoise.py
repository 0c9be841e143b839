"""Re-noising draws x_s from q(x_s | x0_hat), as often as it is asked to; without it, it is the ancestral sampler."""

import itertools
from typing import ClassVar

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core.model import GaussianModel
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction
from diffusion.samplers.ancestral import Ancestral
from diffusion.samplers.renoise import Renoise
from tests.diffusion.positioned import ORACLE, Exact
from tests.diffusion.samplers.closed_form import GaussianCorpus, request

ROWS = 40_000
MODEL = GaussianCorpus()
X = torch.linspace(-2, 2, ROWS, dtype=torch.float64)[:, None, None]


def step(t: float, s: float, seed: int = 0, **options: float) -> Tensor:
    """x_s of many rows whose x_t are spread over [-2, 2], (ROWS,)."""
    rng = BatchRng(torch.Generator().manual_seed(seed), ROWS)
    transition, memory = Renoise(request(**options)).advance(MODEL, Gaussian(X, X), MODEL.predict(X, t), t, s, rng, None)
    assert memory is None
    return transition.state.x.flatten()


def run(sampler: Sampler, model: GaussianModel, seeds: tuple[int, ...] = (1, 2, 3)) -> Tensor:
    """The last state."""
    rng = Rng(seeds)
    state = model.prior(sampler.request.with_(length=ORACLE.length), rng)
    for t, s in itertools.pairwise(sampler.times(model, 12)):
        state = sampler.advance(model, state, model.predict(state, t, sampler.request), t, s, rng, None)[0].state
    return state.x


@pytest.mark.parametrize(("t", "s"), [(1.0, 0.9), (0.6, 0.5), (0.2, 0.05)])
def test_x_s_has_the_distribution_of_the_forward_process_from_the_predicted_text(t, s):
    signal, x0_hat = MODEL.signal(s), MODEL.predict(X, t).native.flatten()
    deviations = (step(t, s) - signal.sqrt() * x0_hat) / (1 - signal).sqrt()
    assert deviations.mean().item() == pytest.approx(0, abs=0.015)
    assert deviations.var().item() == pytest.approx(1, abs=0.03)
    assert (deviations ** 3).mean().item() == pytest.approx(0, abs=0.06)
    kept_of_x_t = torch.corrcoef(torch.stack([deviations, X.flatten()]))[0, 1].item()
    assert kept_of_x_t == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("model", [Exact.build(), ORACLE], ids=["a schedule for each position", "one schedule"])
def test_without_mixing_it_is_the_ancestral_sampler_bit_for_bit(model):
    asked = request(mix=0.0).with_(length=ORACLE.length, seeds=(1, 2, 3), temperature=1.0)
    expected = run(Ancestral(asked), model)
    assert torch.equal(run(Renoise(asked), model), expected)
    assert torch.equal(run(Renoise(asked.with_(mix=0.7, mix_share=0.0)), model), expected)
    assert not torch.equal(run(Renoise(asked.with_(mix=1.0)), model), expected)


@pytest.mark.parametrize("mix", [0.25, 0.8])
def test_that_share_of_the_rows_is_drawn_anew_and_the_rest_from_the_posterior(mix):
    """With x0_hat far from x_t, the two distributions lie apart."""
    x, x0_hat = torch.full((4_000, 1, 1), 8.0), torch.full((4_000, 1, 1), -8.0)
    rng = BatchRng(torch.Generator().manual_seed(0), 4_000)
    moved, _ = Renoise(request(mix=mix)).advance(MODEL, Gaussian(x, x), Prediction(x0_hat, x0_hat), 0.5, 0.48, rng, None)
    assert (moved.state.x < 0).float().mean().item() == pytest.approx(mix, abs=0.03)
    assert (moved.mean.flatten().unique()).numel() == 2
    assert torch.equal(moved.mean.flatten() < 0, moved.state.x.flatten() < 0)


def test_only_the_first_share_of_the_steps_is_drawn_anew():
    late, early = (step(t, t - 0.05, mix=1.0, mix_share=0.4) for t in (0.55, 0.65))
    for moved, t, sampler in ((late, 0.55, Ancestral), (early, 0.65, Renoise)):
        rng = BatchRng(torch.Generator().manual_seed(0), ROWS)
        prediction = MODEL.predict(X, t)
        expected = sampler(request(mix=1.0)).advance(MODEL, Gaussian(X, X), prediction, t, t - 0.05, rng, None)[0]
        assert torch.equal(moved, expected.state.x.flatten())


class Crowded(GaussianCorpus):
    """Wants most of its steps where nearly all is noise."""

    renoise_power: ClassVar[float] = 0.5


def test_where_a_paper_wants_it_steps_are_closer_together_at_the_start():
    assert Renoise(request()).times(MODEL, 8) == Ancestral(request()).times(MODEL, 8)
    times = Renoise(request()).times(Crowded(), 8)
    assert [t ** 2 for t in times] == pytest.approx([1 - k / 8 for k in range(9)])
    assert times[0] == 1 and times[-1] == 0


@pytest.mark.parametrize("model", [MODEL, Crowded()], ids=["even times", "crowded times"])
@pytest.mark.parametrize("steps", [8, 50])
def test_the_share_is_one_of_steps_wherever_in_time_they_lie(model, steps):
    sampler, like = Renoise(request(mix=1.0, mix_share=0.5)), X[:1]
    drawn = []
    for t in sampler.times(model, steps)[:-1]:
        rng = BatchRng(torch.Generator().manual_seed(0), 1)
        moved = sampler.advance(model, Gaussian(like, like), model.predict(like, t), t, t - 0.01, rng, None)[0]
        signal = model.signal(t - 0.01)
        drawn.append(torch.allclose(moved.mean, signal.sqrt() * model.predict(like, t).native))
    assert drawn == [True] * (steps // 2) + [False] * (steps // 2)


def test_the_last_step_adds_no_noise():
    assert torch.equal(step(0.1, 0.0, seed=0), step(0.1, 0.0, seed=1))
    torch.testing.assert_close(step(0.1, 0.0), MODEL.predict(X, 0.1).native.flatten())


def test_a_row_draws_the_same_noise_alone_as_in_a_batch():
    model = Exact.build()
    sampler = Renoise(request(mix=0.5).with_(length=ORACLE.length))
    together = run(sampler, model, (7, 8, 9))
    torch.testing.assert_close(run(sampler, model, (8,))[0], together[1], rtol=1e-4, atol=1e-5)


def test_the_papers_of_gaussian_embeddings_offer_it():
    assert all("renoise" in diffusion.PAPERS[slug].samplers for slug in ("diffusion-lm", "seqdiffuseq"))
