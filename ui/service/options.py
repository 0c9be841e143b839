"""Settings that only some samplers or ways of steering read: range, unit and caption of each. Command line, form and links are made
from these tables.

Which sampler or strategy reads which is its own to say (`options` of its class). An option that the chosen one does not read is
refused, not passed over.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """A setting of some samplers or strategies.

    Attributes:
        name: the field of the request, and of an order.
        low, high, default, step: its range, what holds unless told otherwise, and how finely a slider moves.
        unit: what the number counts.
        about: what it does, as help and as a caption.
    """

    name: str
    title: str
    low: float
    high: float
    default: float
    step: float
    unit: str
    about: str

    @property
    def whole(self) -> bool:
        """Whether only whole numbers make sense."""
        return isinstance(self.default, int)


OPTIONS: dict[str, Option] = {option.name: option for option in (
    Option("clamp", "Clamping", 0, 1, 0.0, 0.05, "share of the steps",
           "snaps the prediction to the nearest clean point, a word, in this last part of the steps"),
    Option("eta", "Eta", 0, 1, 0.0, 0.05, "share of the noise",
           "how much of the ancestral noise is added: 0 none, 1 all of it"),
    Option("mix", "Re-noising", 0, 1, 1.0, 0.05, "chance a step",
           "how often a step forgets the old noise and draws new one"),
    Option("mix_share", "Re-noising until", 0, 1, 1.0, 0.05, "share of the steps",
           "re-noises in this first part of the steps only"),
    Option("revise", "Revision", 0, 32, 0, 1, "words a step",
           "words hidden again at every step, the least likely first"),
)}

STEERING: dict[str, Option] = {option.name: option for option in (
    Option("inner_steps", "Inner steps", 0, 16, 0, 1, "rounds a step; 0 for the strategy's own number",
           "asks again within each step, after the belief has changed"),
    Option("fluency", "Fluency", 0, 1, 0.0, 0.0001, "weight; 0 for the task's own",
           "how strongly moved vectors are held near the model's own step"),
    Option("window_from", "Wishes from", 0, 1, 0.0, 0.05, "share of the time",
           "wishes act from this point on, 0 is pure noise"),
    Option("window_until", "Wishes until", 0, 1, 1.0, 0.05, "share of the time",
           "and up to this point, 1 is the finished text"),
    Option("particles", "Particles", 1, 32, 1, 1, "copies a sample",
           "copies that compete as they are written, by the controls' own measure; one is kept"),
    Option("rerank", "Choose among", 1, 32, 1, 1, "texts a sample",
           "finished texts of which the best by the controls' own measure is kept"),
)}
EVERY: dict[str, Option] = {**OPTIONS, **STEERING}
