"""Confidence order: the words that the belief is surest of are uncovered first.

The order looks at the words, so texts do not follow the model's own distribution, even with exact beliefs.

Source: Chang et al. (2022), arXiv 2202.04200 (MaskGIT).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from diffusion.core.rng import Rng
from diffusion.samplers.uncovering import ByNumber, Masks, first, kept
from diffusion.text.vocab import PAD

CERTAIN = 0.99           # probability of PAD from which on a position is no word that is worth a step
SCATTER = 1.0            # nats of Gumbel noise on the order while all is masked; without any, texts resemble each other


class Confidence(ByNumber):
    """Uncovers first what the belief is surest of, with some chance in the order that fades as the text fills up. Places that
    are surely empty are uncovered beside the others: else most steps would go to them. Texts are less varied than what the
    model knows."""

    slug: ClassVar[str] = "confidence"
    title: ClassVar[str] = "Confidence order"

    def priority(self, masks: Masks, rng: Rng) -> Tensor:
        """Log-probability of the likeliest word plus Gumbel noise, scaled by the share of words that are masked, (B, L)."""
        length = masks.masked.shape[1]
        gumbel = -torch.log(-torch.log(rng.uniform(length, dtype=torch.float64).clamp(min=1e-300)))
        return masks.probs.amax(-1).log() + SCATTER * (masks.count / length)[:, None] * gumbel

    def choose(self, masks: Masks, rng: Rng) -> Tensor:
        """The first words in order of priority, and all places that are surely empty, (B, L)."""
        empty = masks.masked & (masks.probs[..., PAD] > CERTAIN)
        others = masks.masked & ~empty
        count = others.sum(1)
        return empty | first(self.priority(masks, rng), others, count - kept(count, masks.keep) + masks.revised)
