"""Redrawing: words from the belief, points anew around them. What SeqDiffuSeq's re-noising is to vectors, on spheres."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Prediction, Space, Transition
from diffusion.samplers.geodesic import dense_times
from diffusion.spheres.bridge import SphereModel


class Redraw(Sampler):
    """Draws every word from the belief at each step and puts its points anew around it, so that a mistake is forgotten instead
    of walked on with. Not the paper's; steps are shorter where the words are decided."""

    slug: ClassVar[str] = "redraw"
    title: ClassVar[str] = "Redraw words"
    spaces: ClassVar[tuple[Space, ...]] = (Space.SPHERES,)

    def times(self, model: SphereModel, steps: int) -> list[float]:
        """Most steps where words are decided."""
        return dense_times(steps)

    def advance(self, model: SphereModel, state: Any, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, None]:
        """X_s ~ q(X_s | w), w ~ p(w | X_t) at each position by itself.

        A word that is drawn at once with the others does not know of them, so this is no exact sampler at any number of
        steps. Source: ours, after SeqDiffuSeq's generate_by_q.
        """
        probs = torch.softmax(prediction.logits, -1) if prediction.probs is None else prediction.probs
        words = rng.categorical(probs)
        return Transition(model.noise(words, s, rng)), None
