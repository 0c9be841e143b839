"""The first-hitting sampler: masked words are uncovered in random order, one at a time.

The time at which a word is uncovered need not be drawn: given which words are masked, the text does not depend on it, so the
network is told the time at which so many are masked on average.

Source: Zheng et al. (2024), arXiv 2409.02908; that the time says nothing: Ou et al. (2024), arXiv 2406.03736.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from diffusion.core.rng import Rng
from diffusion.samplers.uncovering import ByNumber, Masks


class FirstHitting(ByNumber):
    """Uncovers the words in random order. With as many steps as positions that is one word a step, and nothing but the network
    is to blame for what is written; with fewer steps every text gets the same number of words a step."""

    slug: ClassVar[str] = "first-hitting"
    title: ClassVar[str] = "First hitting"

    def priority(self, masks: Masks, rng: Rng) -> Tensor:
        """Random."""
        return rng.uniform(masks.masked.shape[1])
