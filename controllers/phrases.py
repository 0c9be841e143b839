"""Ways of saying the value of a slot, and how likely a belief says one of them.

The table of phrases was found in training rows (`python -m training phrases`); the frozen slot matcher, which judges
finished text, has no part in it. A value that the table does not know is said in its own words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from controllers.base import Context
from diffusion.core.errors import StudioError
from diffusion.text import domain
from diffusion.text.vocab import SPECIALS, Vocabulary, split

FOLDER = domain.bundled().probes / "semantic"
TABLE = "phrases.json"
TINY = 1e-30             # smallest probability whose logarithm is taken
_SURE = 1 - 1e-6         # largest probability of a place, so that the logarithm of its opposite is finite
_RARE = 1e-6             # below this, log(1 - prod (1 - P)) is log sum P to float32's precision
SHARPNESS = 3.0          # of the choice of a place to pull at; 1 spreads the pull as the belief is spread; 1 and 8 do as well
Group = tuple[int, ...]  # ids of words any of which will do: the spellings of one word


@dataclass(frozen=True, slots=True)
class Way:
    """One way of saying something: words one after the other, each in any of its spellings.

    Attributes:
        groups: ids that may stand at each of its positions.
        share: how much of the value's training texts say it in this way, in (0, 1].
    """

    groups: tuple[Group, ...]
    share: float = 1.0

    def placed(self, probs: Tensor) -> Tensor:
        """log prod_j p_{l + j}(w_j) at every place l, positions independent: (B, L, V) -> (B, L - k + 1)."""
        count = probs.shape[1] - len(self.groups) + 1
        if count < 1:
            return probs.new_full((len(probs), 1), len(self.groups) * math.log(TINY))
        said = [(probs[..., list(group)].sum(-1) + TINY).log() for group in self.groups]     # each (B, L)
        return torch.stack([word[:, start: start + count] for start, word in enumerate(said)]).sum(0)


Ways = tuple[Way, ...]


def log_said(ways: Sequence[Way], probs: Tensor) -> Tensor:
    """log(1 - prod (1 - P)) over all places and ways, P the probability that this way stands there, (B,)."""
    places = torch.cat([way.placed(probs) for way in ways], 1)                # (B, places of all ways)
    none = torch.log1p(-places.exp().clamp(max=_SURE)).sum(1)                 # log of the chance that none stands
    rare = none > -_RARE
    return torch.where(rare, places.logsumexp(1), (-torch.expm1(none.clamp(max=-_RARE / 2))).log()).clamp(max=0)


def nearest_said(ways: Sequence[Way], probs: Tensor) -> Tensor:
    """(1/b) log sum (share P)^b over places and ways, (B,): rises fastest where the thing is almost said already.

    With b = 1 and few chances it is `log_said`, whose pull is spread over all places while a belief is open, so that words
    would come up everywhere; a greater b (`SHARPNESS`) settles for one place.
    """
    places = torch.cat([way.placed(probs) + math.log(way.share) for way in ways], 1)
    return (SHARPNESS * places).logsumexp(1) / SHARPNESS


def fits_somewhere(ways: Sequence[Way], allowed: Tensor) -> bool:
    """Whether some way can stand somewhere in every text, by a mask of words (L, V) or (B, L, V)."""
    mask = (allowed if allowed.dim() == 3 else allowed[None]).float()
    places = torch.cat([way.placed(mask) for way in ways], 1)
    return bool((places > math.log(0.5)).any(1).all())


# ---- where ways come from


def ways_of(slot: str, value: str, context: Context) -> Ways:
    """How a value can be said with the words that a model knows: by the table, else in the value's own words.

    Raises:
        StudioError: the model lacks the words, or they do not fit into a text.
    """
    known = table().get(slot, {}).get(value, ())
    ways = [way for said, share in known if (way := _way(said.split(), context.vocab, share)) is not None]
    own = _way(split(value), context.vocab)
    ways = ways or ([own] if own is not None else [])
    ways = [way for way in ways if len(way.groups) < context.length]
    if not ways:
        raise StudioError(f"'{slot}:{value}' cannot be said in {context.length - 1} words or fewer of the "
                          f"{len(context.vocab) - len(SPECIALS)} that this model knows. Choose another value.")
    return tuple(ways)


def way_of_words(words: Sequence[str], vocab: Vocabulary) -> Way:
    """A phrase as it is, in any case.

    Raises:
        StudioError: the model does not know one of its words; the nearest known are named.
    """
    way = _way(words, vocab)
    if way is None:
        for word in words:
            if not _spellings(vocab).get(word.casefold()):
                vocab.id(word)                           # raises
        raise AssertionError("a way was refused although all its words are known")
    return way


def _way(words: Sequence[str], vocab: Vocabulary, share: float = 1.0) -> Way | None:
    """None where the vocabulary lacks a word."""
    groups = tuple(_spellings(vocab).get(word.casefold(), ()) for word in words)
    return Way(groups, share) if groups and all(groups) else None


@lru_cache(maxsize=8)
def _spellings(vocab: Vocabulary) -> dict[str, Group]:
    """Ids of every case-folded word."""
    found: dict[str, Group] = {}
    for index, word in enumerate(vocab.words[len(SPECIALS):], len(SPECIALS)):
        found[word.casefold()] = (*found.get(word.casefold(), ()), index)
    return found


def missing() -> str | None:
    """Why the table cannot be read, as a sentence; None where it can."""
    try:
        table()
    except StudioError as error:
        return str(error)
    return None


def table() -> dict[str, dict[str, list[tuple[str, float]]]]:
    """For each slot and value its phrases with their shares.

    Raises:
        StudioError: the file is missing or damaged; the command that makes it is named.
    """
    path = FOLDER / TABLE
    return _read(path, path.stat().st_mtime_ns if path.is_file() else 0)


@lru_cache(maxsize=4)
def _read(path: Path, stamp: int) -> dict[str, dict[str, list[tuple[str, float]]]]:
    try:
        slots: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["slots"]
        return {slot: {value: [(str(said), float(share)) for said, share in phrases] for value, phrases in values.items()}
                for slot, values in slots.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise StudioError(f"The ways of saying a value are not readable in '{path}' ({type(error).__name__}). Get the file with a "
                          f"full clone, or find them: python -m training phrases --data FOLDER --output {path.parent}.") from error
