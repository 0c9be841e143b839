"""Noise schedules as functions of continuous time t in [0, 1]: 0 is text, 1 is noise.

Gaussian schedules give `alpha_bar`, the share of signal power; discrete ones `total_noise` sigma_bar and its rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from diffusion.core.errors import known_or_raise

_SQRT_S = 1e-4           # offset s of the sqrt schedule; Diffusion-LM, appendix A


def sqrt(t: Tensor) -> Tensor:
    """alpha_bar = (1 - sqrt(t + s)) / (1 - sqrt(s)): Diffusion-LM's schedule as its code realises it (f(t) / f(0)).

    Clipped at 2e-7, the value of the released code's last index, instead of the negative number at t = 1.
    """
    return ((1 - torch.sqrt(t + _SQRT_S)) / (1 - math.sqrt(_SQRT_S))).clamp(min=2e-7)


def cosine(t: Tensor) -> Tensor:
    """alpha_bar = cos^2(pi t / 2), floored at 1e-9. Source: LD4LG with start 0, end 1, tau 1."""
    return torch.cos(t * math.pi / 2).square().clamp(min=1e-9)


def clamped_cosine(t: Tensor) -> Tensor:
    """The cosine schedule as LD4LG's code realises it: the logarithm of its signal-to-noise ratio is kept within ±15."""
    return cosine(t).clamp(1 / (1 + math.exp(15)), 1 / (1 + math.exp(-15)))


def linear(t: Tensor) -> Tensor:
    """alpha_bar = exp(-(b0 t + (b1 - b0) t^2 / 2)), the limit of DDPM's linear betas, b0 = 0.1 and b1 = 20."""
    return torch.exp(-(0.1 * t + 19.9 * t.square() / 2))


GAUSSIAN: dict[str, Callable[[Tensor], Tensor]] = {"sqrt": sqrt, "cosine": cosine, "clamped-cosine": clamped_cosine,
                                                    "linear": linear}


def alpha_bar(name: str) -> Callable[[Tensor], Tensor]:
    """The Gaussian schedule of that name.

    Raises:
        StudioError: there is no such schedule.
    """
    return GAUSSIAN[known_or_raise("noise schedule", name, GAUSSIAN)]


@lru_cache(maxsize=8192)
def at(name: str, t: float) -> Tensor:
    """alpha_bar of a Gaussian schedule at one time, () in fp32, computed once in float64: a run asks for it at every step."""
    return alpha_bar(name)(torch.tensor(t, dtype=torch.float64)).float()


@lru_cache(maxsize=8192)
def moment(t: float, device: torch.device) -> Tensor:
    """One time for all rows, so that a row alone and in a batch has the same bits; (1,) in fp32, shared by all who ask."""
    return torch.full((1,), t, device=device)


def shared(values: Tensor) -> bool:
    """Whether it is one fp32 number on the CPU and a constant: what follows from it can be kept under its value."""
    return values.numel() == 1 and values.dtype == torch.float32 and values.device.type == "cpu" and not values.requires_grad


@dataclass(frozen=True, slots=True)
class DiscreteNoise:
    """A discrete schedule: total noise sigma_bar(t), its rate d sigma_bar / dt, and the time at which the total is reached.

    Source: SEDD, appendix C.1.
    """

    total: Callable[[Tensor], Tensor]
    rate: Callable[[Tensor], Tensor]
    when: Callable[[Tensor], Tensor]

    def move_probability(self, t: Tensor) -> Tensor:
        """1 - exp(-sigma_bar): the probability that a position has been replaced by time t."""
        return -torch.expm1(-self.total(t))

    def replaced(self, t: float) -> float:
        """The move probability of the whole process at one time: exactly 1 at the prior and 0 at the text."""
        return t if t in (0, 1) else float(self.move_probability(torch.tensor(t, dtype=torch.float64)))

    def times(self, shares: Tensor) -> Tensor:
        """The times, within [0, 1], at which shares of the words have been replaced."""
        return self.when(-torch.log1p(-shares)).clamp(0, 1)


def log_linear(eps: float = 1e-3) -> DiscreteNoise:
    """sigma_bar = -log(1 - (1 - eps) t): the move probability grows linearly."""
    return DiscreteNoise(lambda t: -torch.log1p(-(1 - eps) * t), lambda t: (1 - eps) / (1 - (1 - eps) * t),
                         lambda total: -torch.expm1(-total) / (1 - eps))


def geometric(low: float = 1e-4, high: float = 20.0) -> DiscreteNoise:
    """sigma_bar = low^(1-t) high^t."""
    def total(t: Tensor) -> Tensor:
        return low ** (1 - t) * high ** t
    return DiscreteNoise(total, lambda t: total(t) * math.log(high / low),
                         lambda total: torch.log(total / low) / math.log(high / low))


DISCRETE: dict[str, Callable[[], DiscreteNoise]] = {"log-linear": log_linear, "geometric": geometric}
