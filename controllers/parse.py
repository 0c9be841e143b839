"""Controls as they are written on the command line and in links: ``length=10-14``, ``label=food:Italian@2``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from controllers.base import MAX_NATS, Context, Controlled, Controller
from diffusion.core.errors import StudioError, known_or_raise

MAX_CONTROLS, MAX_CHARACTERS = 16, 4000
_STRENGTH = re.compile(r"(.*)@\s*([+-]?[0-9][0-9.]{0,20})\s*", re.DOTALL)


def parse_control(text: str, context: Context, known: Mapping[str, type[Controller]]) -> Controlled:
    """The controller of one text ``slug=target`` or ``slug=target@strength``; only the first ``=`` parts.

    Raises:
        StudioError: the text is not of that form, or the control, its target or its strength is not possible.
    """
    if len(text) > MAX_CHARACTERS:
        raise StudioError(f"A control has at most {MAX_CHARACTERS} characters; '{text[:30]}…' has {len(text)}. "
                          f"Shorten it.")
    slug, equals, target = text.partition("=")
    slug = slug.strip()
    kind = known[known_or_raise("control", slug[:60], known)]
    if not equals or not target.strip():
        raise StudioError(f"The control '{slug}' needs a target. Write it like {slug}={kind.example}.")
    bare, strength = _parted(kind, target)
    if not strength:
        return Controlled(kind.parse(bare, context), kind.nats)
    if not kind.has_strength:
        raise StudioError(f"The control '{slug}' has no strength that could be set. Leave '@{strength}' out.")
    return Controlled(kind.parse(bare, context), _nats(strength))


def with_strength(text: str, nats: float, known: Mapping[str, type[Controller]]) -> str:
    """A control's text with this strength in nats in place of its own; as it was where its kind is unknown or has none."""
    slug, _, target = text.partition("=")
    kind = known.get(slug.strip())
    return f"{slug}={_parted(kind, target)[0]}@{nats:g}" if kind is not None and kind.has_strength else text


def _parted(kind: type[Controller], target: str) -> tuple[str, str]:
    """A target without its strength, and the strength, empty where none is written."""
    found = _STRENGTH.fullmatch(target)
    if found is None or (kind.at and "@" not in found[1]):
        return target.strip(), ""
    return found[1].strip(), found[2]


def _nats(text: str) -> float:
    """A strength in nats."""
    value = float(text) if text.count(".") <= 1 else -1.0
    if not 0 <= value <= MAX_NATS:
        raise StudioError(f"The strength '@{text}' is not possible; choose 0 to {MAX_NATS:g} nats, like @2.")
    return value


def parse_all(texts: Sequence[str], context: Context, known: Mapping[str, type[Controller]]) -> list[Controlled]:
    """The controllers of several texts, in their order.

    Raises:
        StudioError: there are too many, or one is not possible.
    """
    if len(texts) > MAX_CONTROLS:
        raise StudioError(f"{len(texts)} controls are too many; give at most {MAX_CONTROLS}.")
    return [parse_control(text, context, known) for text in texts]
