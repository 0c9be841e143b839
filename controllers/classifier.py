"""Class by classifier: the text says these values of slots, by the gradient of a network that reads the belief."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controllers.base import Context, Controller, Score, knob, made_for
from controllers.gradient import ascent
from controllers.label import Label, judge_slots
from controllers.reader import Reader
from diffusion.core.errors import StudioError, objection

READER = "slots"


@dataclass(frozen=True)
class Classifier(Controller):
    """The text says what these slots say; ``absent`` means that it does not speak of the slot.

    The same wish as a label, brought about in another way: the language model is told nothing, and a small network that reads which
    slots the belief speaks of pulls it. A matcher of words that took no part in it judges the finished text.
    """

    values: tuple[tuple[str, str], ...] = knob((), unit="slot:value", about="what to say; absent: do not speak of it")
    ids: tuple[int, ...] = ()
    labels: str = ""         # fingerprint
    vocab: str = ""          # fingerprint

    slug: ClassVar[str] = "classifier"
    title: ClassVar[str] = "Class by classifier"
    example: ClassVar[str] = "food:Italian"
    has_strength: ClassVar[bool] = True
    nats: ClassVar[float] = 4.0
    editor: ClassVar[str] = "slots"

    def __post_init__(self) -> None:
        if not self.values or not self.ids:
            raise StudioError("A class needs slots and the model's label set. Make it with Classifier.parse(text, context).")

    @classmethod
    def parse(cls, text: str, context: Context) -> Classifier:
        """``slot:value,slot:value``; values may hold spaces.

        Raises:
            StudioError: the text is not of that form, names an unknown slot or value, or gives a slot two values.
        """
        told = Label.parse(text, context)
        return cls(told.values, told.ids, told.labels, told.vocab)

    @classmethod
    def choices(cls, context: Context) -> dict[str, tuple[str, ...]]:
        """The slots, each with its values and `absent`."""
        return Label.choices(context)

    @classmethod
    def lacks(cls, context: Context) -> str | None:
        """The reader must be there and be made for the model's words and labels."""
        return objection(lambda: Reader.load(READER).fits(context, cls.slug))

    @property
    def target(self) -> str:
        """``slot:value,slot:value`` in the order of the label set."""
        return ",".join(f"{slot}:{value}" for slot, value in self.values)

    def fits(self, context: Context) -> None:
        """Checks that class and reader were made for the model's words and labels.

        Raises:
            StudioError: they were not; both fingerprints are named.
        """
        made_for(self, "labels", self.labels, context.labels.fingerprint)
        made_for(self, "vocabulary", self.vocab, context.vocab.fingerprint)
        Reader.load(READER).fits(context, str(self))

    def claims(self) -> Mapping[str, str]:
        """The values of the slots."""
        return dict(self.values)

    def wish(self, logits: Tensor) -> Tensor:
        """The direction in which the reader sees the values, which ends where it sees them."""
        return ascent(self.log_prob, logits)

    def log_prob(self, probs: Tensor) -> Tensor:
        """Sum over the slots of the reader's log p(value | belief), (B, L, V) -> (B,)."""
        reader = Reader.for_beliefs(READER, probs)
        groups = reader.groups(reader(probs))
        told = [(slot, index - 1) for slot, index in enumerate(self.ids) if index > 0]        # label ids: 0 is unknown, 1 absent
        return torch.stack([torch.log_softmax(groups[slot], -1)[:, value] for slot, value in told]).sum(0)

    def score(self, words: list[str]) -> Score:
        """The share of the given slots that the frozen slot matcher finds in the text; the missed ones are named."""
        found, missed, unjudged = judge_slots(self.values, words)
        count = len(found) + len(missed)
        detail = f"missed {', '.join(missed)}" if missed else f"found {count} of {count}"
        detail += f"; the matcher does not know {', '.join(unjudged)}" if unjudged else ""
        return Score(len(found) / count if count else 0.0, detail, {"kind": "slots", "said": found, "missed": missed})
