"""The geometry of RDLM: points on unit spheres, and word ids written as digits, one sphere a digit.

A sphere S^b lies in R^(b+1): a coordinate for each of b symbols and, last, one for the mask. Symbol k is the vertex e_k.
Everything is in the precision of what comes in; fp32 is enough, bf16 is not, because arccos near 1 would lose the signal.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-30


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Inner product along the last axis, which stays with size 1."""
    return (x * y).sum(-1, keepdim=True)


def sinc(angle: Tensor) -> Tensor:
    """sin(angle) / angle, 1 at 0."""
    return torch.sinc(angle / math.pi)


def cosc(angle: Tensor) -> Tensor:
    """(1 / angle - cot(angle)) / angle, 1/3 at 0: how the volume of a sphere shrinks away from a point."""
    small = angle.abs() < 0.05
    safe = torch.where(small, 1.0, angle)
    return torch.where(small, 1 / 3 + angle.square() / 45, (1 / safe - 1 / safe.tan()) / safe)


def project(x: Tensor, v: Tensor) -> Tensor:
    """The part of v that is tangent to the sphere at x."""
    return v - dot(x, v) * x


def distance(x: Tensor, y: Tensor) -> Tensor:
    """Angle between points, 0 to pi; exact near both ends, where the arccos of their product is not."""
    return 2 * torch.atan2(torch.linalg.vector_norm(x - y, dim=-1), torch.linalg.vector_norm(x + y, dim=-1))


def exp(x: Tensor, v: Tensor) -> Tensor:
    """The point that a walk from x along the tangent vector v reaches."""
    length = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return F.normalize(length.cos() * x + sinc(length) * v, dim=-1)


def log(x: Tensor, y: Tensor) -> Tensor:
    """The tangent vector at x that leads to y, as long as their distance; undefined for opposite points."""
    direction = project(x, y - x)
    length = torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
    return direction * (distance(x, y)[..., None] / length.clamp(min=_TINY))


def transport(x: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """The tangent vector v at x, carried along the shortest way to y."""
    return v - dot(y, v) / (1 + dot(x, y)) * (x + y)


def stretch(cosine: Tensor) -> Tensor:
    """angle / sin(angle) of points with that cosine; 1 where they are the same. Clipped near opposite points."""
    near = cosine > 1 - 1e-4
    safe = torch.where(near, 0.0, cosine.clamp(min=-1 + 1e-6))
    return torch.where(near, 1 + (1 - cosine) / 3, safe.arccos() * torch.rsqrt(1 - safe.square()))


def pull(x: Tensor, probs: Tensor) -> Tensor:
    """sum_k p_k log_x(e_k): where a belief about a symbol pulls the point.

    Args:
        x: points (..., b + 1).
        probs: of the symbols, (..., b).
    """
    cosines = x[..., :-1]
    weights = probs * stretch(cosines)
    return F.pad(weights, (0, 1)) - dot(weights, cosines) * x


def log_normal(x: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Log-density of exp_mean(spread z), z standard normal in the tangent space, up to a constant that spread sets.

    The Riemannian normal -r^2 / (2 spread^2) - (n - 1) log(sin r / r), with r the distance from the mean and n the
    dimension of the sphere.
    """
    r = distance(x, mean)
    return -r.square() / (2 * spread**2) - (x.shape[-1] - 2) * sinc(r).clamp(min=_TINY).log()


# ---- words as digits


def digits_needed(words: int, base: int) -> int:
    """How many digits in `base` tell so many words apart, at least 1."""
    count = 1
    while base**count < words:
        count += 1
    return count


def choose_base(words: int, largest: int = 64) -> int:
    """The base for a vocabulary: one digit where `largest` symbols are enough, else the smallest for the fewest digits."""
    count = digits_needed(words, largest)
    return next(base for base in range(2, max(2, words) + 1) if base**count >= words)


def to_digits(ids: Tensor, base: int, count: int) -> Tensor:
    """Word ids (...) as digits (..., m), the least significant first."""
    return torch.stack([ids // base**place % base for place in range(count)], -1)


def from_digits(digits: Tensor, base: int) -> Tensor:
    """Digits (..., m), the least significant first, as word ids (...); they may name no word."""
    return sum(digits[..., place] * base**place for place in range(digits.shape[-1]))


def join(values: Tensor, words: int) -> Tensor:
    """For every word the sum of its digits' values: (..., m, b) -> (..., V)."""
    total = values[..., -1, :]
    for place in reversed(range(values.shape[-2] - 1)):
        total = (total[..., :, None] + values[..., place, None, :]).flatten(-2)
    return total[..., :words]


def marginals(probs: Tensor, base: int, count: int) -> Tensor:
    """For every digit the distribution that a distribution over words gives it: (..., V) -> (..., m, b).

    Of all products of digit distributions theirs is the nearest one to `probs` in KL(probs || product).
    """
    if count == 1:
        return F.pad(probs, (0, base - probs.shape[-1]))[..., None, :]
    codes = F.pad(probs, (0, base**count - probs.shape[-1])).unflatten(-1, (base,) * count)
    axes = range(-count, 0)                              # the least significant digit is the last axis
    return torch.stack([codes.sum([axis for axis in axes if axis != -1 - place]) for place in range(count)], -2)
