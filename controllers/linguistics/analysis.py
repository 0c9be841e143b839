"""From a text to its sentences, their tags and their tree.

Half of the texts that the lab writes hold two sentences, and a treebank's tree holds one: a text is split, every sentence
is parsed by itself, and the parts are joined under one root, ``(TOP (S ...) (S ...))``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from controllers.linguistics.brackets import Tree, join
from controllers.linguistics.parser import Parser
from controllers.linguistics.tagger import Tagged, Tagger
from diffusion.core.errors import StudioError
from diffusion.text.vocab import split

_ENDS = frozenset(".!?")
_CLOSING = frozenset("\"')]”’»")
_TITLES = frozenset({"Mr", "Mrs", "Ms", "Dr", "St", "Prof", "vs", "No", "etc", "e", "g", "i"})


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analyser says of a text.

    Attributes:
        words: as `diffusion.text.vocab.split` has them; `universal` and `penn` hold a tag for each.
        sentences: (start, stop) of each sentence, counted in words from 0, `stop` excluded.
        tree: of the whole text, its leaves the words with their Penn tags; None where no tree was asked for.
    """

    words: tuple[str, ...]
    universal: tuple[str, ...]
    penn: tuple[str, ...]
    sentences: tuple[tuple[int, int], ...]
    tree: Tree | None


def starts(words: Sequence[str]) -> tuple[int, ...]:
    """The first word of each sentence, by the marks that end one.

    A mark ends a sentence unless it stands in a number (3.5) or after a title or an initial (St. John); quotation marks
    and brackets that close go with the sentence before.
    """
    found, index = [0], 0
    while index < len(words):
        if words[index] in _ENDS and not _inside(words, index):
            index += 1
            while index < len(words) and (words[index] in _ENDS or _closes(words, index, found[-1])):
                index += 1
            if index < len(words):
                found.append(index)
        else:
            index += 1
    return tuple(found) if words else ()


def _inside(words: Sequence[str], index: int) -> bool:
    """Whether the mark there ends no sentence."""
    before = words[index - 1] if index else ""
    after = words[index + 1] if index + 1 < len(words) else ""
    if words[index] != ".":
        return False
    number = before[-1:].isdigit() and after[:1].isdigit() and len(after) <= 2        # 3.5 and 20.99, not "of 5. 20-25"
    return number or before in _TITLES or (len(before) == 1 and before.isupper() and before != "I")


def _closes(words: Sequence[str], index: int, start: int) -> bool:
    """Whether a quotation mark or bracket belongs to the sentence before it: a straight one does if one is still open."""
    word = words[index]
    if word in {'"', "'"}:
        return list(words[start:index]).count(word) % 2 == 1
    return word in _CLOSING


class Analyser:
    """A tagger and a parser that are loaded when they are first needed.

    Args:
        role: the shipped pair to use: "labeller" or "judge".
        tagger: instead of the role's: a spaCy pipeline by name or folder.
        parser: instead of the role's: a benepar model by name or path.
    """

    def __init__(self, role: str = "labeller", tagger: str | Path | None = None, parser: str | Path | None = None) -> None:
        self.names = (tagger or role, parser or role)

    @cached_property
    def tagger(self) -> Tagger:
        """The tagger.

        Raises:
            StudioError: it is not there; the sentence says what to install.
        """
        return Tagger.load(self.names[0])

    @cached_property
    def parser(self) -> Parser:
        """The parser.

        Raises:
            StudioError: it is not there; the sentence says what to install.
        """
        return Parser.load(self.names[1])

    def analyse(self, text: str | Sequence[str], trees: bool = True) -> Analysis:
        """What is said of one text, or of the words of one.

        Raises:
            StudioError: the text has no word, or a sentence of it is too long for the parser.
        """
        return self.analyse_all([text], trees)[0]

    def analyse_all(self, texts: Sequence[str | Sequence[str]], trees: bool = True) -> list[Analysis]:
        """What is said of many texts; faster together than one by one.

        Args:
            trees: whether to parse; tags alone are some ten times faster.

        Raises:
            StudioError: as `analyse`.
        """
        rows = [split(text) if isinstance(text, str) else list(text) for text in texts]
        if not all(rows):
            raise StudioError("A text without words has no parts of speech and no tree. Type a sentence.")
        tagged = self.tagger.tag(rows)
        parts = [_bounds(row) for row in tagged]
        parsed = iter(self.parser.parse([row.words[start:stop] for row, bounds in zip(tagged, parts, strict=True)
                                         for start, stop in bounds]) if trees else ())
        found = []
        for row, bounds in zip(tagged, parts, strict=True):
            tree = None
            if trees:
                whole = join([next(parsed) for _ in bounds])
                tree = whole.with_leaves(zip(row.words, row.penn, strict=True))
            found.append(Analysis(row.words, row.universal, row.penn, bounds, tree))
        return found


def _bounds(row: Tagged) -> tuple[tuple[int, int], ...]:
    """Where each sentence begins and ends: by the pipeline where it finds sentences itself, else by our rule."""
    firsts = starts(row.words) if row.starts is None else row.starts
    return tuple(zip(firsts, (*firsts[1:], len(row.words)), strict=True))
