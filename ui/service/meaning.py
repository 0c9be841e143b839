"""A source as text and as one menu for each slot: two views of one thing. The text is what counts; menus rewrite it.

`name[Wildwood], food[French]` is a meaning representation, and menus show its values. Plain words are a source too, which no
menu can show; choosing from a menu then starts a meaning representation instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Slots = Mapping[str, Sequence[str]]


def told(text: str) -> dict[str, str]:
    """The slots that a text names with their values; none where it is plain words or cannot be read."""
    from diffusion.core.errors import StudioError
    from diffusion.text.labels import parse_meaning

    try:
        return parse_meaning(text)
    except StudioError:
        return {}


def menus(text: str, slots: Slots) -> dict[str, str]:
    """What the menus show for a text: the value of each slot that it names and that the menu has."""
    return {slot: value for slot, value in told(text).items() if value in slots.get(slot, ())}


def rewritten(text: str, slot: str, value: str, slots: Slots) -> str:
    """The text with a slot's value replaced, or left out where `value` is empty; everything else it names stays."""
    meaning = {**told(text), slot: value}
    order = [*slots, *(name for name in meaning if name not in slots)]
    return ", ".join(f"{name}[{meaning[name]}]" for name in order if meaning.get(name))
