"""Constituency trees in Penn brackets, ``(S (NP (DT The) (NN pub)) (VP ...))``, and how far two of them agree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from diffusion.core.errors import StudioError

ROOT = "TOP"
ROOTS = frozenset({"TOP", "ROOT", "S1", "VROOT", ""})
PUNCTUATION = frozenset({",", ".", ":", "``", "''", "-LRB-", "-RRB-"})       # Penn tags
_ESCAPES = {"(": "-LRB-", ")": "-RRB-"}
_WORDS = {code: sign for sign, code in _ESCAPES.items()}
_PIECE = re.compile(r"[()]|[^\s()]+")


class Constituent(NamedTuple):
    """Words `start` to `stop` under one label; counted from 0, `stop` excluded."""

    start: int
    stop: int
    label: str


@dataclass(frozen=True, slots=True)
class Tree:
    """A node with its children, which are trees or words. A node without children stands for any words.

    Attributes:
        label: of a phrase, or the tag of the word that is the only child.
    """

    label: str
    children: tuple[Tree | str, ...] = ()

    def __str__(self) -> str:
        """The tree in brackets on one line; brackets among the words are written ``-LRB-`` and ``-RRB-``."""
        parts = [_ESCAPES.get(child, child) if isinstance(child, str) else str(child) for child in self.children]
        return f"({' '.join([self.label, *parts] if self.label else parts)})"

    @property
    def is_tag(self) -> bool:
        """Whether this is the tag of one word."""
        return len(self.children) == 1 and isinstance(self.children[0], str)

    def words(self) -> list[str]:
        """The words from left to right."""
        parts = ([child] if isinstance(child, str) else child.words() for child in self.children)
        return [word for part in parts for word in part]

    def tags(self) -> list[str]:
        """The tag of every word, the label above it; a word that stands beside others has its phrase's."""
        parts = ([self.label] if isinstance(child, str) else child.tags() for child in self.children)
        return [tag for part in parts for tag in part]

    def with_leaves(self, leaves: Iterable[tuple[str, str]]) -> Tree:
        """The same phrases over other words and tags, given as (word, tag); as many as the tree has words."""
        return self._with(iter(leaves))

    def _with(self, leaves: Iterator[tuple[str, str]]) -> Tree:
        if self.is_tag:
            word, tag = next(leaves)
            return Tree(tag, (word,))
        return Tree(self.label, tuple(_replaced(child, leaves) for child in self.children))

    def constituents(self) -> list[Constituent]:
        """All phrases, outer before inner; tags of words and the root are none of them."""
        found: list[Constituent] = []
        self._collect(0, found)
        return found

    def _collect(self, start: int, found: list[Constituent]) -> int:
        if self.is_tag:
            return start + 1
        place, stop = len(found), start
        for child in self.children:
            stop = stop + 1 if isinstance(child, str) else child._collect(stop, found)
        if self.label not in ROOTS:
            found.insert(place, Constituent(start, stop, self.label))
        return stop


def _replaced(child: Tree | str, leaves: Iterator[tuple[str, str]]) -> Tree | str:
    return next(leaves)[0] if isinstance(child, str) else child._with(leaves)


def join(trees: Sequence[Tree]) -> Tree:
    """Trees of several sentences under one root, whose own roots are taken away: ``(TOP (S ...) (S ...))``."""
    parts: list[Tree | str] = []
    for tree in trees:
        parts += tree.children if tree.label in ROOTS else (tree,)
    return Tree(ROOT, tuple(parts))


def read(text: str) -> Tree:
    """The tree that is written in brackets.

    Raises:
        StudioError: brackets do not balance, a label is missing, or something follows; the position is named.
    """
    open_nodes: list[tuple[int, list[str], list[Tree | str]]] = []
    root: Tree | None = None
    for match in _PIECE.finditer(text):
        piece, position = match.group(), match.start() + 1
        if root is not None or (not open_nodes and piece != "("):
            raise StudioError(f"The tree has '{piece}' at character {position} outside its outermost brackets. "
                              f"Write one tree in brackets: (S (NP) (VP)).")
        if piece == "(":
            open_nodes.append((position, [], []))
        elif piece == ")":
            begun, label, children = open_nodes.pop()
            if not label and not (children and not open_nodes):
                raise StudioError(f"The bracket at character {begun} of the tree has no label. Write one after it: (NP).")
            node = Tree("".join(label), tuple(children))
            if open_nodes:
                open_nodes[-1][2].append(node)
            else:
                root = node
        else:
            _, label, children = open_nodes[-1]
            if label or children:
                children.append(_WORDS.get(piece, piece))
            else:
                label.append(piece)
    if open_nodes:
        raise StudioError(f"The tree opens a bracket at character {open_nodes[-1][0]} that is never closed. Add ')'.")
    if root is None:
        raise StudioError("The tree is empty. Write one in brackets: (S (NP) (VP)).")
    return root


@dataclass(frozen=True, slots=True)
class Brackets:
    """Counts of labelled brackets: in both trees, in the wanted tree, in the found one. Counts add up over sentences."""

    both: int = 0
    wanted: int = 0
    found: int = 0

    def __add__(self, other: Brackets) -> Brackets:
        return Brackets(self.both + other.both, self.wanted + other.wanted, self.found + other.found)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, in [0, 1]; 1 where neither tree has a bracket."""
        return 2 * self.both / (self.wanted + self.found) if self.wanted + self.found else 1.0


def compare(wanted: Tree, found: Tree, drop: Collection[int] = ()) -> Brackets:
    """Counts the labelled brackets that two trees share, as EVALB does: the root and the tags of words are not counted.

    Args:
        drop: positions of words that are left out of both trees, as punctuation is.
    """
    first, second = (Counter(_without(tree.constituents(), frozenset(drop))) for tree in (wanted, found))
    return Brackets((first & second).total(), first.total(), second.total())


def punctuation(tags: Iterable[str]) -> list[int]:
    """The positions of punctuation among Penn tags."""
    return [index for index, tag in enumerate(tags) if tag in PUNCTUATION]


def _without(constituents: Iterable[Constituent], drop: frozenset[int]) -> Iterator[Constituent]:
    """Constituents counted over the words that stay; those that lose all their words go."""
    for start, stop, label in constituents:
        first = start - sum(index < start for index in drop)
        last = stop - sum(index < stop for index in drop)
        if last > first:
            yield Constituent(first, last, label)
