"""Ancestral sampling of a Gaussian process, with Diffusion-LM's clamping trick."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core import schedules
from diffusion.core.model import GaussianModel
from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction, Transition


def posterior(x: Tensor, x0_hat: Tensor, alpha_t: Tensor, alpha_s: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of q(x_s | x_t, x_0); alpha_t, alpha_s are alpha_bar at t and s.

    Source: Ho, Jain, Abbeel (2020), equations 6 and 7, for any s < t.
    """
    if alpha_t.dim() == 0 and schedules.shared(alpha_t) and schedules.shared(alpha_s):           # every run asks for it
        text, noisy, total, std = _known(alpha_t.item(), alpha_s.item())
    else:
        text, noisy, total, std = _weights(alpha_t, alpha_s)
    return (text * x0_hat + noisy * x) / total, std


def _weights(alpha_t: Tensor, alpha_s: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the posterior: weights of x_0 and of x_t, what divides both, and the standard deviation."""
    ratio = alpha_t / alpha_s
    return (alpha_s.sqrt() * (1 - ratio), ratio.sqrt() * (1 - alpha_s), 1 - alpha_t,
            ((1 - ratio) * (1 - alpha_s) / (1 - alpha_t)).sqrt())


@lru_cache(maxsize=8192)
def _known(alpha_t: float, alpha_s: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _weights(torch.tensor(alpha_t), torch.tensor(alpha_s))


class Ancestral(Sampler):
    """Draws each step from the posterior of the forward process given the predicted text: the papers' own sampler.

    With `clamp`, the prediction is replaced by its nearest word in the given last share of the steps.
    """

    slug: ClassVar[str] = "ancestral"
    title: ClassVar[str] = "Ancestral (DDPM)"
    options: ClassVar[tuple[str, ...]] = ("clamp",)

    def advance(self, model: GaussianModel, state: Gaussian, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, None]:
        """x_s ~ N(mean, std^2) of q(x_s | x_t, x0_hat); no noise at s = 0."""
        x0_hat = model.clamp(prediction.native) if t <= self.request.clamp else prediction.native
        mean, std = posterior(state.x, x0_hat, model.signal_for(state.x, t), model.signal_for(state.x, s))
        x = mean if s == 0 else mean + std * rng.normal(*mean.shape[1:])
        return Transition(Gaussian(x, x0_hat), mean=mean, std=torch.as_tensor(std)), None
