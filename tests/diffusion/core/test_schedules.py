"""Noise schedules hit the numbers of the papers and their released code."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion.core import schedules
from diffusion.core.errors import StudioError

TIMES = st.floats(0, 1, allow_subnormal=False)


def as_released(steps: int) -> torch.Tensor:
    """alpha_bar of Diffusion-LM's released code: products of 1 - beta, beta = min(1 - f(i + 1) / f(i), 0.999)."""
    targets = 1 - torch.sqrt(torch.arange(steps + 1, dtype=torch.float64) / steps + 1e-4)
    betas = (1 - targets[1:] / targets[:-1]).clamp(max=0.999)
    return (1 - betas).cumprod(0)


@pytest.mark.parametrize("steps", [50, 200, 2000])
def test_sqrt_schedule_equals_the_released_betas_at_every_index_but_the_capped_last(steps):
    ours = schedules.sqrt(torch.arange(1, steps + 1, dtype=torch.float64) / steps)
    torch.testing.assert_close(ours[:-1], as_released(steps)[:-1], rtol=1e-10, atol=0)


def test_sqrt_schedule_ends_near_the_capped_last_value_of_the_released_betas():
    assert schedules.sqrt(torch.tensor(1.0, dtype=torch.float64)).item() == pytest.approx(
        as_released(2000)[-1].item(), rel=0.02
    )


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (1 / 2000, 0.98536),
        (1 / 200, 0.93797),
        (1 / 50, 0.86689),
        (0.1, 0.6905),
        (0.25, 0.5049),
        (0.24, 0.5152),
        (0.5, 0.2958),
        (0.75, 0.1353),
        (0.74, 0.1411),
    ],
)
def test_sqrt_schedule_has_the_measured_values(t, expected):
    assert schedules.sqrt(torch.tensor(t)).item() == pytest.approx(expected, abs=6e-5)


def test_first_noise_level_of_2000_steps_is_the_entry_noise_of_the_paper():
    assert math.sqrt(1 - schedules.sqrt(torch.tensor(1 / 2000)).item()) == pytest.approx(0.1210, abs=1e-4)


@pytest.mark.parametrize(("t", "expected"), [(0.1, 0.9755), (0.25, 0.8536), (0.5, 0.5), (0.75, 0.1464), (0.9, 0.0245)])
def test_cosine_schedule_has_the_values_of_ld4lg(t, expected):
    assert schedules.cosine(torch.tensor(t)).item() == pytest.approx(expected, abs=6e-5)


def test_linear_schedule_is_the_limit_of_ddpm_betas_as_steps_grow():
    def betas(steps: int) -> torch.Tensor:
        return (1 - torch.linspace(0.1 / steps, 20 / steps, steps, dtype=torch.float64)).cumprod(0)

    ours = schedules.linear(torch.tensor([0.1, 0.25, 0.5], dtype=torch.float64))
    for steps, tolerance in ((1000, 3e-2), (100_000, 3e-4)):
        index = [steps // 10 - 1, steps // 4 - 1, steps // 2 - 1]
        torch.testing.assert_close(ours, betas(steps)[index], rtol=tolerance, atol=0)


@pytest.mark.parametrize("name", schedules.GAUSSIAN)
def test_gaussian_schedules_start_at_the_text_and_end_in_noise(name):
    ends = schedules.alpha_bar(name)(torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert ends[0].item() == pytest.approx(1, abs=1e-6 if name == "clamped-cosine" else 1e-9)
    assert 0 < ends[1].item() < 1e-4


@pytest.mark.parametrize("name", schedules.GAUSSIAN)
@given(s=TIMES, t=TIMES)
def test_signal_never_grows_with_time(name, s, t):
    s, t = sorted((s, t))
    alpha_s, alpha_t = schedules.alpha_bar(name)(torch.tensor([s, t], dtype=torch.float64)).tolist()
    assert 0 < alpha_t <= alpha_s <= 1


@pytest.mark.parametrize("name", schedules.GAUSSIAN)
def test_signal_falls_strictly_on_a_grid_of_200_steps(name):
    values = schedules.alpha_bar(name)(torch.linspace(0, 1, 201, dtype=torch.float64))
    assert (values.diff() < 0).all()


def test_an_unknown_schedule_is_refused_with_the_known_ones():
    with pytest.raises(StudioError, match="'cosine'"):
        schedules.alpha_bar("cosin")


@pytest.mark.parametrize(("t", "total", "rate"), [(0.1, 0.1052, 1.110), (0.5, 0.6921, 1.996), (0.9, 2.2936, 9.901),
                                                  (1.0, 6.9078, 999)])
def test_log_linear_noise_has_the_values_of_sedd(t, total, rate):
    noise, time = schedules.log_linear(), torch.tensor(t, dtype=torch.float64)
    assert noise.total(time).item() == pytest.approx(total, abs=6e-4)
    assert noise.rate(time).item() == pytest.approx(rate, rel=5e-4)


@pytest.mark.parametrize(("t", "expected"), [(0.25, 0.0021), (0.5, 0.0437), (0.75, 0.6116), (0.9, 0.9973)])
def test_geometric_noise_moves_tokens_as_sedd_says(t, expected):
    moved = schedules.geometric().move_probability(torch.tensor(t, dtype=torch.float64))
    assert moved.item() == pytest.approx(expected, abs=6e-5)


@given(t=TIMES)
def test_log_linear_noise_moves_a_share_of_tokens_that_grows_linearly(t):
    moved = schedules.log_linear().move_probability(torch.tensor(t, dtype=torch.float64))
    assert moved.item() == pytest.approx(0.999 * t, abs=1e-12)


@pytest.mark.parametrize("name", schedules.DISCRETE)
@given(t=TIMES)
def test_rate_is_the_derivative_of_the_total_noise(name, t):
    noise, time = schedules.DISCRETE[name](), torch.tensor(t, dtype=torch.float64, requires_grad=True)
    slope, = torch.autograd.grad(noise.total(time), time)
    assert noise.rate(time).item() == pytest.approx(slope.item(), rel=1e-9)
    assert noise.rate(time).item() > 0


@pytest.mark.parametrize("name", schedules.DISCRETE)
def test_discrete_noise_starts_at_almost_none_and_ends_at_almost_all(name):
    moved = schedules.DISCRETE[name]().move_probability(torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert moved[0] <= 1.1e-4
    assert moved[1] >= 0.999 - 1e-9


@pytest.mark.parametrize("name", schedules.DISCRETE)
def test_times_of_shares_are_when_so_many_words_have_been_replaced(name):
    noise, shares = schedules.DISCRETE[name](), torch.linspace(0.02, 0.99, 50, dtype=torch.float64)
    torch.testing.assert_close(noise.move_probability(noise.times(shares)), shares)
    assert noise.times(torch.tensor([0.0, 1.0])).tolist() == [0, 1] == [noise.replaced(0.0), noise.replaced(1.0)]
