"""Class by classifier: the text says the given values of slots, pulled by the gradient of a trained reader of slots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controllers.base import Context, Controller, Score, knob, made_for
from controllers.gradient import ascent
from controllers.label import score_slots, slot_values
from controllers.probes.noisy import NoisyReader
from controllers.probes.reader import Reader
from diffusion.core.errors import StudioError

NAME = "slots"           # of the reader


@dataclass(frozen=True)
class Classifier(Controller):
    """The text says what these slots say, `absent` for not speaking of the slot, by a classifier that reads the belief.

    The model is not asked, so this steers also one that knows no labels; the same target by `label` is classifier-free
    guidance, and the two can be compared. A matcher of words judges the finished text and takes no part in writing it.
    """

    values: tuple[tuple[str, str], ...] = knob((), unit="slot:value", about="what to say; absent: do not speak of it")
    labels: str = ""         # fingerprint
    vocab: str = ""          # fingerprint
    classes: tuple[int, ...] = ()            # ids of the values in a label, less one: `absent` is 0
    places: tuple[int, ...] = ()             # of the slots in a label

    slug: ClassVar[str] = "classifier"
    title: ClassVar[str] = "Class by classifier"
    example: ClassVar[str] = "food:Italian"
    has_strength: ClassVar[bool] = True
    noisy: ClassVar[bool] = True
    editor: ClassVar[str] = "slots"

    def __post_init__(self) -> None:
        if not self.values or len(self.values) != len(self.classes):
            raise StudioError("A class needs slots and the model's label set. Make it with Classifier.parse(text, context).")

    @classmethod
    def parse(cls, text: str, context: Context) -> Classifier:
        """``slot:value,slot:value``; values may hold spaces.

        Raises:
            StudioError: the text is not of that form, names an unknown slot or value, or gives a slot two values.
        """
        values = slot_values(cls, text, context)
        label, slots = context.labels.encode(values, rest=0).tolist(), list(context.labels.slots)
        places = tuple(slots.index(slot) for slot in values)
        return cls(tuple(values.items()), context.labels.fingerprint, context.vocab.fingerprint,
                   tuple(label[place] - 1 for place in places), places)

    @classmethod
    def choices(cls, context: Context) -> dict[str, tuple[str, ...]]:
        """The slots, each with its values and `absent`."""
        return {slot: (*values, "absent") for slot, values in context.labels.slots.items()}

    @classmethod
    def lacks(cls, context: Context) -> str | None:
        """There must be a reader of slots that was trained for the model's words and labels."""
        try:
            Reader.load(NAME).fits(context, cls.slug)
        except StudioError as error:
            return str(error)
        return None

    @property
    def target(self) -> str:
        """``slot:value,slot:value`` in the order of the label set."""
        return ",".join(f"{slot}:{value}" for slot, value in self.values)

    def fits(self, context: Context) -> None:
        """Checks that control and reader were made for the model's slots and words.

        Raises:
            StudioError: one was not (both fingerprints are named), or there is no reader.
        """
        made_for(self, "labels", self.labels, context.labels.fingerprint)
        made_for(self, "vocabulary", self.vocab, context.vocab.fingerprint)
        Reader.load(NAME).fits(context, str(self))

    def claims(self) -> Mapping[str, str]:
        """The values of the slots."""
        return dict(self.values)

    def wish(self, logits: Tensor) -> Tensor:
        """The direction in which the reader becomes surer of all values, times the chance that one is not said yet."""
        missed = -torch.expm1(self.log_prob(logits.softmax(-1)))              # (B,)
        return missed[:, None, None] * ascent(self.log_prob, logits)

    def log_prob(self, probs: Tensor) -> Tensor:
        """Sum over the slots of the reader's log-probability of the value, under a belief (B, L, V) -> (B,)."""
        reader = Reader.for_beliefs(NAME, probs)
        slots = reader.groups(reader(probs))
        found = [slots[place].log_softmax(-1)[:, value] for place, value in zip(self.places, self.classes, strict=True)]
        return torch.stack(found).sum(0)

    def noisy_loss(self, reader: NoisyReader, features: Tensor) -> Tensor:
        """Mean over the slots of -log p(value)."""
        return reader.slots_lacking(features, self.values)

    def score(self, words: list[str]) -> Score:
        """The share of the given slots that the frozen slot matcher finds in the text; the missed ones are named."""
        return score_slots(self.values, words)
