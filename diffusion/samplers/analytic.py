"""The analytic sampler of discrete diffusion: Tweedie's tau-leaping, exact for each position."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Prediction, Transition
from diffusion.core.model import DiffusionModel


class Analytic(Sampler):
    """Draws every position from its exact distribution at s given the belief, all positions at once."""

    slug: ClassVar[str] = "analytic"
    title: ClassVar[str] = "Analytic (Tweedie)"

    def advance(self, model: DiffusionModel, state: Tensor, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, None]:
        """Masked words are uncovered with probability (m_t - m_s) / m_t."""
        moved_t, moved_s = (float(model.noise_schedule.move_probability(torch.tensor(x))) if x < 1 else 1.0 for x in (t, s))
        words = rng.categorical(prediction.logits.softmax(-1))
        uncovered = rng.uniform(state.shape[1]) < (moved_t - moved_s) / moved_t
        return Transition(torch.where((state == model.mask) & uncovered, words, state)), None
