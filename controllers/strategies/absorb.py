"""The common way of steering: wishes are added to the belief in nats, masks rule words out, the paper absorbs both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from controllers.base import Context, Controlled, names
from controllers.combine import combine_masks, combine_requests, refuse_impossible
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Request, Transition


class Absorb:
    """Asks for a change of the belief at every step: the sum of the controllers' wishes, each at most its own nats.

    What the free belief gives to the controllers' wishes, before the masks, is what `satisfaction` reports.
    """

    slug = "absorb"
    title = "Absorb (the common port)"

    def __init__(self, controls: Sequence[Controlled]) -> None:
        self.controls = tuple(controls)
        self.names = names(self.controls)
        self.ruled_out: Tensor | None = None             # 0 where a word may stand, -inf elsewhere; (L, V) or (B, L, V)
        self.free: Tensor | None = None

    def request(self, request: Request) -> Request:
        """Every controller's part of the request, merged.

        Raises:
            StudioError: two controllers contradict each other.
        """
        return combine_requests([control.controller for control in self.controls], request)

    def begin(self, model: DiffusionModel, request: Request) -> None:
        """Combines the masks.

        Raises:
            StudioError: two controllers contradict each other, or one was made for another model.
        """
        context = Context.of(model, request.length)
        parts = [(f"the rule of {model.title} that a text is not empty", ~model.never()[: request.length])]
        for control in self.controls:
            control.controller.fits(context)
            mask = control.controller.allowed(context, request)
            if mask is not None:
                parts.append((str(control.controller), mask))
        mask = combine_masks(parts) if len(parts) > 1 else None
        refuse_impossible([control.controller for control in self.controls], parts)
        self.free, self.ruled_out = None, None
        if mask is not None:
            self.ruled_out = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf).to(model.device)

    def before(self, model: DiffusionModel, state: Any, prediction: Prediction, t: float, s: float,
               rng: Rng) -> Prediction:
        """The prediction after the model absorbed wishes and masks."""
        self.free = prediction.logits
        wanted = self._wishes(prediction.logits)
        if self.ruled_out is not None:
            wanted = self.ruled_out if wanted is None else wanted + self.ruled_out
        return prediction if wanted is None else model.absorb(prediction, wanted)

    def _wishes(self, logits: Tensor) -> Tensor | None:
        """The sum of the wishes, each scaled so that its largest change is the controller's nats."""
        total: Tensor | None = None
        for control in self.controls:
            wish = control.controller.wish(logits)
            if wish is not None:
                wish = control.nats * wish if control.controller.unit_wish else wish.clamp(-control.nats, control.nats)
                total = wish if total is None else total + wish
        return total

    def after(self, model: DiffusionModel, previous: Any, transition: Transition, t: float, s: float, rng: Rng) -> Any:
        """The state as it was drawn."""
        return transition.state

    def satisfaction(self, steered: Tensor) -> dict[str, Tensor]:
        """Per controller, log-probability (B,) of its wish under the belief before the masks were applied."""
        probs = (steered if self.free is None else self.free).softmax(-1)
        named = zip(self.names, self.controls, strict=True)
        return {name: control.controller.log_prob(probs) for name, control in named}
