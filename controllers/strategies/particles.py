"""Copies of a sample that compete: particles, weighed and resampled as they are written, and finished texts to choose from.

With psi_t = sum of the controllers' log-probabilities of success under the free belief at t, and psi of the finished text
itself at the end, a particle's log-weight grows by psi_s - psi_t at each step, so that it adds up to psi of the text. Where
nothing else steers, survivors follow p(x) p(wish | x) as their number grows (twisted sequential Monte Carlo). Where wishes
also push the belief, this is selection on top of pushing: the weights do not take the push back out.

Source: Wu et al. (2023), arXiv 2306.17775 (twisted diffusion sampler); Del Moral, Doucet, Jasra (2006).
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion.core.types import Request

_STREAM = 0x51ED270B0A1F39C5          # keeps these draws apart from the noise, which starts from the seed itself
SPARE = 0.5              # share of the particles that must count, by effective number, or all are drawn anew


class Particles:
    """The copies of each sample: `rerank` groups of `particles`, rows sample by sample, group by group."""

    def __init__(self, request: Request) -> None:
        self.samples, self.groups, self.size = len(request.seeds), request.rerank, request.particles
        self.generators = [torch.Generator().manual_seed((seed ^ _STREAM) % 2**63) for seed in request.seeds]
        self.log_weights = torch.zeros(self.samples, self.groups, self.size, dtype=torch.float64)
        self.potential = torch.zeros_like(self.log_weights)

    def weigh(self, log_prob: Tensor) -> None:
        """Takes in log p(wish) of every row, (R,), as it is now."""
        potential = log_prob.double().cpu().reshape(self.log_weights.shape)
        self.log_weights = self.log_weights + potential - self.potential
        self.potential = potential

    def resample(self) -> Tensor | None:
        """Rows (R,) that go on: groups in which few particles count are drawn anew in proportion to weight; None if none is."""
        if self.size == 1:
            return None
        weights = self.log_weights.softmax(-1)                                # (B, G, P)
        poor = 1 / weights.square().sum(-1) < SPARE * self.size               # (B, G)
        if not bool(poor.any()):
            return None
        kept = torch.arange(self.size).expand_as(weights).clone()
        for sample, group in poor.nonzero().tolist():
            kept[sample, group] = self._drawn(weights[sample, group], sample)
        self.log_weights = self.log_weights.masked_fill(poor[..., None], 0.0)
        self.potential = self.potential.gather(-1, kept)
        return self._rows(kept).flatten()

    def leading(self) -> Tensor:
        """The row (B,) of each sample that counts most now."""
        return self._best(self.log_weights.argmax(-1))

    def chosen(self) -> Tensor:
        """The row (B,) of each sample that is kept: of every group one drawn by weight, of these the likeliest to be a success."""
        weights = self.log_weights.softmax(-1)
        drawn = [[self._choice(weights[sample, group], sample) for group in range(self.groups)] for sample in range(self.samples)]
        return self._best(torch.tensor(drawn))

    def _best(self, places: Tensor) -> Tensor:
        """Of one place (B, G) in each group, the row (B,) of greatest potential; the first of equals."""
        potential = self.potential.gather(-1, places[..., None])[..., 0]      # (B, G)
        rows = self._rows(places[..., None])[..., 0]
        return rows.gather(-1, potential.argmax(-1, keepdim=True))[:, 0]

    def _rows(self, places: Tensor) -> Tensor:
        """Row numbers of places (B, G, N) within groups."""
        first = torch.arange(self.samples * self.groups).reshape(self.samples, self.groups, 1) * self.size
        return first + places

    def _drawn(self, weights: Tensor, sample: int) -> Tensor:
        """As many places (P,) as there are particles, each about P w times (systematic resampling), in order."""
        start = torch.rand((), generator=self.generators[sample], dtype=torch.float64)
        points = (torch.arange(self.size) + start) / self.size
        return _inverse(weights, points)

    def _choice(self, weights: Tensor, sample: int) -> int:
        if self.size == 1:
            return 0
        return int(_inverse(weights, torch.rand((1,), generator=self.generators[sample], dtype=torch.float64))[0])


def _inverse(weights: Tensor, points: Tensor) -> Tensor:
    """Places at which the cumulative sum of weights (P,) passes the shares `points` of their total; none of weight 0."""
    cumulative = weights.cumsum(0)
    return torch.searchsorted(cumulative, points * cumulative[-1], right=True).clamp(max=len(weights) - 1)
