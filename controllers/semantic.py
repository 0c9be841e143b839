"""Semantic content: the text says given values of slots, and given words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controllers import phrases
from controllers.base import Context, Controller, Score, knob, made_for
from controllers.gradient import ascent
from controllers.label import judge_slots, verdict
from controllers.phrases import Ways
from controllers.probes.noisy import NoisyReader
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.text.vocab import split

WORD = "word"            # names free words among the slots
_LONG = 60               # letters of a word that is looked up; comparing longer ones with all known words takes too long


@dataclass(frozen=True)
class Semantic(Controller):
    """The text says these values of slots, or has these words in it: ``food:Japanese``, ``word:cheap``, several with commas.

    No model is asked: the belief is pulled towards a way of saying each value, at the place where it is nearest to being
    said, until it is said. The ways were found in training rows. A matcher of words that had no part in it judges slots;
    words count where they stand in the text, in any case.
    """

    values: tuple[tuple[str, str], ...] = knob((), unit="slot:value", about="what to say; word:… for words that must appear")
    ways: tuple[Ways, ...] = ()
    labels: str = ""         # fingerprint
    vocab: str = ""          # fingerprint

    slug: ClassVar[str] = "semantic"
    title: ClassVar[str] = "Semantic content"
    example: ClassVar[str] = "food:Japanese,area:riverside"
    has_strength: ClassVar[bool] = True
    noisy: ClassVar[bool] = True
    nats: ClassVar[float] = 12.0
    editor: ClassVar[str] = "slots"
    free_words: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.values or len(self.values) != len(self.ways):
            raise StudioError("Semantic content needs slots or words, and a vocabulary to say them with. "
                              "Make it with Semantic.parse(text, context).")

    @classmethod
    def parse(cls, text: str, context: Context) -> Semantic:
        """``slot:value,slot:value,word:some words``; values may hold spaces.

        Raises:
            StudioError: the text is not of that form, names an unknown slot, value or word, or gives a slot two values.
        """
        values = [_pair(part, context) for part in text.split(",")]
        for index, (slot, value) in enumerate(values):
            other = next((earlier for name, earlier in values[:index] if name == slot != WORD and earlier != value), None)
            if other is not None:
                raise StudioError(f"The content gives the slot '{slot}' two values, '{other}' and '{value}'. Keep one.")
        order = [*context.labels.slots, WORD]
        values = sorted(dict.fromkeys(values), key=lambda pair: order.index(pair[0]))
        ways = tuple(_ways(slot, value, context) for slot, value in values)
        return cls(tuple(values), ways, context.labels.fingerprint, context.vocab.fingerprint)

    @classmethod
    def choices(cls, context: Context) -> dict[str, tuple[str, ...]]:
        """The slots with their values."""
        return dict(context.labels.slots)

    @classmethod
    def lacks(cls, context: Context) -> str | None:
        """The table of phrases must be there."""
        return phrases.missing()

    @property
    def target(self) -> str:
        """``slot:value,slot:value`` in the order of the label set, then the words."""
        return ",".join(f"{slot}:{value}" for slot, value in self.values)

    def fits(self, context: Context) -> None:
        """Checks that the ways are written in the model's words.

        Raises:
            StudioError: they are not; both fingerprints are named.
        """
        made_for(self, "labels", self.labels, context.labels.fingerprint)
        made_for(self, "vocabulary", self.vocab, context.vocab.fingerprint)

    def claims(self) -> Mapping[str, str]:
        """The values of the slots, not the words."""
        return {slot: value for slot, value in self.values if slot != WORD}

    def impossible(self, allowed: Tensor) -> str | None:
        """The first value or word that has no place under a mask (L, V) or (B, L, V)."""
        for (_, value), ways in zip(self.values, self.ways, strict=True):
            if not phrases.fits_somewhere(ways, allowed):
                return value
        return None

    # ---- steering

    def wish(self, logits: Tensor) -> Tensor:
        """For each value, the direction in which it is said at its nearest place, times the chance that it is not said yet.

        So the pull ends when the value is said, and it is not said twice.
        """
        probs = logits.softmax(-1)
        total = torch.zeros_like(logits)
        for ways in self.ways:
            unsaid = -torch.expm1(phrases.log_said(ways, probs))                              # (B,)
            total += unsaid[:, None, None] * ascent(lambda belief, ways=ways: phrases.nearest_said(ways, belief), logits)
        return total.clamp(-1, 1)

    def log_prob(self, probs: Tensor) -> Tensor:
        """Log-probability (B,) that every value is said in one of its ways somewhere, under a belief (B, L, V).

        Positions are taken as independent, as a belief gives them, and so are places, ways and values:
        sum over values of log(1 - prod over ways and places l of (1 - prod_j p_{l + j}(w_j))).
        """
        return torch.stack([phrases.log_said(ways, probs) for ways in self.ways]).sum(0)

    def parted(self) -> tuple[Semantic | None, Semantic | None]:
        """The slots, and the free words."""
        pairs = list(zip(self.values, self.ways, strict=True))
        parts = [[pair for pair in pairs if (pair[0][0] == WORD) == free] for free in (False, True)]
        slots, words = (dataclasses.replace(self, values=tuple(value for value, _ in part), ways=tuple(way for _, way in part))
                        if part else None for part in parts)
        return slots, words

    def noisy_loss(self, reader: NoisyReader, features: Tensor) -> Tensor:
        """Mean over the slots of -log p(value)."""
        return reader.slots_lacking(features, self.values)

    # ---- judging

    def score(self, words: list[str]) -> Score:
        """The share of values that the frozen matcher finds and of words that stand in the text; the missed ones are named.

        The detail also tells how many stand there literally, which is how the paper (Li et al. 2022) counts.
        """
        found, missed, unjudged = judge_slots([pair for pair in self.values if pair[0] != WORD], words)
        for slot, value in self.values:
            if slot == WORD:
                (found if said_literally(words, value) else missed).append(f"{slot}:{value}")
        literally = sum(said_literally(words, value) for _, value in self.values)
        detail = f"{verdict(found, missed, unjudged)}; {literally} of {len(self.values)} literally"
        return Score(len(found) / max(len(found) + len(missed), 1), detail, {"kind": "slots", "said": found, "missed": missed})


def said_literally(words: Sequence[str], value: str) -> bool:
    """Whether a value stands in a text word for word, in any case: the paper's own test, which knows no paraphrase."""
    wanted, text = [word.casefold() for word in split(value)], [word.casefold() for word in words]
    return any(text[start:start + len(wanted)] == wanted for start in range(len(text) - len(wanted) + 1))


def _pair(part: str, context: Context) -> tuple[str, str]:
    """A slot with its value, or `WORD` with words, from ``name:value``.

    Raises:
        StudioError: it is not of that form, or the slot or value is not known.
    """
    slot, colon, value = (piece.strip() for piece in part.partition(":"))
    if not colon or not slot or not value:
        raise StudioError(f"'{part.strip()[:60]}' is not a slot with a value. "
                          f"Write semantic={Semantic.example} or semantic=word:cheap.")
    if slot == WORD:
        return slot, " ".join(split(value))
    known_or_raise("slot", slot[:_LONG], [*context.labels.slots, WORD])
    if value == "absent":
        raise StudioError(f"Content is what a text says, so '{slot}:absent' is none. Write label={slot}:absent.")
    known_or_raise(f"value for the slot '{slot}':", value[:_LONG], context.labels.slots[slot])
    return slot, value


def _ways(slot: str, value: str, context: Context) -> Ways:
    if slot != WORD:
        return phrases.ways_of(slot, value, context)
    words = value.split()
    if len(words) >= context.length or max(map(len, words)) > _LONG:
        raise StudioError(f"'{value[:40]}…' has {len(words)} words of up to {max(map(len, words))} letters; words that must appear "
                          f"are at most {context.length - 1}, of at most {_LONG} letters. Shorten it.")
    return (phrases.way_of_words(words, context.vocab),)
