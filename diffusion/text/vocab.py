"""Words and their ids: one definition of tokens for every paper, controller and metric.

Text is NFC-normalised and split by ``\\w+|[^\\w\\s]``; case is kept. Three specials stand first: ``[PAD]``, ``[END]``,
``[UNK]``. There is no START, and SEDD's mask is its own extra state, not a word.

A vocabulary of characters is the second kind: its "words" are the 27 symbols of text8 (`diffusion.text.characters`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor

from diffusion.core.errors import StudioError, nearest
from diffusion.text import characters

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, END, UNK = 0, 1, 2
SPECIALS = ("[PAD]", "[END]", "[UNK]")
_NORMAL = normalizers.NFC()
_WORD = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), "removed", invert=True)
_CURRENCY = "£$€"
_CLITICS = {"s", "t", "re", "ve", "ll", "d", "m", "S", "T"}


def split(text: str) -> list[str]:
    """Words and punctuation marks of natural or tokenised text, in order.

    By the tokenizers library, so that it and transformers agree with us on every character: Python's own regular
    expressions differ on combining marks and control characters.
    """
    readable = text.encode("utf-8", "replace").decode("utf-8")          # a lone surrogate is no character
    return [word for word, _ in _WORD.pre_tokenize_str(_NORMAL.normalize_str(readable))]


def detokenise(words: Sequence[str]) -> str:
    """Readable text from words: the inverse of `split` up to white space.

    Quotation marks and dashes are ambiguous once split; the readings that E2E uses are chosen.
    """
    text, glue, opened = "", True, dict.fromkeys("\"'", False)
    for index, word in enumerate(words):
        left = words[index - 1] if index else ""
        right = words[index + 1] if index + 1 < len(words) else ""
        space = not glue
        glue = False
        if word in {".", ",", "!", "?", ";", ":", ")", "]", "%", "’"}:
            space = False
        elif word in {"(", "[", *_CURRENCY}:
            glue = True
        elif word == "'" and left.isalnum() and (right in _CLITICS or (left.endswith("s") and not opened["'"])):
            space, glue = False, right in _CLITICS       # it's, the pubs' menu
        elif word in opened:
            opened[word] = glue = space = not opened[word]
        elif word in {"-", "/", "–"}:
            space, glue = False, True
        if word in {".", ","} and left.isdigit() and right.isdigit():
            glue = True                                  # 10.50 and 1,000
        if word == ":" and left.isdigit() and right.isdigit():
            glue = True
        text += (" " if space and text else "") + word
    return text


class Vocabulary:
    """An ordered list of words with a fingerprint, encoding rows of a fixed length.

    Args:
        words: all words, the three specials first.
    """

    kind = "words"

    def __init__(self, words: Sequence[str]) -> None:
        if tuple(words[:3]) != SPECIALS:
            raise StudioError(f"A vocabulary starts with {' '.join(SPECIALS)}; this one starts with {list(words[:3])}.")
        if len(set(words)) != len(words):
            twice = [word for word, count in Counter(words).items() if count > 1]
            raise StudioError(f"A vocabulary holds each word once; '{twice[0]}' stands in it twice.")
        self.words = tuple(words)
        self.ids = {word: index for index, word in enumerate(words)}
        self.fingerprint = hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]
        self.tokenizer = self._tokenizer()

    @staticmethod
    def of(words: Sequence[str]) -> Vocabulary:
        """The vocabulary of these words: of characters where they are text8's, which no list of words can be, since no
        word is a space."""
        return Characters() if tuple(words) == CHARACTERS else Vocabulary(words)

    @classmethod
    def build(cls, texts: Iterable[str], more_than: int = 10) -> Vocabulary:
        """The words seen more than `more_than` times, most frequent first (ties in alphabetical order)."""
        counts = Counter(word for text in texts for word in split(text))
        kept = [word for word, count in counts.items() if count > more_than]
        return cls([*SPECIALS, *sorted(kept, key=lambda word: (-counts[word], word))])

    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer(models.WordLevel(self.ids, unk_token=SPECIALS[UNK]))
        tokenizer.normalizer, tokenizer.pre_tokenizer = _NORMAL, _WORD
        return tokenizer

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, text: str) -> list[int]:
        """Word ids of natural or tokenised text, without END and PAD; unknown words become UNK."""
        return [self.ids.get(word, UNK) for word in split(text)]

    def row(self, text: str, length: int) -> Tensor | None:
        """Ids ``(length,)`` of text, END, PAD...; None when it does not fit: rows are left out, never cut."""
        ids = self.encode(text)
        if len(ids) >= length:
            return None
        return torch.tensor([*ids, END, *[PAD] * (length - len(ids) - 1)])

    def id(self, word: str) -> int:
        """The id of one word.

        Raises:
            StudioError: the word is not in the vocabulary; the nearest ones are named.
        """
        if word in self.ids and word not in SPECIALS:
            return self.ids[word]
        raise StudioError(f"The word '{word}' is not among the {len(self) - 3} words this model knows. "
                          f"The nearest known: {nearest(word, self.words[3:])}.")

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """Words up to the first END, without specials other than [UNK]."""
        words = []
        for index in ids:
            if int(index) == END:
                break
            if int(index) != PAD:
                words.append(self.words[int(index)])
        return words

    def text(self, ids: Iterable[int]) -> str:
        """Readable text up to the first END."""
        return detokenise(self.tokens(ids))

    def to_json(self) -> str:
        """The words as a JSON list: the whole definition."""
        return json.dumps(list(self.words), ensure_ascii=False, indent=0)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Reads `vocab.json` of a checkpoint folder, a vocabulary of words or of characters.

        Raises:
            StudioError: the file is missing or is not a JSON list of words.
        """
        try:
            words = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StudioError(f"'{path}' is not a readable vocabulary ({error}). "
                              f"Use a checkpoint folder written by this project.") from error
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise StudioError(f"'{path}' must hold a JSON list of words.")
        return cls.of(words)

    def as_transformers(self) -> PreTrainedTokenizerFast:
        """The same vocabulary as a `PreTrainedTokenizerFast`, for use with the transformers library."""
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast(tokenizer_object=self.tokenizer, pad_token=SPECIALS[PAD],
                                       eos_token=SPECIALS[END], unk_token=SPECIALS[UNK])


CHARACTERS = (*SPECIALS, *characters.ALPHABET)


class Characters(Vocabulary):
    """The 27 symbols of text8 behind the three specials: every text is brought into text8's form, so none is unknown."""

    kind = "characters"

    def __init__(self) -> None:
        super().__init__(CHARACTERS)

    @classmethod
    def build(cls, texts: Iterable[str], more_than: int = 10) -> Vocabulary:
        """The same for all texts."""
        return cls()

    def _tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer(models.WordLevel(self.ids, unk_token=SPECIALS[UNK]))
        tokenizer.normalizer = characters.TEXT8
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
        return tokenizer

    def encode(self, text: str) -> list[int]:
        """Symbol ids of a text in text8's form, without END and PAD."""
        return [self.ids[symbol] for symbol in characters.text8(text)]

    def text(self, ids: Iterable[int]) -> str:
        """Symbols up to the first END, put together."""
        return "".join(self.tokens(ids))


KINDS: dict[str, type[Vocabulary]] = {kind.kind: kind for kind in (Vocabulary, Characters)}
