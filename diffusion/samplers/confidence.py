"""Confidence order: the words that the belief is surest of are uncovered first.

The order looks at the words, so texts do not follow the model's own distribution, even with exact beliefs.

Source: Chang et al. (2022), arXiv 2202.04200 (MaskGIT).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from diffusion.core.rng import Rng
from diffusion.samplers.uncovering import ByNumber, Masks

SCATTER = 1.0            # nats of Gumbel noise on the order while all is masked; without any, texts resemble each other


class Confidence(ByNumber):
    """Uncovers first what the belief is surest of, with some chance in the order that fades as the text fills up. Texts are
    fluent with few steps, but less varied than what the model knows."""

    slug: ClassVar[str] = "confidence"
    title: ClassVar[str] = "Confidence order"

    def priority(self, masks: Masks, rng: Rng) -> Tensor:
        """Log-probability of the likeliest word plus Gumbel noise, scaled by the share of words that are masked, (B, L)."""
        length = masks.masked.shape[1]
        gumbel = -torch.log(-torch.log(rng.uniform(length, dtype=torch.float64).clamp(min=1e-300)))
        return masks.probs.amax(-1).log() + SCATTER * (masks.count / length)[:, None] * gumbel
