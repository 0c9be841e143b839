"""DDIM and DPM-Solver++ follow the deterministic flow, with the order of convergence that their papers promise."""

import pytest
import torch

from diffusion.core.rng import BatchRng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian
from diffusion.samplers.ancestral import Ancestral, posterior
from diffusion.samplers.ddim import DDIM
from diffusion.samplers.dpm_solver import DPMSolver, half_log_snr
from tests.diffusion.samplers.closed_form import GaussianCorpus, request, walk

FROM, TO = 0.9, 0.1
MODEL = GaussianCorpus()
START = torch.tensor([-1.5, 0.2, 2.0], dtype=torch.float64)[:, None, None]


def error(sampler: Sampler, steps: int) -> float:
    """Largest distance from the closed-form flow after `steps` equal steps of time."""
    times = torch.linspace(FROM, TO, steps + 1, dtype=torch.float64).tolist()
    return (walk(sampler, MODEL, START, times)[-1] - MODEL.flow(START, FROM, TO)).abs().max().item()


@pytest.mark.parametrize("steps", [32, 64, 128])
def test_the_error_of_ddim_halves_when_steps_double(steps):
    assert 1.8 < error(DDIM(request()), steps) / error(DDIM(request()), 2 * steps) < 2.2


@pytest.mark.parametrize("steps", [32, 64, 128])
def test_the_error_of_dpm_solver_falls_to_a_quarter_when_steps_double(steps):
    assert 3.5 < error(DPMSolver(request()), steps) / error(DPMSolver(request()), 2 * steps) < 4.6


def test_dpm_solver_is_the_more_exact_of_the_two_at_the_same_cost():
    assert error(DPMSolver(request()), 32) < error(DDIM(request()), 32) / 4


def test_the_first_step_of_dpm_solver_is_that_of_ddim():
    first = walk(DPMSolver(request()), MODEL, START, [FROM, 0.7])[-1]
    torch.testing.assert_close(first, walk(DDIM(request()), MODEL, START, [FROM, 0.7])[-1], rtol=1e-10, atol=1e-12)


def test_the_second_step_of_dpm_solver_is_not_that_of_ddim():
    second = walk(DPMSolver(request()), MODEL, START, [FROM, 0.7, 0.5])[-1]
    assert (second - walk(DDIM(request()), MODEL, START, [FROM, 0.7, 0.5])[-1]).abs().max() > 1e-3


def test_half_log_snr_is_the_logarithm_of_signal_over_noise():
    alpha_bar = torch.tensor([0.1, 0.5, 0.98], dtype=torch.float64)
    torch.testing.assert_close(half_log_snr(alpha_bar).exp(), alpha_bar.sqrt() / (1 - alpha_bar).sqrt())
    assert half_log_snr(torch.tensor(0.5)).item() == 0


@pytest.mark.parametrize("sampler", [DDIM, DPMSolver])
def test_the_last_step_gives_the_prediction_itself(sampler):
    prediction = MODEL.predict(START, 0.2)
    transition, _ = sampler(request()).advance(MODEL, Gaussian(START, START), prediction, 0.2, 0.0, None, None)
    torch.testing.assert_close(transition.state.x, prediction.native, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("t", "s"), [(0.9, 0.8), (0.5, 0.2), (0.2, 0.01)])
def test_ddim_with_eta_1_has_the_mean_and_spread_of_the_ancestral_posterior(t, s):
    rng = BatchRng(torch.Generator().manual_seed(0), len(START))
    prediction = MODEL.predict(START, t)
    transition, _ = DDIM(request(eta=1.0)).advance(MODEL, Gaussian(START, START), prediction, t, s, rng, None)
    mean, std = posterior(START, prediction.native, MODEL.signal(t), MODEL.signal(s))
    torch.testing.assert_close(transition.mean, mean, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(transition.std, std, rtol=1e-9, atol=1e-12)


def test_eta_between_0_and_1_keeps_the_marginal_variance_of_a_known_text():
    """With x_0 known, x_s has the variance 1 - alpha_bar_s whatever share of the noise is new (DDIM, lemma 1)."""
    x0 = torch.full((200_000, 1, 1), 0.5, dtype=torch.float64)
    rng = BatchRng(torch.Generator().manual_seed(3), len(x0))
    model = GaussianCorpus(mean=0.5, spread=0.0)
    x = model.signal(0.7).sqrt() * x0 + (1 - model.signal(0.7)).sqrt() * rng.normal(1, 1)
    for eta in (0.0, 0.3, 0.8):
        end = walk(DDIM(request(eta=eta)), model, x, [0.7, 0.5, 0.3], rng)[-1]
        assert end.mean().item() == pytest.approx(0.5 * model.signal(0.3).sqrt().item(), abs=5e-3)
        assert end.var().item() == pytest.approx(1 - model.signal(0.3).item(), rel=0.01)


@pytest.mark.parametrize(
    "sampler",
    [DDIM(request()), DDIM(request(eta=0.5)), DDIM(request(eta=1.0)), Ancestral(request()), DPMSolver(request())],
    ids=["ddim", "ddim-0.5", "ddim-1", "ancestral", "dpm-solver++"],
)
def test_random_and_deterministic_walks_keep_the_marginal_distribution(sampler):
    """The last step to 0 is left out: it gives a mean, which has less spread than a corpus of more than points."""
    rng = BatchRng(torch.Generator().manual_seed(4), 20_000)
    x = MODEL.signal(1.0).sqrt() * MODEL.mean + MODEL.variance(1.0).sqrt() * rng.normal(1, 1).double()
    end = walk(sampler, MODEL, x, torch.linspace(1, 0.02, 257, dtype=torch.float64).tolist(), rng)[-1]
    assert end.mean().item() == pytest.approx(MODEL.signal(0.02).sqrt().item() * MODEL.mean, abs=0.015)
    assert end.var().item() == pytest.approx(MODEL.variance(0.02).item(), rel=0.04)
