"""Text as 27 symbols, a to z and the space: the form of text8, in which character models are compared.

Digits are spelled, every other symbol ends a word, and words stand one space apart. As in text8's own script, except that
accents fall off their letters, where that script loses the letter too.

Source: Mahoney (2011), "About the test data" (text8); its use for diffusion: Austin et al. (2021), arXiv 2107.03006.
"""

from __future__ import annotations

from tokenizers import Regex, normalizers

ALPHABET = " abcdefghijklmnopqrstuvwxyz"
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# By the tokenizers library, so that a saved tokenizer does the same.
TEXT8 = normalizers.Sequence([
    normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(),
    *(normalizers.Replace(str(digit), f" {name} ") for digit, name in enumerate(_DIGITS)),
    normalizers.Replace(Regex("[^a-z]+"), " "), normalizers.Strip()])


def text8(text: str) -> str:
    """A text in text8's form: `£20 at Café No. 4` becomes `two zero at cafe no four`."""
    readable = text.encode("utf-8", "replace").decode("utf-8")          # a lone surrogate is no character
    return TEXT8.normalize_str(readable)
