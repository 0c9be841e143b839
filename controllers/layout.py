"""How large the open blanks of an infill are: drawn from each sequence's seed, with a total that meets all demands.

A blank inside has k words with probability proportional to k r^k, r = 0.6: two most often, four on average. An open end
draws the text towards 22 +- 8 words, E2E's own mean and deviation. Where the total is restricted (a length, the number
of positions), sizes are drawn from this distribution *given* the restriction, exactly, by sums over all ways to share
out the words.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_RATIO = 0.6
_TYPICAL, _DEVIATION = 22, 8
_STREAM = 0x9E3779B97F4A7C15          # keeps these draws apart from the noise, which starts from the seed itself


def inside(most: int) -> Tensor:
    """Weights (most + 1,) of the sizes 0 .. most of a blank inside the text; 0 words have none."""
    size = torch.arange(most + 1, dtype=torch.float64)
    return size * _RATIO**size


def at_the_end(most: int, before: int) -> Tensor:
    """Weights (most + 1,) of the sizes of an open end, where `before` words are expected to precede it."""
    size = torch.arange(most + 1, dtype=torch.float64)
    weight = torch.exp(-(((before + size - _TYPICAL) / _DEVIATION) ** 2) / 2) + 1e-6 * _RATIO**size
    weight[0] = 0
    return weight


def draw_sizes(weights: Sequence[Tensor], fewest: int, most: int, seed: int) -> tuple[int, ...]:
    """A size for each blank, the sum from `fewest` to `most`: drawn from the product of the weights given that sum.

    Args:
        weights: of each blank, over its sizes 0 .. N, float64; some sum from `fewest` to `most` is possible.
        seed: of the sequence; the same seed, weights and range give the same sizes.
    """
    generator = torch.Generator().manual_seed((seed ^ _STREAM) % 2**63)
    rest = [_point(len(weights[0]))]                     # rest[i]: weight of each sum of the last i blanks
    for weight in reversed(weights):
        rest.append(_sums(weight, rest[-1]))
    totals = rest[-1].clone()
    totals[:fewest], totals[most + 1:] = 0, 0
    left = _choice(totals, generator)
    sizes = []
    for weight, after in zip(weights, reversed(rest[:-1]), strict=True):
        size = _choice(weight[: left + 1] * after[: left + 1].flip(0), generator)
        sizes.append(size)
        left -= size
    return tuple(sizes)


def _point(count: int) -> Tensor:
    """The sum of no blanks: 0 words, surely."""
    return torch.tensor([1.0, *[0.0] * (count - 1)], dtype=torch.float64)


def _sums(one: Tensor, other: Tensor) -> Tensor:
    """Weights of the sum of two sizes, cut to their own range."""
    table = torch.outer(one, other)
    size = torch.arange(len(one))
    total = size[:, None] + size[None, :]
    inside_range = total < len(one)
    return torch.zeros_like(one).index_add(0, total[inside_range], table[inside_range])


def _choice(weights: Tensor, generator: torch.Generator) -> int:
    """An index in proportion to the weights; never one of weight 0."""
    cumulative = weights.cumsum(0)
    point = (1 - torch.rand((), generator=generator, dtype=torch.float64)) * cumulative[-1]      # in (0, sum]
    return int(torch.searchsorted(cumulative, point))
