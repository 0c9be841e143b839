"""Targets drawn from human texts, with a fixed seed: every one is something that a person wrote.

Tags, trees and spans are the labeller's. Trees and spans come from texts of exactly one sentence, of 5 to 30 words, on whose
split both analysers agree; a span is never the whole text.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from controllers.linguistics.analysis import Analysis
from controllers.matchers.slot_matcher import VALUES, named
from diffusion.core.errors import StudioError
from diffusion.text.labels import parse_meaning
from diffusion.text.vocab import UNK, split
from training.evaluation.control.readings import JUDGE, LABELLER, Readings, Words
from training.evaluation.control.wishes import Blank, Class, Classifier, Count, Shape, Span, Tags, Value, Wish, spans
from training.evaluation.quality.measure import ROW_SEED, Human

SENTENCE = (5, 30)       # words of a text whose tree is a target
BLANKS = (3, 6)          # words of a blank
_AT_ONCE = 64            # texts that are analysed together while targets are looked for
Readers = Mapping[str, Readings]


@dataclass(frozen=True, slots=True)
class Target:
    """What a run is asked for.

    Attributes:
        wishes: one, or several that hold at once.
        words: the human text that the target was taken from; None where a target file does not tell it.
    """

    wishes: tuple[Wish, ...]
    words: Words | None

    @property
    def controls(self) -> list[str]:
        """The wishes as controls on the command line."""
        return [wish.control for wish in self.wishes]


def draw(control: str, rows: Sequence[Human], count: int, readers: Readers) -> list[Target]:
    """The first `count` targets of a kind of control; more of them begin with the same ones.

    Raises:
        StudioError: the rows do not hold as many.
    """
    found = list(itertools.islice(DRAWN[control](rows, readers), count))
    if len(found) < count:
        raise StudioError(f"{count} targets for '{control}' are wanted, but the {len(rows)} texts give only {len(found)}. "
                          f"Ask for at most that many with --targets, or give more data.")
    return found


def _words(row: Human) -> Words:
    return tuple(split(row.text))


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(ROW_SEED)


def _below(stop: int, generator: torch.Generator) -> int:
    """A whole number from 0 to `stop` - 1."""
    return int(torch.randint(stop, (), generator=generator))


# ---- what needs no analyser


def _values(kind: type[Value]) -> Callable[[Sequence[Human], Readers], Iterator[Target]]:
    """Targets of a slot's value each; the slots take turns, so that rare ones are measured as well as common ones."""
    def drawn(rows: Sequence[Human], readers: Readers) -> Iterator[Target]:
        turns = [_of_slot(rows[turn::len(VALUES)], slot, kind) for turn, slot in enumerate(VALUES)]     # no row twice
        return (target for each in itertools.zip_longest(*turns) for target in each if target is not None)
    return drawn


def _of_slot(rows: Iterable[Human], slot: str, kind: type[Value]) -> Iterator[Target]:
    for row in rows:
        value = parse_meaning(row.meaning).get(slot)
        if value in VALUES[slot]:
            yield Target((kind(slot, value),), _words(row))


def _lengths(rows: Sequence[Human], readers: Readers) -> Iterator[Target]:
    return (Target((Count(len(words)),), words) for words in map(_words, rows))


def _blanks(rows: Sequence[Human], readers: Readers) -> Iterator[Target]:
    """A blank of 3 to 6 words at a random place of each text whose words are all known."""
    generator = _generator()
    for row in rows:
        size = BLANKS[0] + _below(BLANKS[1] - BLANKS[0] + 1, generator)
        words = _words(row)
        if UNK not in row.words and len(words) > size + 1:
            yield Target((Blank(words, _below(len(words) - size + 1, generator), size),), words)


# ---- what the analysers read


def _tags(rows: Sequence[Human], readers: Readers) -> Iterator[Target]:
    return (Target((Tags(found.universal),), found.words) for _, found in _analysed(rows, readers))


def _trees(rows: Sequence[Human], readers: Readers) -> Iterator[Target]:
    return (Target((Shape(found.tree),), found.words) for _, found in _sentences(rows, readers))


def _spans(rows: Sequence[Human], readers: Readers) -> Iterator[Target]:
    """A constituent of each sentence, all equally likely."""
    generator = _generator()
    for _, found in _sentences(rows, readers):
        inner = [span for span in spans(found.tree) if (span.start, span.stop) != (0, len(found.words))]
        if inner:
            yield Target((inner[_below(len(inner), generator)],), found.words)


def _with_tags(rows: Sequence[Human], readers: Readers) -> Iterator[Target]:
    return _told(_analysed(rows, readers), lambda found: Tags(found.universal))


def _with_tree(rows: Sequence[Human], readers: Readers) -> Iterator[Target]:
    return _told(_sentences(rows, readers), lambda found: Shape(found.tree))


def _told(rows: Iterable[tuple[Human, Analysis]], wish: Callable[[Analysis], Wish]) -> Iterator[Target]:
    """A value that the text itself names, so that both wishes can hold at once, and a wish of its syntax."""
    generator = _generator()
    for row, found in rows:
        said = [(slot, value) for slot, value in parse_meaning(row.meaning).items()
                if value in VALUES.get(slot, ()) and named(row.text, slot, value)]
        if said:
            yield Target((Value(*said[_below(len(said), generator)]), wish(found)), found.words)


def _analysed(rows: Sequence[Human], readers: Readers) -> Iterator[tuple[Human, Analysis]]:
    """Rows with what the labeller says of their tags."""
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start:start + _AT_ONCE]
        yield from zip(part, readers[LABELLER].read(map(_words, part), trees=False), strict=True)


def _sentences(rows: Sequence[Human], readers: Readers) -> Iterator[tuple[Human, Analysis]]:
    """Rows of exactly one sentence for both analysers, with what the labeller says of them, tree and all."""
    fitting = [row for row in rows if SENTENCE[0] <= len(_words(row)) <= SENTENCE[1]]
    for start in range(0, len(fitting), _AT_ONCE):
        part = fitting[start:start + _AT_ONCE]
        words = [_words(row) for row in part]
        split_alike = zip(part, words, *(readers[role].read(words, trees=False) for role in (LABELLER, JUDGE)), strict=True)
        single = [(row, text) for row, text, one, other in split_alike
                  if len(one.sentences) == 1 and one.sentences == other.sentences]
        trees = readers[LABELLER].read([text for _, text in single], trees=True)
        yield from zip((row for row, _ in single), trees, strict=True)


DRAWN: dict[str, Callable[[Sequence[Human], Readers], Iterator[Target]]] = {
    "content": _values(Value), "pos": _tags, "tree": _trees, "span": _spans, "length": _lengths, "infill": _blanks,
    "class": _values(Class), "classifier": _values(Classifier), "content+pos": _with_tags, "content+tree": _with_tree,
}
PARTS: dict[str, tuple[type[Wish], ...]] = {
    "content": (Value,), "pos": (Tags,), "tree": (Shape,), "span": (Span,), "length": (Count,), "infill": (Blank,),
    "class": (Class,), "classifier": (Classifier,), "content+pos": (Value, Tags), "content+tree": (Value, Shape),
}
