"""The common way of steering: wishes are added to the belief in nats, masks rule words out, the paper absorbs both."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from controllers.strategies.base import SHARED, Steering
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
            wanted = self._wishes(prediction.logits, rounds) if rounds else None
            if index == 0 and self.ruled_out is not None:
                wanted = self.ruled_out if wanted is None else wanted + self.ruled_out
            if wanted is None:
                break
            prediction = model.absorb(prediction, wanted)
        return prediction

    def _wishes(self, logits: Tensor, rounds: int) -> Tensor | None:
        """The sum of the wishes in one of so many rounds, which share each controller's nats."""
        total: Tensor | None = None
        for control in self.controls:
            wish = control.controller.wish(logits) if control.nats > 0 else None
            if wish is not None:
                wish = control.nats * wish if control.controller.unit_wish else wish.clamp(-control.nats, control.nats)
                total = wish / rounds if total is None else total + wish / rounds
        return total
