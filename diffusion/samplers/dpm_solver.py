"""DPM-Solver++(2M): the fast deterministic solver of second order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from diffusion.core.model import GaussianModel
from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction, Transition

REACH = 1.0              # limit of 1 / (2 r): a fitted schedule may have a long step after a short one; no other comes near it


@dataclass(frozen=True, slots=True)
class Memory:
    """The previous prediction x0_hat and the length h of the step that it was used for, () or (L, 1) behind an axis of its own:
    it is of no row."""

    x0_hat: Tensor
    h: Tensor


class DPMSolver(Sampler):
    """Extrapolates the prediction from the last two steps: few steps go a long way, and nothing is random after the start.

    The first and the last step are of first order. Clamping would leave the line that it extrapolates, so it is not used.
    """

    slug: ClassVar[str] = "dpm-solver++"
    title: ClassVar[str] = "DPM-Solver++ (2M)"

    def advance(self, model: GaussianModel, state: Gaussian, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Memory | None) -> tuple[Transition, Memory]:
        """x_s = (sigma_s / sigma_t) x_t - alpha_s (exp(-h) - 1) D. Source: Lu et al. (2022), algorithm 2, data prediction."""
        alpha_t, alpha_s = model.signal_for(state.x, t), model.signal_for(state.x, s)
        x0_hat = prediction.native
        if s == 0:                                       # lambda is infinite there: the exact limit is x0_hat
            return Transition(Gaussian(x0_hat, x0_hat), mean=x0_hat, std=torch.zeros(())), Memory(x0_hat, x0_hat.new_zeros(1))
        h = half_log_snr(alpha_s) - half_log_snr(alpha_t)
        direction = x0_hat
        if memory is not None:
            r = memory.h / h
            reach = (1 / (2 * r)).clamp(max=REACH)
            direction = (1 + reach) * x0_hat - reach * memory.x0_hat
        x = ((1 - alpha_s) / (1 - alpha_t)).sqrt() * state.x - alpha_s.sqrt() * torch.expm1(-h) * direction
        return Transition(Gaussian(x, x0_hat), mean=x, std=torch.zeros(())), Memory(x0_hat, h[None].to(x0_hat.device))


def half_log_snr(alpha_bar: Tensor) -> Tensor:
    """lambda = ln(sqrt(alpha_bar) / sqrt(1 - alpha_bar))."""
    return 0.5 * torch.log(alpha_bar / (1 - alpha_bar))
