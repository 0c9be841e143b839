"""What a text says: eight slots of a restaurant description, each with its values, `absent` and `unknown`.

`absent` means that the text does not say it, `unknown` that the model is not told. A label is a row of eight value ids
``(8,)``; a batch is ``(B, 8)``. A sample is *free* when all slots are unknown.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from diffusion.core.errors import StudioError, known_or_raise

UNKNOWN, ABSENT = 0, 1
_PAIR = re.compile(r"([^,\[\]]+)\[([^\[\]]*)\]\s*(?:,|$)")      # linear in time, whatever the text


def parse_meaning(text: str) -> dict[str, str]:
    """Slots of a meaning representation in E2E's form, ``name[The Vaults], food[Italian]``.

    Raises:
        StudioError: the text is not of that form, or names a slot twice.
    """
    slots: dict[str, str] = {}
    position = 0
    while (match := _PAIR.match(text, position)) and (slot := match[1].strip()):
        if slot in slots:
            raise StudioError(f"The meaning representation names the slot '{slot}' twice: {text[:200]!r}.")
        slots[slot] = match[2].strip()
        position = match.end()
    if text[position:].strip():
        raise StudioError(f"Not a meaning representation: {text[:200]!r}. "
                          f"Write it like name[The Vaults], food[Italian].")
    return slots


class LabelSet:
    """The slots and their values, with a fingerprint.

    Args:
        slots: slot name to its values, without `absent` and `unknown`, which every slot has.
    """

    def __init__(self, slots: Mapping[str, Iterable[str]]) -> None:
        self.slots = {slot: tuple(values) for slot, values in slots.items()}
        self.ids = {slot: {value: index + 2 for index, value in enumerate(values)}
                    for slot, values in self.slots.items()}
        self.sizes = tuple(len(values) + 2 for values in self.slots.values())
        self.fingerprint = hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @classmethod
    def build(cls, meanings: Iterable[Mapping[str, str]]) -> LabelSet:
        """All slots and values seen, slots and values in alphabetical order."""
        seen: dict[str, set[str]] = {}
        for meaning in meanings:
            for slot, value in meaning.items():
                seen.setdefault(slot, set()).add(value)
        return cls({slot: sorted(seen[slot]) for slot in sorted(seen)})

    def free(self) -> Tensor:
        """The label ``(S,)`` with every slot unknown."""
        return torch.zeros(len(self.slots), dtype=torch.long)

    def encode(self, meaning: Mapping[str, str], rest: int = ABSENT) -> Tensor:
        """The label ``(S,)`` of a meaning; slots it does not name get `rest`.

        Raises:
            StudioError: a slot or value is not known; the nearest known are named.
        """
        label = torch.full((len(self.slots),), rest, dtype=torch.long)
        order = list(self.slots)
        for slot, value in meaning.items():
            known_or_raise("slot", slot, order)
            if value == "absent":
                label[order.index(slot)] = ABSENT
                continue
            known_or_raise(f"value for the slot '{slot}':", value, self.ids[slot])
            label[order.index(slot)] = self.ids[slot][value]
        return label

    def decode(self, label: Tensor) -> dict[str, str]:
        """Slots whose value is told, `absent` included."""
        told = {}
        for (slot, values), index in zip(self.slots.items(), label.tolist(), strict=True):
            if index != UNKNOWN:
                told[slot] = "absent" if index == ABSENT else values[index - 2]
        return told

    def to_json(self) -> str:
        """Slots and values as JSON: the whole definition."""
        return json.dumps({slot: list(values) for slot, values in self.slots.items()}, ensure_ascii=False, indent=0)

    @classmethod
    def load(cls, path: Path) -> LabelSet:
        """Reads `labels.json` of a checkpoint folder.

        Raises:
            StudioError: the file is missing or is not a JSON table of lists.
        """
        try:
            slots = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StudioError(f"'{path}' is not a readable label set ({error}). "
                              f"Use a checkpoint folder written by this project.") from error
        if not isinstance(slots, dict) or not all(isinstance(values, list) for values in slots.values()):
            raise StudioError(f"'{path}' must hold a JSON table from slots to lists of values.")
        return cls(slots)
