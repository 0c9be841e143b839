"""Syntax tree: the text has this constituency tree, given in brackets without words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from controllers.base import Context, Controller, Score, knob, made_for
from controllers.gradient import ascent
from controllers.length import Length
from controllers.linguistics import analysers, brackets
from controllers.linguistics.brackets import ROOTS, Tree
from controllers.linguistics.charts import CHAIN, chart
from controllers.linguistics.tagsets import OTHERWISE, PENN, USUAL_WORDS
from controllers.probes.noisy import NoisyReader
from controllers.probes.reader import Reader, closed
from diffusion.core.errors import StudioError, known_or_raise, objection
from diffusion.core.types import Request
from diffusion.text.vocab import END

READER = "chart"
ANY, WORD = "*", "·"
CONSTITUENT, NOTHING = 4.0, 1.0          # weights of spans that are phrases and of those that are none
TAG_SHARE, TAG_NATS = 0.5, 6.0           # a word that never has the tag is held back by this share of the strength
TINY = 1e-30


@dataclass(frozen=True)
class SyntaxTree(Controller):
    """The whole text has this syntax tree. A leaf is one word: a Penn tag, ``(DT)``, or ``(*)`` for any; ``(NP 3)`` is a phrase of
    three words, ``(NP)`` one of a usual size.

    A small network reads which words belong together in the belief, and pulls it towards the tree; a parser that took no part in it
    judges the finished text.
    """

    written: str = knob("", unit="brackets", about="Penn brackets without words: (S (NP (DT) (NN)) (VP 3) (.))")
    vocab: str = ""          # fingerprint

    slug: ClassVar[str] = "tree"
    title: ClassVar[str] = "Syntax tree"
    example: ClassVar[str] = "(S (NP 2) (VP (VBZ) (NP (DT) (JJ) (NN))) (.))"
    has_strength: ClassVar[bool] = True
    nats: ClassVar[float] = 8.0
    inner_steps: ClassVar[int] = 4
    masks: ClassVar[bool] = True
    noisy: ClassVar[bool] = True
    fluency: ClassVar[float] = 0.0005
    repeats: ClassVar[bool] = False
    editor: ClassVar[str] = "tree"
    reads_sentences: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.written:
            raise StudioError("A syntax tree needs brackets. Make it with SyntaxTree.parse(text, context).")

    @classmethod
    def parse(cls, text: str, context: Context) -> SyntaxTree:
        """Brackets, see the class.

        Raises:
            StudioError: brackets do not balance (the position is named), a label is unknown (the nearest are), or the tree has more
                words than a text.
        """
        tree = _filled(brackets.read(text), phrase_labels())
        if not tree.children or all(isinstance(child, str) for child in tree.children):
            raise StudioError(f"The tree '{text.strip()[:40]}' has no phrase. Write one with leaves, tree={cls.example}.")
        count = len(tree.words())
        if count >= context.length:
            raise StudioError(f"The tree has {count} words; a text has at most {context.length - 1}, punctuation marks counted. "
                              f"Make it smaller.")
        return cls(str(tree), context.vocab.fingerprint)

    @classmethod
    def of_sentence(cls, sentence: str, context: Context) -> str:
        """The sentence's tree with Penn tags and without words, by the labeller.

        Raises:
            StudioError: it has no word or too many, or the labeller is not there.
        """
        return cls.parse(without_words(analysers.of("labeller").analyse(sentence).tree), context).target

    @classmethod
    def lacks(cls, context: Context) -> str | None:
        """The reader must be there and be made for the model's words."""
        return objection(lambda: Reader.load(READER).fits(context, cls.slug))

    @property
    def tree(self) -> Tree:
        """The tree, a placeholder for every word."""
        return _read(self.written)

    @property
    def target(self) -> str:
        """The brackets, every leaf one word."""
        return without_words(self.tree)

    @property
    def count(self) -> int:
        """Words of the text."""
        return len(self.tree.words())

    def fits(self, context: Context) -> None:
        """Checks that tree and reader were made for the model's words.

        Raises:
            StudioError: they were not; both fingerprints are named.
        """
        made_for(self, "vocabulary", self.vocab, context.vocab.fingerprint)
        Reader.load(READER).fits(context, str(self))

    def request(self, request: Request) -> Request:
        """Asks for as many words as the tree has leaves.

        Raises:
            StudioError: the request has too few positions.
        """
        return Length(self.count, self.count).request(request)

    def allowed(self, context: Context, request: Request) -> Tensor:
        """(L, V): words up to the tree's last, then END."""
        return Length(self.count, self.count).allowed(context, request)

    # ---- steering

    def wish(self, logits: Tensor) -> Tensor:
        """The direction in which the reader sees the tree, plus for each leaf with a tag log p(tag | word), held within [-1, 0]."""
        wish = ascent(self._weighted, logits)
        columns = self._tag_columns()
        if columns:
            places, ids = zip(*columns, strict=True)
            held = (Reader.for_beliefs(READER, logits).lexicon[:, list(ids)].T / TAG_NATS).clamp(-1, 0)      # (n, V)
            held[:, : END + 1] = 0
            wish[:, list(places)] += TAG_SHARE * held
        return wish

    def log_prob(self, probs: Tensor) -> Tensor:
        """Log-probability (B,) that every phrase of the tree is there, by the reader of a belief (B, L, V), given the number of
        words; phrases are taken as independent."""
        chances, wanted = self._spans(probs)
        return chances[:, wanted > 0].sum(-1)

    def noisy_loss(self, reader: NoisyReader, features: Tensor) -> Tensor:
        """Mean over all spans of the tree's words of -log p(its label, or none)."""
        first, last, wanted = _targets(self.tree, reader.config.chart[0])
        return -reader.spans(features, first, last)[:, torch.arange(len(wanted)), wanted].mean(-1)

    def _weighted(self, probs: Tensor) -> Tensor:
        chances, wanted = self._spans(probs)
        weights = torch.where(wanted > 0, CONSTITUENT, NOTHING).to(chances)
        return (chances * weights).sum(-1) / weights.sum()

    def _spans(self, probs: Tensor) -> tuple[Tensor, Tensor]:
        """log p(the wanted label) of every span (B, S), and the wanted classes (S,), 0 for none."""
        reader = Reader.for_beliefs(READER, probs)
        first, last, wanted = _targets(self.tree, reader.config.classes[0])
        features, _ = reader.features(closed(probs, self.count))              # the number of words is the tree's own
        chances = torch.log_softmax(reader.head.spans(features, first, last), -1)             # (B, S, C)
        return chances.gather(-1, wanted.expand(len(probs), -1)[..., None])[..., 0], wanted

    def _tag_columns(self) -> list[tuple[int, int]]:
        """Positions of leaves with a tag that the reader's lexicon counts, and its column."""
        lexicon = Reader.load(READER).config.lexicon
        return [(place, lexicon.index(tag)) for place, tag in enumerate(self.tree.tags()) if tag in lexicon]

    # ---- judging

    def score(self, words: list[str]) -> Score:
        """Labelled bracket F1 against the judge's tree, punctuation and root not counted."""
        return self.score_all([words])[0]

    def score_all(self, texts: Sequence[list[str]], analyser: str = "judge") -> list[Score]:
        """The scores of many texts, parsed together."""
        return [self._scored(analysis.tree if analysis else None) for analysis in analysers.analyses(texts, analyser, trees=True)]

    def _scored(self, found: Tree | None) -> Score:
        if found is None:
            return Score(0.0, "there is no text")
        counts = self.counts(found)
        wanted, there = (set(chart(tree).items()) for tree in (self.tree, found))
        missing = [f"{label} at {first + 1}-{last + 1}" for (first, last), label in sorted(wanted - there)]
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        detail = f"{counts.both} of {counts.wanted} phrases" + (f"; missing {shown}" if missing else "")
        return Score(counts.f1, detail, {"kind": "tree", "wanted": self.target, "found": str(found)})

    def counts(self, found: Tree) -> brackets.Brackets:
        """Brackets that the tree shares with another one."""
        return brackets.compare(self.tree, found, brackets.punctuation(self.tree.tags()))


def without_words(tree: Tree) -> str:
    """Brackets with tags for leaves: ``(S (NP (DT) (NN)) (VP (VBZ)))``."""
    parts = ["" if isinstance(child, str) else f" {without_words(child)}" for child in tree.children]
    return f"({tree.label}{''.join(parts)})"


def phrase_labels() -> tuple[str, ...]:
    """Labels of phrases that the reader tells apart.

    Raises:
        StudioError: the reader is not there.
    """
    classes = Reader.load(READER).config.classes[0]
    return tuple(sorted({label for name in classes if name for label in name.split(CHAIN)}))


def _filled(tree: Tree, labels: Sequence[str], outermost: bool = True) -> Tree:
    """The tree with a placeholder for every word.

    Raises:
        StudioError: a label is unknown, or a number of words is not possible; it is named.
    """
    label = tree.label if outermost and tree.label in ROOTS else known_or_raise("label of the tree", tree.label[:40],
                                                                                 (*labels, *PENN, ANY))
    if label in (*PENN, ANY) and (not tree.children or tree.is_tag):
        return Tree(label, (WORD,))
    if tree.is_tag or not tree.children:
        return Tree(label, (Tree(ANY, (WORD,)),) * _size(label, tree.children))
    words = next((child for child in tree.children if isinstance(child, str)), None)
    if words is not None:
        raise StudioError(f"The tree has the word '{words[:30]}' beside phrases. Leaves are tags in brackets of their own, (DT), "
                          f"or a phrase with a number of words, (NP 3).")
    return Tree(label, tuple(_filled(child, labels, False) for child in tree.children if isinstance(child, Tree)))


def _size(label: str, children: tuple[Tree | str, ...]) -> int:
    if not children:
        return USUAL_WORDS.get(label, OTHERWISE)
    text = str(children[0])
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 99:
        raise StudioError(f"'{text[:30]}' under {label} is no number of words from 1 to 99. Write the tree without words, "
                          f"({label} 3).")
    return int(text)


@lru_cache(maxsize=256)
def _read(written: str) -> Tree:
    return brackets.read(written)


@lru_cache(maxsize=64)
def _targets(tree: Tree, classes: tuple[str, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """First and last word of every span (S,) of the tree's words, and the class that it should have; a chain that the reader does
    not know counts as the longest part of it that it knows."""
    ids = {name: index for index, name in enumerate(classes)}
    count = len(tree.words())
    first, last = torch.triu_indices(count, count)
    wanted = torch.zeros(count, count, dtype=torch.long)
    for (begin, end), label in chart(tree).items():
        known = [part for part in _parts(label) if part in ids]
        wanted[begin, end] = ids[known[0]] if known else 0
    return first, last, wanted[first, last]


def _parts(label: str) -> list[str]:
    """A chain and its connected parts, longest first."""
    names = label.split(CHAIN)
    spans = [(start, stop) for start in range(len(names)) for stop in range(start + 1, len(names) + 1)]
    return [CHAIN.join(names[start:stop]) for start, stop in sorted(spans, key=lambda span: span[0] - span[1])]

