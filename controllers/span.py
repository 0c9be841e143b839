"""Span: these words of the text are a phrase of this kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controllers.base import Context, Controller, Score, knob, made_for
from controllers.gradient import ascent
from controllers.length import Length
from controllers.linguistics import analysers
from controllers.linguistics.brackets import Tree
from controllers.linguistics.charts import CHAIN, chart
from controllers.probes.noisy import NoisyReader
from controllers.probes.reader import Reader
from controllers.tree import READER, TINY, phrase_labels
from diffusion.core.errors import StudioError, known_or_raise, objection
from diffusion.core.types import Request

_FORM = re.compile(r"\s*([A-Za-z:]+)\s*@\s*([0-9]{1,4})\s*(?:-\s*([0-9]{1,4}))?\s*")


@dataclass(frozen=True)
class Span(Controller):
    """The words from one place to another are a phrase: ``PP@3-5`` is a prepositional phrase from the third word to the fifth.

    Words are counted from 1, punctuation marks too, both ends belong to the phrase; the rest of the text is free. ``S::VP@3-5`` is
    a sentence that is nothing but a verb phrase. A parser that took no part in steering judges the finished text.
    """

    label: str = knob("", unit="label", about="kind of phrase: NP, VP, PP, ADJP, S …")
    first: int = knob(1, 1, 999, unit="word", about="where the phrase begins, counted from 1")
    last: int = knob(1, 1, 999, unit="word", about="where it ends")
    vocab: str = ""          # fingerprint

    slug: ClassVar[str] = "span"
    title: ClassVar[str] = "Span"
    example: ClassVar[str] = "PP@5-7"
    has_strength: ClassVar[bool] = True
    nats: ClassVar[float] = 10.0
    inner_steps: ClassVar[int] = 4
    masks: ClassVar[bool] = True
    noisy: ClassVar[bool] = True
    fluency: ClassVar[float] = 0.1
    reads_sentences: ClassVar[bool] = True
    at: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.label:
            raise StudioError("A span needs a label and words. Make it with Span.parse(text, context).")

    @classmethod
    def parse(cls, text: str, context: Context) -> Span:
        """``PP@3-5``, or ``NP@4`` for one word.

        Raises:
            StudioError: the text is not of that form, the label is unknown (the nearest are named), or the text has no such words.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise StudioError(f"'{text.strip()[:40]}' is no span. Write a label and the words it covers, span={cls.example}.")
        label = CHAIN.join(known_or_raise("label of a span", part.upper()[:40], phrase_labels()) for part in found[1].split(CHAIN))
        first, last = int(found[2]), int(found[3] or found[2])
        if not 1 <= first <= last < context.length:
            raise StudioError(f"A span from word {first} to word {last} is not possible: words are counted from 1, the last is not "
                              f"before the first, and a text has at most {context.length - 1}. Write span={cls.example}.")
        return cls(label, first, last, context.vocab.fingerprint)

    @classmethod
    def of_sentence(cls, sentence: str, context: Context) -> str:
        """The first phrase of two words or more inside the sentence that is no sentence itself, by the labeller.

        Raises:
            StudioError: it has none, or the labeller is not there.
        """
        analysis = analysers.of("labeller").analyse(sentence)
        for (first, last), label in sorted(chart(analysis.tree).items()):
            if 2 <= last - first + 1 <= 6 and not label.startswith("S"):
                return cls.parse(f"{label.split(CHAIN)[0]}@{first + 1}-{last + 1}", context).target
        raise StudioError("The sentence has no phrase of two to six words. Type a longer one.")

    @classmethod
    def lacks(cls, context: Context) -> str | None:
        """The reader must be there and be made for the model's words."""
        return objection(lambda: Reader.load(READER).fits(context, cls.slug))

    @property
    def target(self) -> str:
        """``PP@3-5``."""
        return f"{self.label}@{self.first}-{self.last}"

    def fits(self, context: Context) -> None:
        """Checks that the reader was made for the model's words.

        Raises:
            StudioError: it was not; both fingerprints are named.
        """
        made_for(self, "vocabulary", self.vocab, context.vocab.fingerprint)
        Reader.load(READER).fits(context, str(self))

    def _length(self, positions: int) -> Length:
        if self.last >= positions:
            raise StudioError(f"'{self}' ends at word {self.last}; a text of this run has at most {positions - 1}. "
                              f"Choose earlier words.")
        return Length(self.last, positions - 1)

    def request(self, request: Request) -> Request:
        """Asks for so many words that the span has a place.

        Raises:
            StudioError: the request has too few positions.
        """
        return self._length(request.length).request(request)

    def allowed(self, context: Context, request: Request) -> Tensor:
        """(L, V): no END before the span is over."""
        return self._length(context.length).allowed(context, request)

    def contradicts(self, other: Controller) -> str | None:
        """Two phrases of one tree may hold each other or stand apart, not overlap."""
        if not isinstance(other, Span):
            return None
        (one, end), (start, last) = sorted([(self.first, self.last), (other.first, other.last)])
        return "they overlap, and no tree has both" if one < start <= end < last else None

    # ---- steering

    def wish(self, logits: Tensor) -> Tensor:
        """The direction in which the reader sees the phrase."""
        return ascent(self.log_prob, logits)

    def log_prob(self, probs: Tensor) -> Tensor:
        """log p(the words are such a phrase) (B,) under the reader of a belief (B, L, V), alone or in a chain of phrases."""
        reader = Reader.for_beliefs(READER, probs)
        ids = [index for index, name in enumerate(reader.config.classes[0]) if holds(name, self.label)]
        features, _ = reader.features(probs)
        chances = reader.head.spans(features, *self._ends)[:, 0].softmax(-1)                        # (B, C)
        return chances[:, ids].sum(-1).clamp(min=TINY).log()

    def noisy_loss(self, reader: NoisyReader, features: Tensor) -> Tensor:
        """-log p(the words are such a phrase), alone or in a chain of phrases.

        Raises:
            StudioError: the classifiers know no such label.
        """
        ids = [index for index, name in enumerate(reader.config.chart[0]) if holds(name, self.label)]
        if not ids:
            raise StudioError(f"The classifiers on noisy vectors know no phrase '{self.label}'. Choose 'absorb' or "
                              f"'langevin-denoiser', or another label.")
        return -reader.spans(features, *self._ends)[:, 0, ids].logsumexp(-1)

    @property
    def _ends(self) -> tuple[Tensor, Tensor]:
        """First and last word, counted from 0, (1,) each."""
        return torch.tensor([self.first - 1]), torch.tensor([self.last - 1])

    # ---- judging

    def score(self, words: list[str]) -> Score:
        """1 where the judge's tree has exactly this phrase."""
        return self.score_all([words])[0]

    def score_all(self, texts: Sequence[list[str]], analyser: str = "judge") -> list[Score]:
        """The scores of many texts, parsed together."""
        return [self._scored(analysis.tree if analysis else None) for analysis in analysers.analyses(texts, analyser, trees=True)]

    def _scored(self, tree: Tree | None) -> Score:
        found = [] if tree is None else [[first + 1, last + 1, label] for (first, last), label in chart(tree).items()]
        wanted = [self.first, self.last, self.label]
        there = [label for first, last, label in found if [first, last] == wanted[:2]]
        held = any(holds(label, self.label) for label in there)
        words = f"words {self.first} to {self.last}"
        detail = f"{words} are {self.label}" if held else f"{words} are {', '.join(there)}" if there else f"{words} are no phrase"
        return Score(float(held), detail, {"kind": "spans", "wanted": [wanted], "found": found})


def holds(chain: str, label: str) -> bool:
    """Whether a label, or a chain of them, is part of another chain: ``VP`` of ``S::VP``."""
    return f"{CHAIN}{label}{CHAIN}" in f"{CHAIN}{chain}{CHAIN}"
