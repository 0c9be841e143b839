"""Randomness with a name: one generator for each sequence, so that a row of a batch equals the same row alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Rng:
    """Independent generators, one for each of B sequences; row i depends on ``seeds[i]`` only.

    Draws are made on the CPU and moved, so that a seed means the same on every device.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.seeds = tuple(seeds)
        self.device = torch.device(device)
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers ``(B, *shape)``."""
        drawn = torch.empty(len(self.generators), *shape)
        for row, generator in zip(drawn, self.generators, strict=True):
            row.normal_(generator=generator)
        return drawn.to(self.device)

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Uniform numbers in [0, 1) ``(B, *shape)``."""
        draws = [torch.rand(shape, generator=generator, dtype=dtype) for generator in self.generators]
        return torch.stack(draws).to(self.device)

    def categorical(self, probs: Tensor, where: Tensor | None = None) -> Tensor:
        """One index a row of ``probs (B, ..., V)``, by the inverse of the cumulative sum in float64.

        Float32 sums would favour frequent words by rounding (PAPERS: the float32 Gumbel bug of masked diffusion).
        With ``where (B, ...)``, rows that are false are not looked at and get 0; the generators move on all the same.
        """
        return _inverse(probs, self.uniform(*probs.shape[1:-1], 1, dtype=torch.float64), where)


class BatchRng:
    """One generator for a whole training batch, where rows need no identity; the same draws as `Rng` offers."""

    def __init__(self, generator: torch.Generator, batch: int, device: torch.device | str = "cpu") -> None:
        self.generator, self.batch, self.device = generator, batch, torch.device(device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers ``(B, *shape)``."""
        return torch.randn(self.batch, *shape, generator=self.generator).to(self.device)

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Uniform numbers in [0, 1) ``(B, *shape)``."""
        return torch.rand(self.batch, *shape, generator=self.generator, dtype=dtype).to(self.device)

    def categorical(self, probs: Tensor, where: Tensor | None = None) -> Tensor:
        """One index a row of ``probs (B, ..., V)``; 0 where ``where (B, ...)`` is false."""
        return _inverse(probs, self.uniform(*probs.shape[1:-1], 1, dtype=torch.float64), where)

    def times(self) -> Tensor:
        """Low-discrepancy times ``(B,)`` in [0, 1): one in each of B equal bins, in random order."""
        offset = torch.rand((), generator=self.generator)
        order = torch.randperm(self.batch, generator=self.generator)
        return ((order + offset) / self.batch).to(self.device)


def _inverse(probs: Tensor, draw: Tensor, where: Tensor | None) -> Tensor:
    """The index at which the cumulative sum of ``probs (..., V)`` passes the share ``draw (..., 1)`` of its total."""
    if where is not None:
        found = torch.zeros(probs.shape[:-1], dtype=torch.long, device=probs.device)
        found[where] = _inverse(probs[where], draw[where], None)
        return found
    cumulative = probs.double().cumsum(-1)
    index = torch.searchsorted(cumulative, draw * cumulative[..., -1:], right=True)
    return index.squeeze(-1).clamp(max=probs.shape[-1] - 1)
