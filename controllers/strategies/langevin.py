"""Diffusion-LM's published steering: its inner loop on noisy vectors, with classifiers trained on noisy vectors.

    loss(y; wish, s) = sum over the controllers of the cross-entropy of the classifiers' answer about y at time s

As in the paper: the cross-entropy is the mean over its elements (all positions for tags, END and PAD too; all spans of the words
for a tree; one cell for a span; the slots for content and class); lambda is 0.0001 for parts of speech, 0.0005 for trees, 0.1 for
spans, 0.01 for content; the classifiers are told the time of y. The rest: `controllers.strategies.inner_loop`.
Different here: the classifiers are small and share a trunk (`controllers.probes.noisy`); of several controls the
smallest lambda counts;
a tag pattern with gaps is weighed over all its layouts. What no classifier tells goes as ever: the number of words of any control,
infills and labels by masks and requests, through the common port (the paper pulls a length by its gradient); free words of a
content by their wish in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from controllers.base import Controlled, Controller
from controllers.probes.noisy import NAME, NoisyReader
from controllers.strategies.base import wishes
from controllers.strategies.inner_loop import InnerLoop
from diffusion.core.embedded import EmbeddingModel
from diffusion.core.errors import objection
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Request, Transition


class Langevin(InnerLoop):
    """Diffusion-LM's own way: after each step the noisy vectors themselves are moved to where classifiers trained on noisy vectors
    see the wish, with a term that keeps them near the model's own step. Lengths and blanks, which have none, rule words out."""

    slug: ClassVar[str] = "langevin"
    title: ClassVar[str] = "Inner loop with noisy classifiers (Diffusion-LM)"
    papers: ClassVar[tuple[str, ...]] = ("diffusion-lm",)

    def __init__(self, controls: Sequence[Controlled]) -> None:
        super().__init__(controls)
        parted = [(*control.controller.parted(), control.nats) for control in self.wishing()]
        self.told = [told for told, _, _ in parted if told is not None]
        self.untold = [Controlled(rest, nats) for _, rest, nats in parted if rest is not None]

    @classmethod
    def refuses(cls, model: DiffusionModel, controller: Controller | type[Controller]) -> str | None:
        """Why there is no classifier for a control of this model, as a sentence; None where there is, or none is needed."""
        if not controller.noisy:
            return None
        return objection(lambda: NoisyReader.load(NAME).fits(model, model.length))

    @property
    def rounds(self) -> int:
        """K, the same for all controls."""
        return self.asked.inner_steps or self.inner_steps

    @property
    def own_fluency(self) -> float:
        """The paper's lambda for the task; the smallest of several."""
        return min(controller.fluency for controller in self.told)

    def guided(self, t: float, s: float) -> int:
        """How many inner steps follow the step from t to s."""
        return super().guided(t, s) if self.told else 0

    def begin(self, model: EmbeddingModel, request: Request) -> None:
        """Combines the masks and asks the classifiers once.

        Raises:
            StudioError: two controllers contradict each other, or there are no classifiers for this model or for a wish.
        """
        super().begin(model, request)
        if self.told:
            NoisyReader.load(NAME).fits(model, request.length)
            self.lacking(torch.zeros(1, request.length, model.state_width, device=model.device), 0.5)

    def before(self, model: EmbeddingModel, state: Any, prediction: Prediction, t: float, s: float, rng: Rng) -> Prediction:
        """The prediction after the masks and the wishes that no classifier tells."""
        prediction = super().before(model, state, prediction, t, s, rng)
        wanted = wishes(self.untold, prediction.logits) if self.acts(t) else None
        return prediction if wanted is None else model.absorb(prediction, wanted)

    def loss(self, model: EmbeddingModel, y: Tensor, transition: Transition, s: float) -> Tensor:
        """Cross-entropies summed over controllers and rows, ()."""
        return self.lacking(y, s).sum()

    def lacking(self, y: Tensor, s: float) -> Tensor:
        """Sum over the controllers of the mean cross-entropy of what the classifiers say of y (B, L, D) at time s, (B,)."""
        reader = NoisyReader.suited(NAME, y)
        features = reader.features(y, s)
        return torch.stack([controller.noisy_loss(reader, features) for controller in self.told]).sum(0)
