"""The source of a sequence-to-sequence paper: a meaning representation or free text as a row of token ids.

Words have the ids of the vocabulary; behind them stands one marker for each slot. `name[The Vaults], food[Italian]` becomes
<name> The Vaults <food> Italian [END] [PAD] ...; free text has no markers. The empty source is [END] [PAD] ..., so that there
is always something to attend to.
"""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion.core.errors import StudioError, nearest
from diffusion.text.labels import LabelSet, parse_meaning
from diffusion.text.vocab import END, PAD, UNK, Vocabulary, split

LENGTH = 40              # positions of a source; the longest meaning representation of E2E takes 31


def size(vocab: Vocabulary, labels: LabelSet) -> int:
    """How many token ids a source may hold: the words and a marker for each slot."""
    return len(vocab) + len(labels.slots)


def empty() -> Tensor:
    """The source that says nothing, (M,)."""
    return _row([])


def encode(text: str, vocab: Vocabulary, labels: LabelSet) -> Tensor:
    """A meaning representation or free text as a row of ids, (M,); empty text is the empty source.

    Raises:
        StudioError: a slot, a value or a word is not known, or the source is too long.
    """
    if "[" not in text and "]" not in text:
        return _row(_words(text, vocab))
    meaning = parse_meaning(text)
    labels.encode(meaning)                               # refuses unknown slots and values, naming the nearest
    ids: list[int] = []
    for index, slot in enumerate(labels.slots):
        value = meaning.get(slot, "")
        if value and value != "absent":
            ids += [len(vocab) + index, *(vocab.ids.get(word, UNK) for word in split(value))]
    return _row(ids)


def from_label(label: Tensor, vocab: Vocabulary, labels: LabelSet) -> Tensor:
    """The source that says what a label (S,) tells; slots that are absent or unknown are left out, (M,)."""
    told = {slot: value for slot, value in labels.decode(label).items() if value != "absent"}
    return encode(", ".join(f"{slot}[{value}]" for slot, value in told.items()), vocab, labels)


def text(row: Tensor, vocab: Vocabulary, labels: LabelSet) -> str:
    """A source (M,) as people write it: slots with their values, or the words alone."""
    slots, shown, values = list(labels.slots), [], []
    for token in row.tolist():
        if token in (END, PAD):
            break
        if token >= len(vocab):
            shown.append((slots[token - len(vocab)], values := []))
        else:
            if not shown:
                shown.append(("", values))
            values.append(vocab.words[token])
    return ", ".join(f"{slot}[{' '.join(words)}]" if slot else " ".join(words) for slot, words in shown)


def mask(source: Tensor) -> Tensor:
    """Which positions of sources (B, M) can be read, true for all but PAD."""
    return source != PAD


def _words(text: str, vocab: Vocabulary) -> list[int]:
    for word in split(text):
        if word not in vocab.ids:
            raise StudioError(f"The source holds '{word}', which is not among the {len(vocab) - 3} words this model knows. "
                              f"The nearest known: {nearest(word, vocab.words[3:])}.")
    return vocab.encode(text)


def _row(ids: list[int]) -> Tensor:
    if len(ids) >= LENGTH:
        raise StudioError(f"The source has {len(ids)} tokens; {LENGTH - 1} fit. Leave something out.")
    return torch.tensor([*ids, END, *[PAD] * (LENGTH - len(ids) - 1)])
