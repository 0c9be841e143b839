"""A denoiser with known answers in place of a network: a Gaussian corpus, whose flow has a closed form."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core import schedules
from diffusion.core.rng import BatchRng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction, Request


@dataclass(frozen=True)
class GaussianCorpus:
    """x_0 ~ N(mean, spread^2), in float64: all that a Gaussian sampler asks of a model, and the exact answers."""

    mean: float = 0.7
    spread: float = 0.4
    renoise_power: ClassVar[float] = 1.0

    def signal(self, t: float) -> Tensor:
        """alpha_bar of the sqrt schedule, ()."""
        return schedules.sqrt(torch.tensor(t, dtype=torch.float64))

    def signal_for(self, x: Tensor, t: float) -> Tensor:
        """The same: every position has one schedule."""
        return self.signal(t)

    def clamp(self, x0_hat: Tensor) -> Tensor:
        """The nearer of the two "words" -1 and 1."""
        return torch.where(x0_hat > 0, 1.0, -1.0).to(x0_hat)

    def variance(self, t: float) -> Tensor:
        """Of x_t."""
        return self.signal(t) * self.spread**2 + 1 - self.signal(t)

    def predict(self, x: Tensor, t: float) -> Prediction:
        """E[x_0 | x_t]."""
        signal = self.signal(t)
        native = self.mean + signal.sqrt() * self.spread**2 / self.variance(t) * (x - signal.sqrt() * self.mean)
        return Prediction(native, native)

    def flow(self, x: Tensor, t: float, s: float) -> Tensor:
        """Where the deterministic flow carries x_t: it keeps the number of standard deviations from the mean."""
        deviations = (x - self.signal(t).sqrt() * self.mean) / self.variance(t).sqrt()
        return self.signal(s).sqrt() * self.mean + self.variance(s).sqrt() * deviations


def walk(sampler: Sampler, model: Any, x: Tensor, times: list[float], rng: BatchRng | None = None) -> list[Tensor]:
    """States x (B, L, D) at every time, the first included, of a sampler that follows a closed-form denoiser."""
    path, state, memory = [x], Gaussian(x, torch.zeros_like(x)), None
    for t, s in itertools.pairwise(times):
        transition, memory = sampler.advance(model, state, model.predict(state.x, t), t, s, rng, memory)
        state = transition.state
        path.append(state.x)
    return path


def request(**changes: Any) -> Request:
    """A request for a sampler."""
    return Request(length=1, **changes)
