"""Settings that only some samplers read: range, unit and caption of each. Command line, form and links are made from this table.

Which sampler reads which is the sampler's own to say (`options` of its class). An option that the chosen one does not read is
refused, not passed over.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """A setting of some samplers.

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
