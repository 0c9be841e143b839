"""What all ways of steering share: the controllers' requests and masks, when wishes act, and the choice among copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from controllers.base import Context, Controlled, Controller, names
from controllers.combine import combine_masks, combine_requests, refuse_impossible
from controllers.strategies.particles import Particles
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Request, Transition

SHARED = ("window_from", "window_until", "particles", "rerank")


class Steering:
    """A way of steering that only rules words out; each strategy adds how it brings wishes about. Its docstring is its caption.

    What the free belief gives to the controllers' wishes, before the masks, is what `satisfaction` reports.

    Class attributes: `slug` and `title` name it; `papers` are the slugs of those that it fits, empty for all; `options` are the
    fields of the request that it reads and a run without it does not; `inner_steps` is its own number of rounds in a step.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    papers: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[str, ...]] = SHARED
    inner_steps: ClassVar[int] = 1

    def __init__(self, controls: Sequence[Controlled]) -> None:
        self.controls = tuple(controls)
        self.names = names(self.controls)
        self.ruled_out: Tensor | None = None             # 0 where a word may stand, -inf elsewhere; (L, V) or (R, L, V)
        self.free: Tensor | None = None
        self.asked = Request()                           # of the run
        self.particles: Particles | None = None
        self._satisfied: dict[str, Tensor] | None = None

    @classmethod
    def refuses(cls, model: DiffusionModel, controller: Controller | type[Controller]) -> str | None:
        """Why this way cannot bring a control about in this very model, as a sentence; None when it can."""
        return None

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
        refuse_impossible([control.controller for control in self.controls], parts[1:])
        self.asked, self.free, self._satisfied, self.ruled_out = request, None, None, None
        self.particles = Particles(request) if request.copies > 1 else None
        if mask is not None:
            mask = mask.repeat_interleave(request.copies, 0) if mask.dim() == 3 else mask
            self.ruled_out = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf).to(model.device)

    @property
    def rounds(self) -> int:
        """Rounds of wish and answer within a step."""
        return self.asked.inner_steps or max([self.inner_steps, *(control.controller.inner_steps for control in self.controls)])

    def acts(self, t: float) -> bool:
        """Whether wishes act in the step that starts at time t."""
        return self.asked.window_from <= 1 - t < self.asked.window_until

    def wishing(self) -> list[Controlled]:
        """The controls that want more than their masks and their part of the request."""
        return [control for control in self.controls if control.controller.has_strength and control.nats > 0]

    def before(self, model: DiffusionModel, state: Any, prediction: Prediction, t: float, s: float,
               rng: Rng) -> Prediction:
        """The prediction after the model absorbed the masks."""
        self.free = prediction.logits
        return prediction if self.ruled_out is None else model.absorb(prediction, self.ruled_out)

    def after(self, model: DiffusionModel, previous: Any, transition: Transition, t: float, s: float, rng: Rng) -> Any:
        """The state as it was drawn."""
        return transition.state

    # ---- what became of the wishes, and who goes on

    def satisfaction(self, steered: Tensor) -> dict[str, Tensor]:
        """Per controller, log-probability (R,) of its wish under the belief before the masks were applied."""
        if self._satisfied is not None:
            return self._satisfied
        return self._log_probs((steered if self.free is None else self.free).softmax(-1))

    def _log_probs(self, probs: Tensor) -> dict[str, Tensor]:
        named = zip(self.names, self.controls, strict=True)
        return {name: control.controller.log_prob(probs) for name, control in named}

    def survivors(self, prediction: Prediction) -> Tensor | None:
        """The rows (R,) that go on; None where all do."""
        self._satisfied = self._log_probs(prediction.logits.softmax(-1))
        self.particles.weigh(sum(self._satisfied.values()))
        kept = self.particles.resample()
        if kept is not None:
            kept = kept.to(prediction.logits.device)
            self._satisfied = {name: value[kept] for name, value in self._satisfied.items()}
        return kept

    def shown(self, text: Tensor | None) -> Tensor:
        """The row (B,) that stands for each sample: the best so far, or of finished texts (R, L) the one that is kept."""
        if text is None:
            return self.particles.leading().to(self.free.device)
        one_hot = F.one_hot(text, self.free.shape[-1]).to(self.free.dtype)
        self.particles.weigh(sum(self._log_probs(one_hot).values()))
        return self.particles.chosen().to(text.device)


def wishes(controls: Sequence[Controlled], logits: Tensor, rounds: int = 1) -> Tensor | None:
    """The sum of what controls want of a belief (B, L, V) in one of so many rounds, which share each control's nats; None for
    nothing."""
    total: Tensor | None = None
    for control in controls:
        wish = control.controller.wish(logits) if control.nats > 0 else None
        if wish is not None:
            wish = control.nats * wish if control.controller.unit_wish else wish.clamp(-control.nats, control.nats)
            total = wish / rounds if total is None else total + wish / rounds
    return total
