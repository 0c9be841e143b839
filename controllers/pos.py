"""Parts of speech: the text has these universal tags, one a word, with wildcards and gaps."""

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
from controllers.linguistics.tagsets import UNIVERSAL
from controllers.probes.noisy import ENDS, NoisyReader
from controllers.probes.reader import Reader, closed
from diffusion.core.errors import StudioError, nearest, objection
from diffusion.core.types import Request
from diffusion.text.vocab import END

READER = "tags"
ANY, GAP = "*", "..."
TINY, NEVER = 1e-30, -1e5
CONTEXT_NATS = 4.0       # of the reader that sees the words around, beside the table of words
_MEANINGS = {
    "ADJ": "adjective", "ADP": "preposition", "ADV": "adverb", "AUX": "auxiliary", "CCONJ": "and, or, but", "DET": "the, a",
    "INTJ": "interjection", "NOUN": "noun", "NUM": "number", "PART": "not, to, 's", "PRON": "pronoun", "PROPN": "name",
    "PUNCT": "punctuation", "SCONJ": "that, if, while", "SYM": "symbol", "VERB": "verb", "X": "other"}


@dataclass(frozen=True)
class PartsOfSpeech(Controller):
    """The words of the whole text have these parts of speech: universal tags, one a word, punctuation marks included.

    ``*`` is one word of any kind, ``...`` any number of words, none included. Each word is favoured by how often it had the tag in
    training text; a tagger that took no part in it judges the finished text.
    """

    tags: tuple[str, ...] = knob((), unit="tags", about="universal tags, one a word; * any word, ... any number of words")
    vocab: str = ""          # fingerprint

    slug: ClassVar[str] = "pos"
    title: ClassVar[str] = "Parts of speech"
    example: ClassVar[str] = "PROPN AUX DET ADJ NOUN ADP PROPN PROPN PUNCT"
    has_strength: ClassVar[bool] = True
    nats: ClassVar[float] = 8.0
    unit_wish: ClassVar[bool] = False
    masks: ClassVar[bool] = True
    noisy: ClassVar[bool] = True
    fluency: ClassVar[float] = 0.0001
    palette: ClassVar[tuple[tuple[str, str], ...]] = (*((tag, _MEANINGS[tag]) for tag in UNIVERSAL), (ANY, "any word"),
                                                      (GAP, "any number of words"))
    reads_sentences: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.tags:
            raise StudioError("Parts of speech need tags. Make them with PartsOfSpeech.parse(text, context).")

    @classmethod
    def parse(cls, text: str, context: Context) -> PartsOfSpeech:
        """``DET ADJ NOUN``, separated by white space or commas.

        Raises:
            StudioError: a tag is unknown (the nearest are named), or there are more than a text has words.
        """
        tags = tuple(re.sub(r"…|\.{3,}", GAP, piece) for piece in re.split(r"[\s,]+", text.strip()) if piece)
        for tag in tags:
            if tag.upper() not in (*UNIVERSAL, ANY, GAP):
                raise StudioError(f"Unknown part of speech '{tag[:40]}'. Nearest: {nearest(tag[:40].upper(), UNIVERSAL)}; "
                                  f"{ANY} is any word, {GAP} any number of them.")
        tags = tuple(tag.upper() for tag in tags)
        fewest = sum(tag != GAP for tag in tags)
        if fewest >= context.length:
            raise StudioError(f"{fewest} tags are too many: a text has at most {context.length - 1} words, punctuation marks "
                              f"counted. Leave some out.")
        if not tags or (fewest == 0 and GAP in tags):
            raise StudioError(f"The tags ask for nothing. Write pos={cls.example}.")
        return cls(tags, context.vocab.fingerprint)

    @classmethod
    def of_sentence(cls, sentence: str, context: Context) -> str:
        """The sentence's tags, by the labeller.

        Raises:
            StudioError: it has no word or too many, or the labeller is not there.
        """
        return cls.parse(" ".join(analysers.of("labeller").analyse(sentence, trees=False).universal), context).target

    @classmethod
    def lacks(cls, context: Context) -> str | None:
        """The reader must be there and be made for the model's words."""
        return objection(lambda: Reader.load(READER).fits(context, cls.slug))

    @property
    def target(self) -> str:
        """The tags, one space between two."""
        return " ".join(self.tags)

    @property
    def open(self) -> bool:
        """Whether the number of words is free."""
        return GAP in self.tags

    def fits(self, context: Context) -> None:
        """Checks that tags and reader were made for the model's words.

        Raises:
            StudioError: they were not; both fingerprints are named.
        """
        made_for(self, "vocabulary", self.vocab, context.vocab.fingerprint)
        Reader.load(READER).fits(context, str(self))

    # ---- sizes

    def _length(self, positions: int) -> Length:
        fewest = max(1, sum(tag != GAP for tag in self.tags))
        if fewest >= positions:
            raise StudioError(f"'{self}' has {fewest} words; a text of this run has at most {positions - 1}. Leave some out.")
        return Length(fewest, positions - 1 if self.open else fewest)

    def request(self, request: Request) -> Request:
        """Asks for as many words as there are tags, or more where a gap is open.

        Raises:
            StudioError: the request has too few positions.
        """
        return self._length(request.length).request(request)

    def allowed(self, context: Context, request: Request) -> Tensor:
        """(L, V): words, END and PAD where the number of words wants them."""
        return self._length(context.length).allowed(context, request)

    # ---- steering

    def wish(self, logits: Tensor) -> Tensor:
        """log p(tag | word) of the tag that each position should have, (B, L, V) nats; at most 0, 0 at the likeliest words.

        Where gaps are open the tag of a position is not certain: the table's rows are mixed by the chances that the tags stand
        there, given that the text fits them.
        """
        lexicon = self._lexicon(logits)
        with torch.enable_grad():
            emissions = self._emissions(logits.softmax(-1), lexicon).detach().requires_grad_()
            chance = self._fit(emissions, *_word_or_end(logits.softmax(-1).detach()))
            share = torch.autograd.grad(chance.sum(), emissions)[0]           # (B, L, K): P(tag k stands at l | the text fits)
        ids = [UNIVERSAL.index(tag) for tag in self.tags if tag in UNIVERSAL]
        columns = [place for place, tag in enumerate(self.tags) if tag in UNIVERSAL]
        wish = share[..., columns] @ lexicon[:, ids].T                        # (B, L, V)
        wish[..., : END + 1] = 0
        return wish + CONTEXT_NATS * ascent(lambda probs: self._in_context(probs, share), logits)

    def _in_context(self, probs: Tensor, share: Tensor) -> Tensor:
        """log p(tags) (B,) by the reader, which sees the words around; `share` (B, L, K) says where the tags stand."""
        if not self.open:                                                     # the number of words is settled
            probs, share = closed(probs, len(self.tags)), share[:, : len(self.tags) + 1]
        told = Reader.for_beliefs(READER, probs)(probs).log_softmax(-1)                       # (B, L, T)
        places = [place for place, tag in enumerate(self.tags) if tag in UNIVERSAL]
        ids = [UNIVERSAL.index(self.tags[place]) for place in places]
        return (told[..., ids] * share[..., places]).sum((1, 2))

    def log_prob(self, probs: Tensor) -> Tensor:
        """Log-probability (B,) that the words have the tags and END follows, gaps of any size, under a belief (B, L, V).

        Positions are taken as independent, a word has a tag as often as in the labelled training text.
        """
        return self._fit(self._emissions(probs, self._lexicon(probs)), *_word_or_end(probs))

    def noisy_loss(self, reader: NoisyReader, features: Tensor) -> Tensor:
        """Mean over all positions of -log p(tag), END and PAD behind the last word; where gaps are open, -log p(all ways to lay the
        pieces) over as many."""
        told = reader.tags(features)                                          # (B, L, T): universal tags, END, PAD
        if self.open:
            word = told[..., : -len(ENDS)].logsumexp(-1)
            emissions = [told[..., UNIVERSAL.index(tag)] if tag in UNIVERSAL else word for tag in self.tags]
            return -self._fit(torch.stack(emissions, -1), word, told[..., len(UNIVERSAL)]) / told.shape[1]
        rest = told.shape[1] - len(self.tags) - 1
        names = [*self.tags, ENDS[0], *ENDS[1:] * rest]
        places = [place for place, name in enumerate(names) if name != ANY]
        ids = [(*UNIVERSAL, *ENDS).index(names[place]) for place in places]
        return -told[:, places, ids].mean(-1)

    def _lexicon(self, like: Tensor) -> Tensor:
        """log p(tag | word), (V, T)."""
        return Reader.for_beliefs(READER, like).lexicon

    def _emissions(self, probs: Tensor, lexicon: Tensor) -> Tensor:
        """log P(a word with tag k stands at l), (B, L, K) for every piece k of the target."""
        words = probs.clone()
        words[..., : END + 1] = 0
        tagged = words @ lexicon.exp()                                        # (B, L, T)
        word = words.sum(-1)
        columns = [tagged[..., UNIVERSAL.index(tag)] if tag in UNIVERSAL else word for tag in self.tags]
        return torch.stack(columns, -1).clamp(min=TINY).log()

    def _fit(self, emissions: Tensor, word: Tensor, end: Tensor) -> Tensor:
        """Log-probability (B,) of all ways to lay the pieces over the positions with END behind them.

        Args:
            emissions: log P(a word of piece k stands at l), (B, L, K).
            word, end: log P(any word stands at l) and log P(END does), (B, L).
        """
        words = torch.cat([torch.zeros_like(word[:, :1]), word.cumsum(1)], 1)
        reached = torch.full_like(words, NEVER)
        reached[:, 0] = 0                                                     # (B, L + 1): pieces so far end before l
        for place, tag in enumerate(self.tags):
            if tag == GAP:
                reached = words + (reached - words).logcumsumexp(1)
            else:
                moved = reached[:, :-1] + emissions[..., place]
                reached = torch.cat([torch.full_like(words[:, :1], NEVER), moved], 1)
        return (reached[:, :-1] + end).logsumexp(1).clamp(max=0)

    # ---- judging

    def score(self, words: list[str]) -> Score:
        """The share of positions whose tag, by the judge, is the asked one; where gaps are open, of the best way to lay them."""
        return self.score_all([words])[0]

    def score_all(self, texts: Sequence[list[str]], analyser: str = "judge") -> list[Score]:
        """The scores of many texts, tagged together."""
        return [self._scored(words, tags) for words, tags in zip(texts, analysers.tags(texts, analyser), strict=True)]

    def _scored(self, words: Sequence[str], tags: Sequence[str]) -> Score:
        wanted = laid(self.tags, tags)
        asked = [place for place, tag in enumerate(wanted) if tag not in (ANY, GAP)]
        right = sum(place < len(tags) and tags[place] == wanted[place] for place in asked)
        wrong = [f"{words[place]} is {tags[place]}, not {wanted[place]}" for place in asked
                 if place < len(tags) and tags[place] != wanted[place]]
        missing = sum(place >= len(tags) for place in asked)
        over = 0 if self.open else max(0, len(tags) - len(wanted))
        success = right / max(1, len(asked) + over)
        parts = [*wrong[:3], *(["…"] if len(wrong) > 3 else []), *([f"{missing} words too few"] if missing else []),
                 *([f"{over} words too many"] if over else [])]
        return Score(success, "; ".join(parts) or f"all {right} tags are as asked",
                     {"kind": "tags", "wanted": [ANY if tag == GAP else tag for tag in wanted], "found": list(tags)})


def _word_or_end(probs: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities that a word stands at a place, and that END does, (B, L) each, of a belief (B, L, V)."""
    return probs[..., END + 1:].sum(-1).clamp(min=TINY).log(), probs[..., END].clamp(min=TINY).log()


def laid(target: Sequence[str], tags: Sequence[str]) -> list[str]:
    """The target over these tags, each gap replaced by as many `GAP`s as make most tags right: one entry a word or more."""
    best: dict[int, tuple[int, list[str]]] = {0: (0, [])}                     # words covered -> (right, laid so far)
    for piece in target:
        if piece == GAP:
            grown: dict[int, tuple[int, list[str]]] = {}
            for covered, (right, row) in sorted(best.items()):
                for size in range(max(0, len(tags) - covered) + 1):
                    if covered + size not in grown or grown[covered + size][0] < right:
                        grown[covered + size] = (right, [*row, *[GAP] * size])
            best = grown
        else:
            best = {covered + 1: (right + (piece == ANY or (covered < len(tags) and tags[covered] == piece)), [*row, piece])
                    for covered, (right, row) in best.items()}
    exact = best.get(len(tags))
    return exact[1] if exact else max(best.values(), key=lambda found: (found[0], -len(found[1])))[1]
