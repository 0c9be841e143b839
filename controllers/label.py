"""Label: the text says the given values of slots, by conditioning the model on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controllers.base import Context, Controller, Score, knob, made_for
from controllers.matchers import slot_matcher
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.types import Request
from diffusion.text.vocab import SPECIALS, Vocabulary, split

Group = tuple[int, ...]  # ids of words any of which will do: the spellings of one word
_KIDS = "family families kid kids child children"
_NOT = "not no non never isn aren doesn adult adults"
# Values that a text does not say in their own words; each string is a group of words any of which will do.
_SAID = {("familyFriendly", "yes"): (_KIDS,), ("familyFriendly", "no"): (_KIDS, _NOT)}
TINY = 1e-30             # smallest probability whose logarithm is taken


@dataclass(frozen=True, slots=True)
class Cue:
    """What to look for in a belief: groups that should all occur, or (`absent`) none of whose words should."""

    groups: tuple[Group, ...]
    absent: bool = False

    def log_prob(self, probs: Tensor) -> Tensor:
        """Mean over the groups of log(1 - prod_l (1 - p_l(group))), or for `absent` the log of the product, (B,)."""
        if self.absent:
            ids = sorted({index for group in self.groups for index in group})
            return _log_none(probs, ids)
        found = [torch.log(-torch.expm1(_log_none(probs, group)).clamp(max=-TINY)) for group in self.groups]
        return torch.stack(found).mean(0) if found else probs.new_zeros(len(probs))


@dataclass(frozen=True)
class Label(Controller):
    """The text says what these slots say; `absent` means that it does not speak of the slot. The other slots stay open.

    The model was trained with labels, so it is asked, not pushed: classifier-free guidance sharpens the answer (its
    scale is a setting of the run). A matcher of words judges the finished text and takes no part in writing it. The
    live curve is only a proxy: the belief's probability that the value's own words occur somewhere.
    """

    values: tuple[tuple[str, str], ...] = knob((), unit="slot:value", about="what to say; absent: do not speak of it")
    ids: tuple[int, ...] = ()
    cues: tuple[Cue, ...] = ()
    labels: str = ""         # fingerprint
    vocab: str = ""          # fingerprint

    slug: ClassVar[str] = "label"
    title: ClassVar[str] = "Label"
    example: ClassVar[str] = "food:Italian,area:riverside"
    editor: ClassVar[str] = "slots"

    def __post_init__(self) -> None:
        if not self.values or not self.ids:
            raise StudioError("A label needs slots and the model's label set. Make it with Label.parse(text, context).")

    @classmethod
    def parse(cls, text: str, context: Context) -> Label:
        """``slot:value,slot:value``; values may hold spaces.

        Raises:
            StudioError: the text is not of that form, names an unknown slot or value, or gives a slot two values.
        """
        ordered = slot_values(cls, text, context)
        ids = context.labels.encode(ordered, rest=0)
        cues = tuple(_cue(slot, value, context) for slot, value in ordered.items())
        prints = context.labels.fingerprint, context.vocab.fingerprint
        return cls(tuple(ordered.items()), tuple(ids.tolist()), cues, *prints)

    @classmethod
    def choices(cls, context: Context) -> dict[str, tuple[str, ...]]:
        """The slots, each with its values and `absent`."""
        return {slot: (*values, "absent") for slot, values in context.labels.slots.items()}

    @classmethod
    def lacks(cls, context: Context) -> str | None:
        """A model without slots cannot be asked."""
        return None if context.labels.slots else "This model was trained without labels, so it cannot be asked for one."

    @property
    def target(self) -> str:
        """``slot:value,slot:value`` in the order of the label set."""
        return ",".join(f"{slot}:{value}" for slot, value in self.values)

    def fits(self, context: Context) -> None:
        """Checks that the label was made for the model's slots and words.

        Raises:
            StudioError: it was not; both fingerprints are named.
        """
        made_for(self, "labels", self.labels, context.labels.fingerprint)
        made_for(self, "vocabulary", self.vocab, context.vocab.fingerprint)

    def request(self, request: Request) -> Request:
        """Asks for the values; other slots stay unknown."""
        return request.with_(label=torch.tensor(self.ids))

    def claims(self) -> Mapping[str, str]:
        """The values of the slots."""
        return dict(self.values)

    def log_prob(self, probs: Tensor) -> Tensor:
        """A proxy for live curves, (B,): the sum over the slots of how likely the value's own words are to occur.

        For each word of a value that the slot's other values lack, log(1 - prod_l (1 - p_l(word))), averaged over these
        words; spellings that differ in case count as one word. It knows neither word order nor paraphrases.
        """
        return torch.stack([cue.log_prob(probs) for cue in self.cues]).sum(0)

    def score(self, words: list[str]) -> Score:
        """The share of the given slots that the frozen slot matcher finds in the text; the missed ones are named."""
        return score_slots(self.values, words)


def slot_values(kind: type[Controller], text: str, context: Context) -> dict[str, str]:
    """Slots with their values, `absent` among them, from ``slot:value,slot:value``, in the order of the label set.

    Raises:
        StudioError: the text is not of that form, names an unknown slot or value, or gives a slot two values.
    """
    values: dict[str, str] = {}
    for part in text.split(","):
        slot, colon, value = (piece.strip() for piece in part.partition(":"))
        if not colon or not slot or not value:
            raise StudioError(f"'{part.strip()[:60]}' is not a slot with a value. Write {kind.slug}={kind.example}.")
        known_or_raise("slot", slot, context.labels.slots)
        known_or_raise(f"value for the slot '{slot}':", value, [*context.labels.slots[slot], "absent"])
        if values.setdefault(slot, value) != value:
            raise StudioError(f"The {kind.slug} gives the slot '{slot}' two values, '{values[slot]}' and '{value}'. Keep one.")
    return {slot: values[slot] for slot in context.labels.slots if slot in values}


def score_slots(values: Iterable[tuple[str, str]], words: Sequence[str]) -> Score:
    """The share of slots that the frozen matcher finds in a text; what it misses or cannot judge is named."""
    found, missed, unjudged = judge_slots(values, words)
    return Score(len(found) / max(len(found) + len(missed), 1), verdict(found, missed, unjudged),
                 {"kind": "slots", "said": found, "missed": missed})


def verdict(found: Sequence[str], missed: Sequence[str], unjudged: Sequence[str]) -> str:
    """What was found and missed, as the beginning of a sentence."""
    count = len(found) + len(missed)
    detail = f"missed {', '.join(missed)}" if missed else f"found {count} of {count}"
    return detail + (f"; the matcher does not know {', '.join(unjudged)}" if unjudged else "")


def judge_slots(values: Iterable[tuple[str, str]], words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """What the frozen matcher finds in a text, misses, and cannot judge, each as ``slot:value``."""
    text = " ".join(words)
    found, missed, unjudged = [], [], []
    for slot, value in values:
        if not _judged(slot, value):
            unjudged.append(f"{slot}:{value}")
        else:
            (found if _says(text, slot, value) else missed).append(f"{slot}:{value}")
    return found, missed, unjudged


def _judged(slot: str, value: str) -> bool:
    return value in (*slot_matcher.VALUES.get(slot, ()), "absent") and slot in slot_matcher.VALUES


def _says(text: str, slot: str, value: str) -> bool:
    """What the matcher reads; a slot is absent when no value of it is named."""
    if value == "absent":
        return not slot_matcher.named_values(text, slot)
    return slot_matcher.named(text, slot, value)


# ---- cues: the words by which a belief is read


def _cue(slot: str, value: str, context: Context) -> Cue:
    """The cue of one value; of `absent`, the cues of all values of the slot."""
    values = context.labels.slots[slot]
    if value != "absent":
        return Cue(_groups(slot, value, values, context.vocab))
    return Cue(tuple(group for each in values for group in _groups(slot, each, values, context.vocab)), absent=True)


def _groups(slot: str, value: str, values: Iterable[str], vocab: Vocabulary) -> tuple[Group, ...]:
    """Groups of ids for the words that tell a value from the slot's others; for all its words where none does."""
    if (slot, value) in _SAID:
        groups = [_spellings(said.split(), vocab) for said in _SAID[slot, value]]
    else:
        own = dict.fromkeys(split(value.casefold()))
        others = {word for other in values if other != value for word in split(other.casefold())}
        telling = [word for word in own if word not in others] or list(own)
        groups = [_spellings([word], vocab) for word in telling]
    return tuple(group for group in groups if group)


def _spellings(words: Sequence[str], vocab: Vocabulary) -> Group:
    """Ids of these words in any case."""
    wanted = {word.casefold() for word in words}
    known = enumerate(vocab.words[len(SPECIALS):], len(SPECIALS))
    return tuple(index for index, word in known if word.casefold() in wanted)


def _log_none(probs: Tensor, ids: Sequence[int]) -> Tensor:
    """log prod_l (1 - p_l(any of the words)), (B,)."""
    mass = probs[..., list(ids)].sum(-1)                                      # (B, L)
    return torch.log1p(-mass.clamp(max=1 - 1e-6)).sum(1)
