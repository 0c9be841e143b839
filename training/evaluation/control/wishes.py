"""What a target asks of a text, how it is written as a control, and how finished texts are scored against it.

Scores are those of Diffusion-LM's control table (Li et al. 2022, `control_gen/eval_control.py`), on texts that end at the
first END. A text is a tuple of words; all texts of one target are scored together, since brackets are counted over them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from controllers.linguistics.brackets import Brackets, Tree, compare
from controllers.linguistics.charts import chart
from controllers.matchers.slot_matcher import named
from controllers.tree import without_words
from diffusion.text.vocab import split
from training.evaluation.control.readings import Read, Words

FILL = "."               # stands in for the words that a short text lacks before it is parsed
NO_TAG = "PAD"           # stands for the tags that a short text lacks
NEAR = 2                 # words by which a length may be off in the paper's looser measure
SUCCESS, SUBSTRING, WITHIN = "success", "substring", f"within {NEAR}"
Scores = dict[str, float]


class Wish(ABC):
    """One thing that a target asks of a text.

    Attributes:
        part: its name in tables; `slug` that of the controller that brings it about.
        analysed: whether texts are scored by an analyser; `trees` whether it must parse them.
    """

    part: ClassVar[str]
    slug: ClassVar[str]
    analysed: ClassVar[bool] = False
    trees: ClassVar[bool] = False

    @property
    @abstractmethod
    def control(self) -> str:
        """The wish as a control on the command line."""

    def readings(self, texts: Sequence[Words]) -> list[Words]:
        """What an analyser has to read before texts are scored: the texts that have words, where it has to read any."""
        return [text for text in texts if text] if self.analysed else []

    @abstractmethod
    def score(self, texts: Sequence[Words], read: Read) -> Scores:
        """Figures in [0, 1] over all texts of one target, `SUCCESS` among them.

        Args:
            read: the analysis of what `readings` named.
        """


@dataclass(frozen=True, slots=True)
class Value(Wish):
    """The text names a slot's value: by the frozen matcher, and by the paper's test whether the value stands in it."""

    slot: str
    value: str

    part: ClassVar[str] = "content"
    slug: ClassVar[str] = "semantic"

    @property
    def control(self) -> str:
        """``semantic=food:Italian``."""
        return f"{self.slug}={self.slot}:{self.value}"

    def score(self, texts: Sequence[Words], read: Read) -> Scores:
        """Shares of the texts that name the value, and that hold it as a substring, case and all."""
        value = " ".join(split(self.value))
        sentences = [" ".join(text) for text in texts]
        return {SUCCESS: _share(named(text, self.slot, self.value) for text in sentences),
                SUBSTRING: _share(value in text for text in sentences)}


class Class(Value):
    """The same, asked of the model by its label."""

    part: ClassVar[str] = "class"
    slug: ClassVar[str] = "label"


class Classifier(Value):
    """The same, brought about by a classifier of beliefs."""

    part: ClassVar[str] = "classifier"
    slug: ClassVar[str] = "classifier"


@dataclass(frozen=True, slots=True)
class Tags(Wish):
    """The words have these universal parts of speech."""

    tags: tuple[str, ...]

    part: ClassVar[str] = "pos"
    slug: ClassVar[str] = "pos"
    analysed: ClassVar[bool] = True

    @property
    def control(self) -> str:
        """``pos=DET NOUN VERB``."""
        return f"{self.slug}={' '.join(self.tags)}"

    def score(self, texts: Sequence[Words], read: Read) -> Scores:
        """The mean share of positions with the wanted tag; a text is cut or filled up to the wanted number of words."""
        found = ((*(read(text).universal if text else ()), *(NO_TAG,) * len(self.tags)) for text in texts)
        shares = [_share(one == other for one, other in zip(self.tags, tags, strict=False)) for tags in found]
        return {SUCCESS: sum(shares) / len(shares)}


@dataclass(frozen=True, slots=True)
class Shape(Wish):
    """The text has this tree, its words aside."""

    tree: Tree

    part: ClassVar[str] = "tree"
    slug: ClassVar[str] = "tree"
    analysed: ClassVar[bool] = True
    trees: ClassVar[bool] = True

    @property
    def control(self) -> str:
        """``tree=(S (NP (DT) (NN)) ...)``."""
        return f"{self.slug}={without_words(self.tree)}"

    def readings(self, texts: Sequence[Words]) -> list[Words]:
        """The texts, cut or filled up to the wanted number of words."""
        return [self._fitted(text) for text in texts]

    def _fitted(self, text: Words) -> Words:
        count = len(self.tree.words())
        return (*text[:count], *(FILL,) * (count - len(text)))

    def score(self, texts: Sequence[Words], read: Read) -> Scores:
        """F1 of labelled brackets, counted over all texts together, tags of words and the root left out as in EVALB."""
        counts = (compare(self.tree, read(self._fitted(text)).tree) for text in texts)
        return {SUCCESS: sum(counts, Brackets()).f1}


@dataclass(frozen=True, slots=True)
class Span(Wish):
    """Words `start` to `stop` (counted from 0, `stop` excluded) are a constituent; several labels of it stand outer first,
    joined by ``::``."""

    start: int
    stop: int
    label: str

    part: ClassVar[str] = "span"
    slug: ClassVar[str] = "span"
    analysed: ClassVar[bool] = True
    trees: ClassVar[bool] = True

    @property
    def control(self) -> str:
        """``span=PP@3-5``, words counted from 1 and both ends included."""
        return f"{self.slug}={self.label}@{self.start + 1}-{self.stop}"

    def score(self, texts: Sequence[Words], read: Read) -> Scores:
        """The share of the texts with this very constituent: the same words, all its labels and no others."""
        return {SUCCESS: _share(bool(text) and self in spans(read(text).tree) for text in texts)}


def spans(tree: Tree) -> list[Span]:
    """The constituents of a tree, those over the same words as one with their labels joined; outer before inner."""
    return [Span(first, last + 1, label) for (first, last), label in chart(tree).items()]


@dataclass(frozen=True, slots=True)
class Count(Wish):
    """The text has so many words."""

    words: int

    part: ClassVar[str] = "length"
    slug: ClassVar[str] = "length"

    @property
    def control(self) -> str:
        """``length=12``."""
        return f"{self.slug}={self.words}"

    def score(self, texts: Sequence[Words], read: Read) -> Scores:
        """Shares of the texts with exactly so many words, and with at most two more or fewer."""
        off = [abs(len(text) - self.words) for text in texts]
        return {SUCCESS: _share(each == 0 for each in off), WITHIN: _share(each <= NEAR for each in off)}


@dataclass(frozen=True, slots=True)
class Blank(Wish):
    """The text is this one, but for `size` words from `start` on, which are open."""

    words: Words
    start: int
    size: int

    part: ClassVar[str] = "infill"
    slug: ClassVar[str] = "infill"

    @property
    def control(self) -> str:
        """``infill=The Vaults is a ___3 .``"""
        return f"{self.slug}={' '.join([*self._before, f'___{self.size}', *self._behind])}"

    @property
    def _before(self) -> Words:
        return self.words[: self.start]

    @property
    def _behind(self) -> Words:
        return self.words[self.start + self.size:]

    def score(self, texts: Sequence[Words], read: Read) -> Scores:
        """The share of the texts in which every fixed word stands where it was, with nothing added."""
        return {SUCCESS: _share(len(text) == len(self.words) and text[: self.start] == self._before
                                and text[self.start + self.size:] == self._behind for text in texts)}


def _share(found: Iterable[bool]) -> float:
    values = list(found)
    return sum(values) / len(values)
