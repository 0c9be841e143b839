"""The ancestral step is the posterior of the forward process."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import diffusion
from diffusion.core.rng import BatchRng
from diffusion.core.types import Gaussian, Prediction
from diffusion.samplers.ancestral import Ancestral, posterior
from tests.diffusion.samplers.closed_form import GaussianCorpus, request

SHARE = st.floats(0.05, 0.95)


def by_quadrature(x_t: float, x0: float, alpha_t: float, alpha_s: float) -> tuple[float, float]:
    """Mean and standard deviation of q(x_s | x_t, x_0), summing q(x_t | x_s) q(x_s | x_0) over a grid of x_s."""
    grid = torch.linspace(-12, 12, 200_001, dtype=torch.float64)
    ratio = alpha_t / alpha_s
    log_density = -((x_t - ratio**0.5 * grid) ** 2) / (2 * (1 - ratio)) - (grid - alpha_s**0.5 * x0) ** 2 / (
        2 * (1 - alpha_s)
    )
    weights = log_density.softmax(0)
    mean = (weights * grid).sum()
    return mean.item(), ((weights * (grid - mean) ** 2).sum()).sqrt().item()


@given(x_t=st.floats(-3, 3), x0=st.floats(-2, 2), alpha_s=SHARE, ratio=SHARE)
def test_posterior_equals_quadrature(x_t, x0, alpha_s, ratio):
    alpha_t = alpha_s * ratio
    mean, std = posterior(*(torch.tensor(value, dtype=torch.float64) for value in (x_t, x0, alpha_t, alpha_s)))
    assert (mean.item(), std.item()) == pytest.approx(by_quadrature(x_t, x0, alpha_t, alpha_s), abs=1e-6)


def test_two_small_steps_have_the_distribution_of_one_large_step():
    a_t, a_m, a_s, x0, x_t = (torch.tensor(value, dtype=torch.float64) for value in (0.2, 0.5, 0.8, 0.6, -1.1))
    mean, std = posterior(x_t, x0, a_t, a_s)
    middle, spread = posterior(x_t, x0, a_t, a_m)
    slope = posterior(torch.ones(()).double(), x0, a_m, a_s)[0] - posterior(torch.zeros(()).double(), x0, a_m, a_s)[0]
    mean_twice, std_last = posterior(middle, x0, a_m, a_s)
    torch.testing.assert_close(mean_twice, mean)
    torch.testing.assert_close((std_last**2 + (slope * spread) ** 2).sqrt(), std)


def test_a_step_is_drawn_from_the_distribution_that_its_transition_names():
    model, x = GaussianCorpus(), torch.full((50_000, 1, 1), 0.3, dtype=torch.float64)
    rng = BatchRng(torch.Generator().manual_seed(0), len(x))
    transition, _ = Ancestral(request()).advance(model, Gaussian(x, x), model.predict(x, 0.6), 0.6, 0.4, rng, None)
    drawn = (transition.state.x - transition.mean) / transition.std
    assert drawn.mean().item() == pytest.approx(0, abs=0.02)
    assert drawn.std().item() == pytest.approx(1, abs=0.02)


def test_the_last_step_gives_the_prediction_itself_without_noise():
    model, x = GaussianCorpus(), torch.randn(4, 1, 1, dtype=torch.float64)
    prediction = model.predict(x, 0.1)
    transition, _ = Ancestral(request()).advance(
        model, Gaussian(x, x), prediction, 0.1, 0.0, BatchRng(torch.Generator(), 4), None
    )
    torch.testing.assert_close(transition.state.x, prediction.native)


@pytest.mark.parametrize(("t", "rounded"), [(0.31, False), (0.3, True), (0.05, True)])
def test_clamping_rounds_the_prediction_in_the_last_share_of_the_steps_only(t, rounded):
    x = torch.zeros(1, 1, 1, dtype=torch.float64)
    prediction = Prediction(x, torch.full_like(x, 0.4))
    rng = BatchRng(torch.Generator(), 1)
    transition, _ = Ancestral(request(clamp=0.3)).advance(
        GaussianCorpus(), Gaussian(x, x), prediction, t, t / 2, rng, None
    )
    assert transition.state.x0_hat.item() == (1.0 if rounded else 0.4)


def test_clamping_leaves_the_embeddings_of_words_where_they_are():
    oracle = diffusion.load("oracle")
    torch.testing.assert_close(oracle.clamp(oracle.embedding[None]), oracle.embedding[None], rtol=0, atol=0)
    near = oracle.embedding[None] + 0.1 * torch.randn(
        1, *oracle.embedding.shape, generator=torch.Generator().manual_seed(1)
    )
    clamped = oracle.clamp(near)
    assert torch.equal(clamped, oracle.embedding[None])
    assert torch.equal(oracle.clamp(clamped), clamped)
