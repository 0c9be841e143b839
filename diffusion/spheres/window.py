"""A window of time: most draws fall into it, and every time can be drawn."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """A density over time with most of its mass between two times, and `floor` of it spread over all."""

    left: float
    right: float
    floor: float

    def quantile(self, u: Tensor) -> Tensor:
        """The time below which a share u of the mass lies."""
        inside = self.floor + (1 - self.floor) / (self.right - self.left)
        first, second = self.floor * self.left, self.floor * self.left + inside * (self.right - self.left)
        return torch.where(u < first, u / self.floor,
                           torch.where(u < second, self.left + (u - first) / inside, self.right + (u - second) / self.floor))

    def density(self, t: Tensor) -> Tensor:
        """Of a time."""
        inside = (t >= self.left) & (t < self.right)
        return self.floor + inside * ((1 - self.floor) / (self.right - self.left))
