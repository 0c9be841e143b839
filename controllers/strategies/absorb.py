"""The common way of steering: wishes are added to the belief in nats, masks rule words out, the paper absorbs both."""

from __future__ import annotations

from typing import Any, ClassVar

from controllers.strategies.base import SHARED, Steering, wishes
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction


class Absorb(Steering):
    """Asks for a change of the belief at every step: the sum of the controllers' wishes, each at most its own nats. In several
    inner steps the belief is read again after each part of the change, without asking the network again. It fits every paper."""

    slug: ClassVar[str] = "absorb"
    title: ClassVar[str] = "Absorb (the common port)"
    options: ClassVar[tuple[str, ...]] = ("inner_steps", *SHARED)

    def before(self, model: DiffusionModel, state: Any, prediction: Prediction, t: float, s: float,
               rng: Rng) -> Prediction:
        """The prediction after the model absorbed wishes and masks."""
        self.free = prediction.logits
        rounds = self.rounds if self.acts(t) else 0
        for index in range(max(rounds, 1)):
            wanted = wishes(self.controls, prediction.logits, rounds) if rounds else None
            if index == 0 and self.ruled_out is not None:
                wanted = self.ruled_out if wanted is None else wanted + self.ruled_out
            if wanted is None:
                break
            prediction = model.absorb(prediction, wanted)
        return prediction
