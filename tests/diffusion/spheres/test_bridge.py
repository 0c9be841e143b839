"""Bridges on spheres: their schedule, their tables against published numbers and simulated walks, their flow."""

import itertools
import math
import time

import pytest
import torch

from diffusion.core.errors import StudioError
from diffusion.core.rng import BatchRng
from diffusion.spheres import geometry as sphere
from diffusion.spheres.bridge import Bridge, Schedule, cosine_moment, table

TAUS = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)                                   # the paper's time, 1 - t
# Part orthogonal to the start of the mean, and spread, by 8,000 particles and 4,000 steps.
MASK_29 = ((.015, .058, .105, .187, .325, .553, .848, .960), (.0189, .0371, .0494, .0646, .0823, .0993, .1016, .0845))
MIDDLE_29 = ((.013, .051, .093, .165, .289, .493, .778, .906), (.0188, .0368, .0490, .0636, .0805, .0967, .0990, .0830))
MASK_3 = ((.015, .058, .104, .181, .310, .517, .800, .936), (.0190, .0367, .0489, .0646, .0814, .0977, .1026, .0861))


def rng(rows: int, seed: int = 0) -> BatchRng:
    """Noise for that many rows."""
    return BatchRng(torch.Generator().manual_seed(seed), rows)


def times(*values: float) -> torch.Tensor:
    """Of fp64."""
    return torch.tensor(values, dtype=torch.float64)


# ---- the schedule


@pytest.mark.parametrize("name", ["geometric", "linear"])
def test_what_remains_is_the_integral_of_beta(name):
    schedule, t = Schedule(name), torch.linspace(0, 1, 10_001, dtype=torch.float64)
    beta = schedule.beta(t)
    assert (beta[0].item(), beta[-1].item()) == (pytest.approx(0.2), pytest.approx(1e-3))
    integral = torch.cumulative_trapezoid(beta, t)
    torch.testing.assert_close(schedule.remaining(t)[1:], integral, rtol=1e-6, atol=1e-12)
    assert schedule.remaining(times(0.0)).item() == 0
    torch.testing.assert_close(schedule.gamma(times(0.3)), schedule.beta(times(0.3)) / schedule.remaining(times(0.3)))


def test_the_paper_s_schedule_has_its_numbers():
    assert Schedule().remaining(times(1.0)).item() == pytest.approx(0.0376, abs=5e-5)
    assert Schedule().gamma(times(0.4)).item() == pytest.approx(math.log(200) / (200**0.4 - 1))


def test_two_steps_are_one_step():
    schedule, (t, s, r) = Schedule(), times(0.7, 0.4, 0.15)
    (first, added), (second, more), (both, total) = schedule.step(t, s), schedule.step(s, r), schedule.step(t, r)
    torch.testing.assert_close(first * second, both)
    torch.testing.assert_close(added * second**2 + more, total)
    torch.testing.assert_close(schedule.step(times(1.0), t)[1].sqrt(), schedule.flat(t)[None])


def test_an_unknown_schedule_is_refused_by_name():
    with pytest.raises(StudioError, match="geometric"):
        Schedule("geometrical")


# ---- the tables


@pytest.mark.parametrize(("base", "uniform", "numbers"), [(29, False, MASK_29), (29, True, MIDDLE_29), (3, False, MASK_3)])
def test_the_tables_hit_the_reference_numbers(base, uniform, numbers):
    angle, spread = Bridge(Schedule(), base, uniform).place(1 - times(*TAUS))
    torch.testing.assert_close(angle.sin(), times(*numbers[0]), rtol=0, atol=0.004)
    torch.testing.assert_close(spread, times(*numbers[1]), rtol=0, atol=0.002)


@pytest.mark.parametrize("n", [3, 4, 9, 28])
def test_the_moment_of_the_radius_is_that_of_normal_steps(n):
    z = torch.randn(200_000, n, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    cosines = (0.7 / math.sqrt(n) * torch.linalg.vector_norm(z, dim=-1)).cos()
    found = cosine_moment(times(0.7 / math.sqrt(n)), n).item()
    assert found == pytest.approx(cosines.mean().item(), abs=4 * cosines.std().item() / math.sqrt(len(z)))


def test_the_published_moment_is_too_small_by_its_extra_factor():
    """Inverting exp(-spread^2/2) 1F1(n/2; 1/2; -spread^2/2) = 0.8 at n = 3 gives a spread that is 1.14 times too small."""
    spread = torch.linspace(0.01, 0.6, 5_000, dtype=torch.float64)
    right = cosine_moment(spread, 3)
    published = right * (-spread.square() / 2).exp()
    ratio = spread[(right - 0.8).abs().argmin()] / spread[(published - 0.8).abs().argmin()]
    assert ratio.item() == pytest.approx(1.142, abs=0.003)


@pytest.mark.parametrize("uniform", [False, True])
def test_the_tables_describe_walks_that_are_simulated_step_by_step(uniform):
    """Not through the table's own walkers: in all coordinates, with steps along the sphere."""
    bridge, rows, n = Bridge(Schedule(), 4, uniform), 8_000, 4
    x, vertex = bridge.start.expand(rows, -1), torch.eye(5)[1]
    noise, moments = rng(rows), torch.linspace(1, 0.3, 141, dtype=torch.float64)
    for t, s in itertools.pairwise(moments):
        keep, variance = bridge.schedule.step(t, s)
        x = sphere.exp(x, (1 - keep.float()) * sphere.log(x, vertex.expand(rows, -1)))
        x = sphere.exp(x, variance.sqrt().float() * sphere.project(x, noise.normal(n + 1)))
    mean = bridge.mean(torch.tensor(1), times(0.3)[0])
    spread = bridge.place(times(0.3)[0])[1]
    torch.testing.assert_close(x.double().mean(0), mean * cosine_moment(spread[None], n), rtol=0, atol=0.003)
    distances = sphere.distance(x.double(), mean.expand(rows, -1))
    assert distances.square().mean().sqrt().item() == pytest.approx(float(spread) * math.sqrt(n), rel=0.02)


def test_walks_in_two_coordinates_are_walks():
    """The simulated walks of the likelihood bound have the moments of their table, at two times of one walk."""
    bridge, rows = Bridge(Schedule(), 5), 10_000
    looks = bridge.walked(torch.full((rows, 1), 2), torch.tensor([[0.5, 0.2]]).expand(rows, -1), 60, rng(rows))
    for t, x in zip((0.5, 0.2), looks, strict=True):
        torch.testing.assert_close(torch.linalg.vector_norm(x, dim=-1), torch.ones(rows, 1))
        mean, spread = bridge.mean(torch.tensor(2), times(t)[0]), bridge.place(times(t))[1]
        torch.testing.assert_close(x.double().mean((0, 1)), mean * cosine_moment(spread, 5), rtol=0, atol=0.004)
        side = x[:, 0, 3].double()                                                 # across the arc: as wide as all else
        noised = bridge.noised(torch.full((rows, 1), 2), torch.full((1, 1), t), rng(rows, 1))[:, 0, 3]
        assert side.std().item() == pytest.approx(noised.std().item(), rel=0.03)


def test_a_table_is_a_constant_and_quickly_made():
    first = table(Schedule(), 7, 0.0)
    table.cache_clear()
    began = time.process_time()
    assert torch.equal(table(Schedule(), 7, 0.0), first)
    assert time.process_time() - began < 1


# ---- points of bridges


@pytest.mark.parametrize("uniform", [False, True])
def test_bridges_begin_at_the_start_and_end_at_their_vertices(uniform):
    bridge, digits = Bridge(Schedule(), 6, uniform), torch.arange(6)[:, None]
    begun, ended = (bridge.noised(digits, torch.full((1, 1), t), rng(6)) for t in (1.0, 0.0))
    torch.testing.assert_close(begun, bridge.start.expand_as(begun))
    torch.testing.assert_close(ended[:, 0], torch.eye(7)[:6], rtol=0, atol=1e-6)


@pytest.mark.parametrize("t", [0.7, 0.4, 0.2])
def test_points_have_the_tabulated_spread_around_the_mean(t):
    bridge, rows = Bridge(Schedule(), 8), 20_000
    x = bridge.noised(torch.full((rows, 1), 3), torch.full((1, 1), t), rng(rows))[:, 0]
    mean = bridge.mean(torch.tensor(3), torch.tensor(t))
    expected = cosine_moment(bridge.place(times(t))[1], 8).item()
    assert (x @ mean).mean().item() == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("t", [0.8, 0.5, 0.3])
def test_evidence_is_the_difference_of_log_densities_between_symbols(uniform, t):
    bridge, rows = Bridge(Schedule(), 29, uniform), 200
    x = bridge.noised(torch.full((rows, 1), 3), torch.full((1, 1), t), rng(rows))[:, 0].double()
    means, spread = bridge.mean(torch.arange(29), times(t)).double(), bridge.place(times(t))[1]
    densities = sphere.log_normal(x[:, None], means, spread)
    exact = densities - densities.mean(-1, keepdim=True)
    linear = (x[:, :-1] - x[:, :-1].mean(-1, keepdim=True)) * bridge.evidence(times(t))
    assert (linear - exact).square().mean().sqrt().item() < 0.05 * exact.square().mean().sqrt().item()


@pytest.mark.parametrize("t", [0.95, 0.6, 0.3, 0.05])
def test_coordinates_are_brought_to_about_unit_variance(t):
    bridge, rows = Bridge(Schedule(), 29), 2_000
    x = bridge.noised(torch.arange(rows)[:, None] % 29, torch.full((1, 1), t), rng(rows))[:, 0, :-1]
    centre, scale = bridge.scale(torch.tensor(t))
    assert ((x - centre) / scale).square().mean().sqrt().item() == pytest.approx(1, abs=0.1)


# ---- the flow


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize(("t", "s"), [(0.9, 0.2), (0.5, 0.4), (0.3, 0.6), (0.4, 0.0)])
def test_the_flow_of_a_certain_belief_carries_points_onto_the_same_place_of_the_other_time(uniform, t, s):
    """In one step, however long, forwards and backwards: the angle turns with the mean, the radius shrinks with the spread."""
    bridge, rows = Bridge(Schedule(), 6, uniform), 50
    x = bridge.noised(torch.full((rows, 1), 2), torch.full((1, 1), t), rng(rows))[:, 0].double()
    certain = torch.eye(6, dtype=torch.float64)[2].expand(rows, -1)
    y = sphere.exp(x, bridge.flow(x, certain, t, s))
    (before, after), (wide, narrow) = ([value.double() for value in column] for column in zip(*(
        (bridge.mean(torch.tensor(2), time), bridge.place(time)[1]) for time in times(t, s)), strict=True))
    radius = sphere.distance(x, before.expand(rows, -1))
    torch.testing.assert_close(sphere.distance(y, after.expand(rows, -1)), radius * narrow / wide, rtol=1e-4, atol=1e-6)
    left = torch.eye(7, dtype=torch.float64)[[0, 1, 3]]                            # symbols that the arc does not touch
    side_before, side_after = x @ left.T, y @ left.T
    if not uniform and s > 0:                                                      # there the direction stays as it was
        shrink = (radius * narrow / wide).sin() / radius.sin()
        torch.testing.assert_close(side_after, side_before * shrink[:, None], rtol=1e-3, atol=1e-6)
