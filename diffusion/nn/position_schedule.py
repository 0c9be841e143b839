"""A noise schedule for every position, refitted in training so that each step of time adds equal difficulty.

alpha_bar is a table over a grid of times and the positions, linear between the times. Training notes the loss at each time
and position; a refit moves the times so that at every position the expected loss becomes a straight line in t.

Source: Yuan, Yuan, Tan, Huang, Huang (2022), arXiv 2212.10325, and its code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

BINS = 100               # bins of time in which the loss is noted; the paper's 2000 steps with 20 a bin
CELLS = 400              # cells of the grid of times
FIRST = 0.5              # the pseudo-observation of each bin: losses from 0 to this, counted once
RISE = 1e-5              # by which the loss grows from bin to bin at least
SLOPE = 1e-3             # share of the straight line 1 - t in a fitted table: no two times may have one noise level
WINDOW = 8               # bins to either side over which losses are averaged
COMMON = 10.0            # observations in a bin that weigh as much as the curve common to all positions


class PositionSchedule(nn.Module):
    """alpha_bar for each position at continuous times, and the losses from which it is refitted.

    Args:
        length: L positions.
        start: the schedule that all positions start with.
    """

    alpha_bar: Tensor        # (CELLS + 1, L) from t = 0 to t = 1
    sums: Tensor             # (BINS, L) of losses since the last refit
    counts: Tensor           # (BINS, L)

    def __init__(self, length: int, start: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        table = start(torch.linspace(0, 1, CELLS + 1, dtype=torch.float64)).float()
        self.register_buffer("alpha_bar", table[:, None].repeat(1, length))
        self.register_buffer("sums", torch.empty(BINS, length))
        self.register_buffer("counts", torch.empty(BINS, length))
        self.clear()

    def forward(self, t: Tensor) -> Tensor:
        """alpha_bar at times t (B,), (B, L)."""
        cell, share = _cell(t)
        return torch.lerp(self.alpha_bar[cell], self.alpha_bar[cell + 1], share[:, None].to(self.alpha_bar))

    def at(self, t: float) -> Tensor:
        """alpha_bar at one time, (L,)."""
        cell = min(int(t * CELLS), CELLS - 1)
        return torch.lerp(self.alpha_bar[cell], self.alpha_bar[cell + 1], t * CELLS - cell)

    def slope(self, t: Tensor) -> Tensor:
        """d alpha_bar / dt at times t (B,), constant within a cell, (B, L)."""
        cell, _ = _cell(t)
        return (self.alpha_bar[cell + 1] - self.alpha_bar[cell]) * CELLS

    @torch.no_grad()
    def note(self, t: Tensor, losses: Tensor, counted: Tensor) -> None:
        """Adds losses (B, l) at times t (B,) to their bins; only where `counted` (B, l)."""
        bins, length = (t * BINS).long().clamp(max=BINS - 1), losses.shape[1]
        self.sums[:, :length].index_add_(0, bins, losses.float() * counted)
        self.counts[:, :length].index_add_(0, bins, counted.float())

    def mean_losses(self) -> Tensor:
        """The loss in each bin at each position, (BINS, L) in float64.

        Averaged over neighbouring bins, and where a position was seen seldom, drawn to the curve common to all positions:
        a run on one core sees a hundredth of the paper's tokens.
        """
        sums, counts = _windowed(self.sums.double()), _windowed(self.counts.double())
        common = sums.sum(1, keepdim=True) / counts.sum(1, keepdim=True)      # (BINS, 1)
        weight = _windowed(torch.full_like(common, COMMON))
        return (sums + weight * common) / (counts + weight)

    @torch.no_grad()
    def refit(self) -> None:
        """Moves the times by the losses noted since the last refit, and forgets the losses."""
        self.alpha_bar.copy_(refitted(self.alpha_bar, self.mean_losses()))
        self.clear()

    @torch.no_grad()
    def clear(self) -> None:
        """Forgets the losses: each bin starts with one pseudo-observation, ordered in time."""
        self.sums.copy_(torch.linspace(0, FIRST, BINS)[:, None])
        self.counts.fill_(1)


def refitted(alpha_bar: Tensor, losses: Tensor) -> Tensor:
    """The table (C + 1, L) under which the loss grows linearly in t, given mean losses (N, L) in N bins of t under this one.

    Losses are made monotone and extended by half a slope to both ends; they belong to the mean alpha_bar of their bin, and
    to its extremes at the ends; alpha_bar is interpolated at equal distances of loss.
    Source: Yuan et al. (2022), adaptive noise schedule; knots as in the released code, without its margin of 1e-5 at the ends.
    """
    cells, bins = len(alpha_bar) - 1, len(losses)
    table = alpha_bar.double().cpu().numpy()
    means = ((table[1:] + table[:-1]) / 2).reshape(bins, cells // bins, -1).mean(1)              # (N, L)
    rise = RISE * np.arange(bins)[:, None]
    rising = np.maximum.accumulate(losses.double().cpu().numpy() - rise) + rise                  # (N, L)
    knots = np.concatenate([rising[:1] - (rising[1:2] - rising[:1]) / 2, rising,
                            rising[-1:] + (rising[-1:] - rising[-2:-1]) / 2])                    # (N + 2, L)
    ends = np.full((1, table.shape[1]), table.max()), np.full((1, table.shape[1]), table.min())
    levels = np.concatenate([ends[0], means, ends[1]])
    fitted = [np.interp(np.linspace(knot[0], knot[-1], cells + 1), knot, level)
              for knot, level in zip(knots.T, levels.T, strict=True)]
    line = np.linspace(table.max(), table.min(), cells + 1)[:, None]
    return torch.from_numpy((1 - SLOPE) * np.stack(fitted, 1) + SLOPE * line).to(alpha_bar)


def _cell(t: Tensor) -> tuple[Tensor, Tensor]:
    """The cell of the grid in which times lie, and how far into it, (B,) each."""
    place = t.clamp(0, 1) * CELLS
    cell = place.long().clamp(max=CELLS - 1)
    return cell, place - cell


def _windowed(values: Tensor) -> Tensor:
    """Sums over the bins around each bin, (N, L); the window is symmetric, and therefore narrower at the ends."""
    bins = torch.arange(len(values), device=values.device)
    reach = torch.minimum(bins, len(values) - 1 - bins).clamp(max=WINDOW)
    below = torch.cat([torch.zeros_like(values[:1]), values.cumsum(0)])       # (N + 1, L)
    return below[bins + reach + 1] - below[bins - reach]
