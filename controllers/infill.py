"""Infill: the text is a pattern of fixed words and blanks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controllers.base import Context, Controller, Score, knob, made_for
from controllers.layout import at_the_end, draw_sizes, inside
from diffusion.core.errors import StudioError, nearest
from diffusion.core.types import Request
from diffusion.text.vocab import END, PAD, SPECIALS, split

_BLANK = re.compile(r"_{3,}([0-9]{0,9})")
_HELD = 60               # longest word that is looked up; comparing longer ones with all known words takes too long
TINY = 1e-30             # smallest probability whose logarithm is taken
NEVER = -1e5             # log-probability of what cannot be: below 64 log TINY, and finite, so that gradients are too
ANY = -1                 # stands for the id of a word in a blank


@dataclass(frozen=True, slots=True)
class Piece:
    """A fixed word (id, one position), or a blank (id ANY): of `size` words, of any number where `size` is 0."""

    text: str
    id: int = ANY
    size: int = 1

    @property
    def open(self) -> bool:
        """Whether the number of words is free."""
        return self.size == 0


@dataclass(frozen=True)
class Infill(Controller):
    """The whole text follows a pattern: fixed words stand exactly where they are, the model fills the blanks.

    ``___`` is a blank of one word or more, ``___3`` of exactly three; punctuation marks are words. The text ends with
    the pattern, so end it with ``___`` to let it run on. How long an open blank becomes is drawn from the seed.
    """

    pattern: str = knob("The Vaults is a ___ near Café Rouge .", unit="words and blanks",
                        about="the text; ___ is any number of words, ___3 exactly three")
    pieces: tuple[Piece, ...] = ()
    vocab: str = ""          # fingerprint

    slug: ClassVar[str] = "infill"
    title: ClassVar[str] = "Infill"
    example: ClassVar[str] = "The Vaults is a ___ near Café Rouge ."
    masks: ClassVar[bool] = True
    repeats: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.pieces:
            raise StudioError("An infill needs a vocabulary to read its words with. "
                              "Make it with Infill.parse(text, context).")

    @classmethod
    def parse(cls, text: str, context: Context) -> Infill:
        """A pattern in natural or tokenised text.

        Raises:
            StudioError: it is empty, does not fit into the text, or has words that the model does not know.
        """
        words = split(text)
        if not words:
            raise StudioError("The infill is empty. Write a text with blanks, infill=The Vaults is a ___ .")
        if len(words) >= context.length:
            raise _too_long(len(words), context.length)
        pieces = tuple(_piece(word, context) for word in words)
        infill = cls(" ".join(words), pieces, context.vocab.fingerprint)
        infill.span(context.length)
        return infill

    @property
    def target(self) -> str:
        """The pattern, tokenised."""
        return self.pattern

    def fits(self, context: Context) -> None:
        """Checks that the pattern was written with the model's vocabulary.

        Raises:
            StudioError: it was not; both fingerprints are named.
        """
        made_for(self, "vocabulary", self.vocab, context.vocab.fingerprint)

    # ---- sizes

    def span(self, positions: int) -> tuple[int, int]:
        """Fewest and most words of a text that follows the pattern and fits with its END into the positions.

        Raises:
            StudioError: none does.
        """
        fewest = sum(max(piece.size, 1) for piece in self.pieces)
        if fewest >= positions:
            raise _too_long(fewest, positions)
        return fewest, positions - 1 if any(piece.open for piece in self.pieces) else fewest

    def request(self, request: Request) -> Request:
        """Asks for a number of words that the pattern can have.

        Raises:
            StudioError: the request has too few positions.
        """
        return request.with_(words=self.span(request.length))

    def sizes(self, request: Request) -> tuple[tuple[int, ...], ...]:
        """How many words each piece has, for each seed; depends on the seed, the pattern and `request.words` alone."""
        fewest, most = request.words or self.span(request.length)
        blanks = [index for index, piece in enumerate(self.pieces) if piece.open]
        if not blanks:
            return (tuple(piece.size for piece in self.pieces),) * len(request.seeds)
        fixed = sum(piece.size for piece in self.pieces)
        room = request.length - 1 - fixed
        weights = [inside(room)] * len(blanks)
        if blanks[-1] == len(self.pieces) - 1:
            weights[-1] = at_the_end(room, before=fixed + 4 * (len(blanks) - 1))
        rows = []
        for seed in request.seeds:
            drawn = dict(zip(blanks, draw_sizes(weights, max(fewest - fixed, 0), most - fixed, seed), strict=True))
            rows.append(tuple(drawn.get(index, piece.size) for index, piece in enumerate(self.pieces)))
        return tuple(rows)

    def pins(self, request: Request) -> Tensor:
        """Ids (B, L) of the fixed words, of END and of PAD behind it; ANY in the blanks.

        `request` is the one that all controllers had their part in, as a strategy's `request` gives it.
        """
        rows = torch.full((len(request.seeds), request.length), PAD)
        for row, sizes in zip(rows, self.sizes(request), strict=True):
            ids = [piece.id for piece, size in zip(self.pieces, sizes, strict=True) for _ in range(size)]
            row[: len(ids) + 1] = torch.tensor([*ids, END])
        return rows

    def pinned(self, request: Request) -> Tensor:
        """Where the pattern's fixed words stand, bool (B, L): for marking them in a picture."""
        return self.pins(request) >= len(SPECIALS)

    def allowed(self, context: Context, request: Request) -> Tensor:
        """(B, L, V): one word at a pin, any word in a blank, END behind the pattern, then PAD."""
        pins = self.pins(request)
        word = torch.ones(len(context.vocab), dtype=torch.bool)
        word[: len(SPECIALS)] = False
        mask = torch.zeros(*pins.shape, len(word), dtype=torch.bool).scatter_(2, pins.clamp(min=0)[..., None], True)
        mask[pins == ANY] = word
        return mask

    # ---- how well a belief or a text follows the pattern

    def log_prob(self, probs: Tensor) -> Tensor:
        """Log-probability (B,) that the text follows the pattern, blanks of any size, under a belief (B, L, V).

        Positions are taken as independent, as a belief gives them, and the probabilities of all sizes are added up, END
        behind the pattern included. That is exact unless a fixed word stands in a blank beside it too: such a text is
        counted once for each reading, so the sum is an upper bound then, cut at probability 1.
        Between two open blanks the pattern is rigid, so its words are scored at all places at once.
        """
        log_word = probs[..., END + 1:].sum(-1).clamp(min=TINY).log().double()               # (B, L)
        words = torch.cat([torch.zeros_like(log_word[:, :1]), log_word.cumsum(1)], 1)        # (B, L + 1), before l
        reached: Tensor | None = None                    # (B, L + 1): the pattern so far ends before position l
        segments = tuple(self._segments())
        for index, segment in enumerate(segments):
            ids = [*segment, END] if index == len(segments) - 1 else segment
            if reached is None:                          # the first segment stands at the beginning
                start = torch.full_like(words, NEVER)
                start[:, 0] = 0.0
            else:
                start = words + (reached - words).logcumsumexp(1)
            reached = _advance(start, _placed(probs, log_word, ids), len(ids))
        end = reached.logsumexp(1) if len(segments) > 1 else reached[:, len(segments[0]) + 1]
        return end.clamp(max=0).to(probs.dtype)

    def _segments(self) -> Iterator[list[int]]:
        """The pattern's rigid parts as ids, ANY in blanks; between two parts any number of words, none included.

        Blanks side by side are one: their words come first, then the free rest, so that a text has one reading.
        """
        ids: list[int] = []
        loose = False
        for piece in self.pieces:
            if loose and piece.id != ANY:
                yield ids
                ids, loose = [], False
            ids += [piece.id] * max(piece.size, 1)
            loose = loose or piece.open
        yield ids
        if loose:
            yield []

    def score(self, words: list[str]) -> Score:
        """1 when the words follow the pattern; otherwise a fixed word that is missing is named."""
        text = {piece.id: piece.text for piece in self.pieces}
        segments = [[None if index == ANY else text[index] for index in ids] for ids in self._segments()]
        if _follows(words, segments):
            return Score(1.0, "the text follows the pattern")
        rest = iter(words)
        missing = next((piece.text for piece in self.pieces if piece.id != ANY and piece.text not in rest), None)
        return Score(0.0, f"'{missing}' is missing" if missing else "the fixed words stand in other places")


def _piece(word: str, context: Context) -> Piece:
    """A token of the pattern: a blank or a word that the model knows."""
    blank = _BLANK.fullmatch(word)
    if blank is None:
        if len(word) > _HELD:
            raise StudioError(f"'{word[:20]}…' is a word of {len(word)} letters, which this model does not know. "
                              f"Use a shorter one.")
        if word in context.vocab.ids and word not in SPECIALS:
            return Piece(word, context.vocab.ids[word])
        hint = " A blank is written ___ or ___3." if "_" in word else ""
        known = context.vocab.words[len(SPECIALS):]
        raise StudioError(f"The infill's word '{word}' is not among the {len(known)} words this model knows. "
                          f"The nearest known: {nearest(word, known)}.{hint}")
    if not blank[1]:
        return Piece(word, size=0)
    size = int(blank[1])
    if not 1 <= size < context.length:
        raise StudioError(f"The blank '{word}' asks for {size} words; a blank has 1 to {context.length - 1}. "
                          f"Write ___3 for three words, ___ for any number.")
    return Piece(word, size=size)


def _too_long(words: int, positions: int) -> StudioError:
    return StudioError(f"The infill has at least {words} words; a text has at most {positions - 1}, "
                       f"punctuation marks counted. Shorten it.")


def _placed(probs: Tensor, log_word: Tensor, ids: Sequence[int]) -> Tensor:
    """Log-probability (B, L - n + 1) that the n ids stand from position l on, for every l; ANY is any word."""
    batch, length = log_word.shape
    count = max(length - len(ids) + 1, 0)
    total = log_word.new_zeros(batch, count)
    for offset, index in enumerate(ids):
        here = log_word if index == ANY else probs[..., index].clamp(min=TINY).log()
        total = total + here[:, offset: offset + count]
    return total


def _advance(start: Tensor, placed: Tensor, moved: int) -> Tensor:
    """From where a segment may start (B, L + 1) to where it may have ended, as far as it fits."""
    ended = torch.full_like(start, NEVER)
    ended[:, moved:] = start[:, : placed.shape[1]] + placed
    return ended


def _follows(words: Sequence[str], segments: Sequence[Sequence[str | None]]) -> bool:
    """Whether the words are the segments in order with anything in between, first at the start, last at the end.

    Each inner segment is taken at its first place, which leaves most room for the rest, so no other need be tried.
    """
    def stands(segment: Sequence[str | None], at: int) -> bool:
        here = words[at: at + len(segment)]
        return len(here) == len(segment) and all(want in (None, word) for want, word in zip(segment, here, strict=True))

    first, *inner = segments
    if not stands(first, 0):
        return False
    if not inner:
        return len(words) == len(first)
    position = len(first)
    for segment in inner[:-1]:
        places = range(position, len(words) - len(segment) + 1)
        found = next((at for at in places if stands(segment, at)), None)
        if found is None:
            return False
        position = found + len(segment)
    last = len(words) - len(inner[-1])
    return last >= position and stands(inner[-1], last)
