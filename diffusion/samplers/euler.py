"""Euler's method on the reverse rates of discrete diffusion: the paper's simplest sampler."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core.model import DiscreteModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Space, Transition
from diffusion.samplers.analytic import redrawn
from diffusion.samplers.uncovering import Uncovering


class Euler(Uncovering):
    """Follows the rates at which words come back, read off the score, as if they stood still during a step. With few steps
    the rates ask for more than can happen; then as much happens as can. The last step draws from the belief."""

    slug: ClassVar[str] = "euler"
    title: ClassVar[str] = "Euler"
    spaces: ClassVar[tuple[Space, ...]] = (Space.MASKED, Space.REPLACED)

    def keep(self, model: DiscreteModel, t: float, s: float) -> float:
        """1 - (t - s) sigma(t) sum_y s(x, t)_y at a masked word, whose scores sum to (1 - m) / m; at least 0."""
        time = torch.tensor(t, dtype=torch.float64)
        moved = model.noise_schedule.move_probability(time)
        return max(0.0, 1 - (t - s) * float(model.noise_schedule.rate(time) * (1 - moved) / moved))

    def advance(self, model: DiscreteModel, state: Tensor, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, Tensor | None]:
        """x_s ~ 1(x) + (t - s) sigma(t) R(x, .), R(x, y) = s(x, t)_y / N; negative probabilities are clipped, the rest is
        normalised. Source: the paper's equation for tau-leaping."""
        if model.space == Space.MASKED:
            return super().advance(model, state, prediction, t, s, rng, memory)
        if s == 0:
            probs = prediction.logits.softmax(-1) if prediction.probs is None else prediction.probs
            return redrawn(state, probs, rng), None
        time = torch.full((1,), t, device=state.device)
        score, own = model.score(prediction.logits, state, time), state[..., None]
        rates = (float((t - s) * model.noise_schedule.rate(time)) / score.shape[-1] * score).scatter(-1, own, 0.0)
        kernel = rates.scatter(-1, own, (1 - rates.sum(-1, keepdim=True)).clamp(min=0))
        return redrawn(state, kernel, rng), None
