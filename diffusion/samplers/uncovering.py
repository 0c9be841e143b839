"""What the samplers of masked words share: words are uncovered for good, or masked once more where they were doubtful."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core.model import DiscreteModel
from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Prediction, Space, Transition

ROUNDING = 1e-3          # words; what a product of shares may miss a whole number by


@dataclass(frozen=True, slots=True)
class Masks:
    """The masks of a state at one step.

    Attributes:
        probs: the belief (B, L, V).
        masked: (B, L) true where the mask stands; `count` (B,) are these.
        keep: the share of them that stays masked; 0 at the last step.
        revised: (B,) how many other words are masked again at this step.
    """

    probs: Tensor
    masked: Tensor
    count: Tensor
    keep: float
    revised: Tensor


class Uncovering(Sampler):
    """Draws a word at some masked positions at every step, each position on its own; the others stay masked.

    `revise` words that were uncovered before, those that were least likely when they were drawn, less what steering has come to
    hold against them, are masked again, and as many more are uncovered, so that the share of masked words is the same as
    without. At the last step nothing is masked.
    A word that a mask of the port fixes is uncovered before all others, so that the network reads it.
    """

    options: ClassVar[tuple[str, ...]] = ("revise",)
    spaces: ClassVar[tuple[Space, ...]] = (Space.MASKED,)

    def keep(self, model: DiscreteModel, t: float, s: float) -> float:
        """The share of the words masked at t that are masked at s."""
        return model.noise_schedule.replaced(s) / model.noise_schedule.replaced(t)

    def choose(self, masks: Masks, rng: Rng) -> Tensor:
        """Which masked positions are uncovered, (B, L): each with the same chance."""
        chance = 1 - masks.keep + masks.revised / masks.count.clamp(min=1)
        return masks.masked & (rng.uniform(masks.masked.shape[1]) < chance[:, None])

    def advance(self, model: DiscreteModel, state: Tensor, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, Tensor | None]:
        """The memory is the log-probability with which each word was drawn, (B, L), where words are revised; inf if given."""
        keep, masked = self.keep(model, t, s) if s > 0 else 0.0, state == model.mask
        doubt = None if memory is None else memory + against(prediction.logits, state, model)
        masks, again = self._masks(prediction, masked, keep, doubt)
        chosen = self.choose(masks, rng)
        given = _given(prediction.logits, masks)
        if s > 0:                                        # what is given comes first: no belief knew of it yet
            wait = given.any(1, keepdim=True)
            chosen, again = torch.where(wait, given, chosen), again & ~wait
        probs = masks.probs if prediction.refine is None else prediction.refine(chosen)
        words = rng.categorical(probs, chosen)
        new = torch.where(chosen, words, state).masked_fill(again, model.mask)
        if not self.request.revise:
            return Transition(new, log_probs=prediction.logits), None
        drawn = probs.gather(-1, words[..., None]).squeeze(-1).log().masked_fill(given, torch.inf)
        return Transition(new, log_probs=prediction.logits), torch.where(chosen, drawn, memory if memory is not None else torch.inf)

    def _masks(self, prediction: Prediction, masked: Tensor, keep: float, drawn: Tensor | None) -> tuple[Masks, Tensor]:
        """The masks of a state, and which words are masked again (B, L): those of the least log-probability `drawn`."""
        probs = prediction.logits.softmax(-1) if prediction.probs is None else prediction.probs
        count, again = masked.sum(1), torch.zeros_like(masked)
        if self.request.revise and drawn is not None:
            doubtful = ~masked & torch.isfinite(drawn)
            number = torch.minimum(doubtful.sum(1), kept(count, keep)).clamp(max=self.request.revise)
            again = first(-drawn, doubtful, number)
        return Masks(probs, masked, count, keep, again.sum(1)), again


class ByNumber(Uncovering):
    """Uncovers the same number of words in every text, where the analytic sampler leaves it to chance.

    With as many steps as positions that is one word a step; more steps are not taken.
    """

    def times(self, model: DiscreteModel, steps: int) -> list[float]:
        """Times at which equal shares of the words are masked; at most one step for each position."""
        shares = torch.linspace(1, 0, min(steps, self.request.length) + 1, dtype=torch.float64)
        return [1.0, *model.noise_schedule.times(shares[1:-1]).tolist(), 0.0]

    @abstractmethod
    def priority(self, masks: Masks, rng: Rng) -> Tensor:
        """Which positions come first, (B, L): those of the greatest numbers."""

    def choose(self, masks: Masks, rng: Rng) -> Tensor:
        """The first ones in order of priority, (B, L)."""
        return first(self.priority(masks, rng), masks.masked, masks.count - kept(masks.count, masks.keep) + masks.revised)


def _given(logits: Tensor, masks: Masks) -> Tensor:
    """The masked positions (B, L) at which masks of the port leave one word: all others have -inf in the logits (B, L, V)."""
    given = masks.masked & (masks.probs.amax(-1) == 1)                        # few positions, which are looked at closely
    given[given.clone()] = torch.isfinite(logits[given]).sum(-1) == 1
    return given


def against(logits: Tensor, ids: Tensor, model: DiscreteModel) -> Tensor:
    """What steering holds against the committed words (B, L), nats <= 0: how much it has cut their lead over all other words.

    0 exactly where nothing steers; of no meaning at masks.
    """
    own = ids.clamp(max=logits.shape[-1] - 1)[..., None]
    lead = logits.gather(-1, own).squeeze(-1) - logits.scatter(-1, own, -torch.inf).amax(-1)
    return (lead - model.certain).clamp(max=0)


def kept(count: Tensor, share: float) -> Tensor:
    """The whole number of `count` words (B,) that a share leaves, rounded down."""
    return torch.floor(count * share + ROUNDING).long()


def first(priority: Tensor, among: Tensor, number: Tensor) -> Tensor:
    """True at the `number` (B,) positions of greatest priority (B, L) among those that are true in `among` (B, L)."""
    order = priority.masked_fill(~among, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
    return among & (rank < number[:, None])
