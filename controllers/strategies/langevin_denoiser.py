"""Diffusion-LM's inner loop with wishes that are read off the model's own belief: no classifier has to be trained.

    loss(y; wish, s) = - sum over the controllers of log p(wish | the model's belief about y at time s)

Different from the paper: the belief goes through the denoiser at every inner step, in place of a classifier trained on noisy
vectors, so that every controller steers this way, in every checkpoint and in SeqDiffuSeq, and takes longer. log p is summed over
the words, where the paper takes means. lambda is 0.01 for all controllers. Hard masks act through the common port, where the paper
pulls a length by its gradient. All else: `controllers.strategies.inner_loop`.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from torch import Tensor

from controllers.strategies.inner_loop import InnerLoop
from diffusion.core.copies import copied
from diffusion.core.embedded import EmbeddingModel
from diffusion.core.rng import Rng
from diffusion.core.types import Gaussian, Prediction, Transition


class LangevinDenoiser(InnerLoop):
    """The inner loop without trained classifiers: after each step the noisy vectors are moved to where the model's own belief about
    them holds the wish. Each inner step goes back through the network, so it takes longer; every control can steer so."""

    slug: ClassVar[str] = "langevin-denoiser"
    title: ClassVar[str] = "Inner loop through the denoiser"
    papers: ClassVar[tuple[str, ...]] = ("diffusion-lm", "seqdiffuseq")

    own_fluency: ClassVar[float] = 0.01

    def before(self, model: EmbeddingModel, state: Gaussian, prediction: Prediction, t: float, s: float,
               rng: Rng) -> Prediction:
        """The prediction after the masks; the network evaluations of the inner steps to come are counted here."""
        prediction = super().before(model, state, prediction, t, s, rng)
        inner = self.guided(t, s)
        return dataclasses.replace(prediction, nfe=prediction.nfe * (1 + inner)) if inner else prediction

    def loss(self, model: EmbeddingModel, y: Tensor, transition: Transition, s: float) -> Tensor:
        """- sum over controllers and rows of log p(wish | belief about y), ()."""
        probs = model.predict(Gaussian(y, transition.state.x0_hat), s, copied(self.asked)).logits.softmax(-1)
        return -sum(control.controller.log_prob(probs).sum() for control in self.wishing())
