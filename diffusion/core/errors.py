"""The one exception that a person who uses the lab can cause."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


class StudioError(Exception):
    """A mistake in what the user handed us, written for the user: what arrived, the rule, the way out."""


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """Names the known words closest to `word`, as the tail of an error sentence."""
    known = sorted(known)
    found = difflib.get_close_matches(word, known, n=count, cutoff=0.4) or known[:8]
    return ", ".join(f"'{name}'" for name in found)


def known_or_raise(kind: str, word: str, known: Iterable[str]) -> str:
    """Returns `word` when it is known, otherwise raises with the nearest known ones.

    Raises:
        StudioError: `word` is not in `known`.
    """
    known = list(known)
    if word in known:
        return word
    raise StudioError(f"Unknown {kind} '{word}'. The nearest known: {nearest(word, known)}.")


def objection(work: Callable[[], object]) -> str | None:
    """The sentence that `work` raises; None where it goes through."""
    try:
        work()
    except StudioError as error:
        return str(error)
    return None
