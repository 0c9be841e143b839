"""Length: the text has so many words, exactly or within a range."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from controllers.base import Context, Controller, Score, knob
from diffusion.core.errors import StudioError
from diffusion.core.types import Request
from diffusion.text.vocab import END, PAD, SPECIALS, split

_FORM = re.compile(r"\s*([0-9]{1,9})\s*(?:[-–]\s*([0-9]{1,9})\s*)?")
TINY = 1e-30             # smallest probability whose logarithm is taken; its logarithm is finite in float32


@dataclass(frozen=True)
class Length(Controller):
    """The text has so many words, exactly or within a range. Punctuation marks count: "It is a pub ." has five words.

    END may stand only where such a text ends, and nothing but padding may follow it; the model does the rest.
    """

    fewest: int = knob(10, 1, 63, "words", "the shortest text, punctuation marks counted")
    most: int = knob(14, 1, 63, "words", "the longest text; the same number makes the length exact")

    slug: ClassVar[str] = "length"
    reads_sentences: ClassVar[bool] = True
    title: ClassVar[str] = "Length"
    example: ClassVar[str] = "12"
    masks: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 1 <= self.fewest <= self.most:
            raise StudioError(f"A length goes from the fewest to the most words, at least 1; got {self.fewest} to "
                              f"{self.most}. Write it like length=12 or length=10-14.")

    @classmethod
    def parse(cls, text: str, context: Context) -> Length:
        """``12`` or ``10-14``, at least 1 and at most L - 1 words, because END needs a position.

        Raises:
            StudioError: the text is not of that form or not in that range.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise StudioError(f"'{text[:40]}' is not a length. "
                              f"Write a number of words, length=12, or a range, length=10-14.")
        length = cls(int(match[1]), int(match[2] or match[1]))
        length._check(context.length)
        return length

    def _check(self, positions: int) -> None:
        if self.most >= positions:
            raise StudioError(f"A length of {self.target} words is not possible: a text has 1 to {positions - 1}, "
                              f"punctuation marks counted. Choose a smaller number.")

    @classmethod
    def of_sentence(cls, sentence: str, context: Context) -> str:
        """The number of words that the sentence has.

        Raises:
            StudioError: it has none, or more than a text of this model can have.
        """
        return cls.parse(str(len(split(sentence))), context).target

    @property
    def target(self) -> str:
        """``12`` or ``10-14``."""
        return str(self.fewest) if self.fewest == self.most else f"{self.fewest}-{self.most}"

    def request(self, request: Request) -> Request:
        """Asks for the number of words.

        Raises:
            StudioError: the request has too few positions.
        """
        self._check(request.length)
        return request.with_(words=(self.fewest, self.most))

    def allowed(self, context: Context, request: Request) -> Tensor:
        """(L, V): words before position `most`, END from `fewest` to `most`, PAD from behind `fewest` on."""
        self._check(context.length)
        position = torch.arange(context.length)
        mask = (position < self.most)[:, None].repeat(1, len(context.vocab))
        mask[:, : len(SPECIALS)] = False
        mask[:, END] = (self.fewest <= position) & (position <= self.most)
        mask[:, PAD] = position > self.fewest
        return mask

    def log_prob(self, probs: Tensor) -> Tensor:
        """Log-probability (B,) that END comes first at one of the wanted positions, under a belief (B, L, V).

        Positions are taken as independent, as a belief gives them: P(n words) = prod_{l < n} p_l(a word) p_n(END).
        """
        word = probs[..., END + 1:].sum(-1).clamp(min=TINY).log()             # (B, L)
        before = word.cumsum(1) - word
        ends = before + probs[..., END].clamp(min=TINY).log()
        return ends[:, self.fewest: self.most + 1].logsumexp(1)

    def score(self, words: list[str]) -> Score:
        """1 when the number of words is as asked."""
        right = self.fewest <= len(words) <= self.most
        return Score(float(right), f"{len(words)} word{'' if len(words) == 1 else 's'}, asked for {self.target}")
