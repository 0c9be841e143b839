"""A refit makes the loss linear in time at every position, and whatever it was fed, noise still grows with time."""

import numpy as np
import pytest
import torch
from torch import Tensor

from diffusion.core import schedules
from diffusion.nn.position_schedule import BINS, CELLS, PositionSchedule, refitted

# Three synthetic losses as functions of alpha_bar: an easy place, a hard one, and one that is decided all at once.
SURFACES = (
    lambda signal: 0.2 * (1 - signal) ** 3,
    lambda signal: 0.5 * (1 - signal).sqrt(),
    lambda signal: 0.3 * torch.sigmoid(12 * (0.4 - signal)),
)
TIMES = (torch.arange(60_000, dtype=torch.float64) + 0.5) / 60_000


def schedule(length: int = len(SURFACES)) -> PositionSchedule:
    """All positions at the sqrt schedule."""
    return PositionSchedule(length, schedules.sqrt)


def losses(signal: Tensor) -> Tensor:
    """The synthetic losses at alpha_bar (N, L)."""
    return torch.stack([surface(signal[:, place].double()) for place, surface in enumerate(SURFACES)], 1)


def bend(times: PositionSchedule) -> Tensor:
    """How far each position's loss is from a straight line in t, as a share of its range, (L,)."""
    grid = torch.linspace(0, 1, 301, dtype=torch.float64)
    values = losses(times(grid))
    line = values[:1] + grid[:, None] * (values[-1:] - values[:1])
    return ((values - line).abs().amax(0) / (values[-1] - values[0])).float()


def observe(times: PositionSchedule, noise: float = 0.0) -> None:
    """Notes the loss at evenly spread times, with multiplicative noise."""
    values = losses(times(TIMES))
    drawn = torch.rand(values.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    times.note(TIMES, values * (1 + noise * (2 * drawn - 1)), torch.ones(values.shape, dtype=torch.bool))


def assert_ordered(times: PositionSchedule) -> None:
    """From the text to pure noise, falling at every step of the grid."""
    assert torch.isfinite(times.alpha_bar).all() and (times.alpha_bar.diff(dim=0) < 0).all()
    torch.testing.assert_close(times.at(0.0), torch.ones_like(times.at(0.0)), rtol=0, atol=1e-6)
    assert (times.at(1.0) > 0).all() and (times.at(1.0) < 1e-6).all()


# ---- the refit


@pytest.mark.parametrize("noise", [0.0, 0.9])
def test_refits_make_the_loss_linear_in_time_at_every_position(noise):
    times = schedule()
    before = bend(times)
    for _ in range(4):
        observe(times, noise)
        times.refit()
        assert_ordered(times)
    assert (before > 0.15).all(), before
    assert (bend(times) < 0.05).all(), bend(times)


def test_a_linear_loss_is_left_as_it_is():
    times = schedule(2)
    before = times.alpha_bar.clone()
    times.note(TIMES, (0.4 * TIMES[:, None]).expand(-1, 2), torch.ones(len(TIMES), 2, dtype=torch.bool))
    times.refit()
    torch.testing.assert_close(times.alpha_bar, before, rtol=0, atol=0.02)


def test_positions_that_are_easier_keep_their_signal_less_long():
    """The loss of the first surface stays low until there is little signal: equal steps of loss are spent down there."""
    times = schedule()
    observe(times)
    times.refit()
    easy, hard, _ = times.at(0.5).tolist()
    assert easy < 0.25 and hard > 0.6


def test_a_refit_is_what_the_papers_code_does_written_out_for_one_position():
    table = schedule(2).alpha_bar
    given = torch.rand(BINS, 2, generator=torch.Generator().manual_seed(1)).cumsum(0) + 0.3 * torch.rand(BINS, 2)
    means = [table.double()[4 * i:4 * i + 5, 1].numpy() @ np.array([0.5, 1, 1, 1, 0.5]) / 4 for i in range(BINS)]
    rising = [given[0, 1].item()]
    for value in given[1:, 1].tolist():
        rising.append(max(value, rising[-1] + 1e-5))
    low, high = rising[0] - (rising[1] - rising[0]) / 2, rising[-1] + (rising[-1] - rising[-2]) / 2
    expected = np.interp(np.linspace(low, high, CELLS + 1), [low, *rising, high], [1.0, *means, 2e-7])
    expected = 0.999 * expected + 0.001 * np.linspace(1.0, 2e-7, CELLS + 1)
    np.testing.assert_allclose(refitted(table, given)[:, 1].numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", ["noise", "falling", "flat", "one jump", "huge"])
def test_order_survives_any_losses(shape):
    generator = torch.Generator().manual_seed(0)
    given = {
        "noise": torch.rand(BINS, 5, generator=generator),
        "falling": torch.linspace(1, 0, BINS)[:, None].expand(-1, 5),
        "flat": torch.full((BINS, 5), 0.2),
        "one jump": (torch.arange(BINS)[:, None] > 60).float().expand(-1, 5),
        "huge": 1e6 * torch.rand(BINS, 5, generator=generator),
    }[shape]
    times = schedule(5)
    for _ in range(6):
        times.alpha_bar.copy_(refitted(times.alpha_bar, given))
        assert_ordered(times)


def test_positions_that_were_never_seen_stay_ordered_and_take_the_common_curve():
    times = schedule(40)
    counted = torch.zeros(len(TIMES), 40, dtype=torch.bool)
    counted[:, :10] = True
    counted[::700, 10:20] = True
    times.note(TIMES, (0.5 * (1 - times(TIMES)) ** 3), counted)
    times.refit()
    assert_ordered(times)
    seen, seldom, never = times.at(0.5)[[0, 10, 39]].tolist()
    assert abs(seen - schedule(1).at(0.5).item()) > 0.05
    assert seldom == pytest.approx(seen, abs=0.01) and never == pytest.approx(seen, abs=0.01)


# ---- the notes


def test_losses_are_noted_in_their_bin_and_only_where_they_count():
    times = schedule(3)
    before = times.sums.clone(), times.counts.clone()
    counted = torch.tensor([[True, False], [True, True], [True, True]])
    times.note(torch.tensor([0.0, 0.505, 0.999]), torch.tensor([[1.0, 9.0], [2.0, 3.0], [4.0, 5.0]]), counted)
    sums, counts = times.sums - before[0], times.counts - before[1]
    expected = torch.zeros(BINS, 3)
    expected[0, 0], expected[50, 0], expected[50, 1], expected[99, 0], expected[99, 1] = 1, 2, 3, 4, 5
    torch.testing.assert_close(sums, expected)
    torch.testing.assert_close(counts, (expected > 0).float())


def test_a_refit_forgets_what_was_noted():
    times = schedule()
    fresh = times.sums.clone(), times.counts.clone()
    observe(times)
    assert not torch.equal(times.sums, fresh[0])
    times.refit()
    assert torch.equal(times.sums, fresh[0]) and torch.equal(times.counts, fresh[1])


def test_table_and_notes_are_all_in_the_state_that_a_resume_brings_back():
    times, other = schedule(), schedule()
    observe(times)
    times.refit()
    observe(times, 0.5)
    other.load_state_dict(times.state_dict())
    other.refit()
    times.refit()
    assert torch.equal(other.alpha_bar, times.alpha_bar) and not torch.equal(times.alpha_bar, schedule().alpha_bar)


# ---- the table


def test_it_starts_as_the_given_schedule():
    grid = torch.linspace(0, 1, CELLS + 1, dtype=torch.float64)
    torch.testing.assert_close(schedule()(grid), schedules.sqrt(grid)[:, None].expand(-1, 3), check_dtype=False, rtol=1e-5,
                               atol=1e-7)


def test_one_time_and_many_give_the_same_and_the_slope_is_its_derivative():
    times = schedule()
    observe(times)
    times.refit()
    moments = torch.tensor([0.0, 0.0013, 0.37, 0.5, 0.9987, 1.0], dtype=torch.float64)
    torch.testing.assert_close(times(moments), torch.stack([times.at(t) for t in moments.tolist()]), check_dtype=False,
                               rtol=1e-5, atol=1e-7)
    inside = moments[1:-1] + 1e-4
    difference = (times(inside + 1e-4).double() - times(inside - 1e-4).double()) / 2e-4
    torch.testing.assert_close(times.slope(inside).double(), difference, rtol=2e-3, atol=1e-3)
