"""Rows of meaning representation and text: reading, splitting, batching, hiding labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from diffusion.core.errors import StudioError
from diffusion.core.labels import UNKNOWN, LabelSet, parse_meaning
from diffusion.core.vocab import END, Vocabulary

HELD_OUT_ROWS = 2000     # training rows, whole meaning representations, on which strengths and temperatures are tuned
SPLIT_SEED = 20220527
COLUMNS = ("mr", "ref")


@dataclass(frozen=True, slots=True)
class Row:
    """One text and what it says."""

    meaning: str
    text: str


def read_csv(path: Path) -> list[Row]:
    """Rows of a CSV with the columns `mr` and `ref`, in UTF-8.

    Raises:
        StudioError: the file is missing, empty, of other columns or another encoding, or a row is incomplete.
    """
    if not path.is_file():
        raise StudioError(f"There is no file '{path}'. Give a folder that holds train.csv and valid.csv, "
                          f"each with the columns mr,ref.")
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise StudioError(f"'{path}' has the columns {list(reader.fieldnames or ())}; it needs mr and ref.")
            for number, row in enumerate(reader, 2):
                if not row["mr"] or not row["ref"] or not row["ref"].strip():
                    raise StudioError(f"Row {number} of '{path}' lacks its mr or its ref. Fill or remove the row.")
                rows.append(Row(row["mr"], row["ref"]))
    except UnicodeDecodeError as error:
        raise StudioError(f"'{path}' is not UTF-8 near row {len(rows) + 2} ({error.reason}). Save it as UTF-8.") from error
    if not rows:
        raise StudioError(f"'{path}' has no rows under its header. Give a file with at least one.")
    return rows


def hold_out(rows: Sequence[Row], count: int = HELD_OUT_ROWS) -> tuple[list[Row], list[Row]]:
    """(kept, held out): whole meaning representations, in a fixed shuffled order, until `count` rows are held out."""
    meanings = sorted({row.meaning for row in rows})
    order = torch.randperm(len(meanings), generator=torch.Generator().manual_seed(SPLIT_SEED)).tolist()
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[row.meaning] = sizes.get(row.meaning, 0) + 1
    chosen: set[str] = set()
    for index in order:
        if sum(sizes[meaning] for meaning in chosen) >= min(count, len(rows) // 10):
            break
        chosen.add(meanings[index])
    return [row for row in rows if row.meaning not in chosen], [row for row in rows if row.meaning in chosen]


def second_half(rows: Sequence[Row]) -> list[Row]:
    """The half of the shuffled rows that the judge of fluency is trained on."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(SPLIT_SEED + 1)).tolist()
    return [rows[index] for index in order[len(rows) // 2:]]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows as tensors: tokens (N, L), labels (N, S); `left_out` rows did not fit and are not in them."""

    tokens: Tensor
    labels: Tensor
    left_out: int

    @classmethod
    def encode(cls, rows: Sequence[Row], vocab: Vocabulary, labels: LabelSet, length: int) -> Encoded:
        """Encodes the rows that fit into `length` with their END."""
        pairs = [(vocab.row(row.text, length), labels.encode(parse_meaning(row.meaning))) for row in rows]
        kept = [(tokens, label) for tokens, label in pairs if tokens is not None]
        if not kept:
            raise StudioError(f"None of the {len(rows)} texts fits into {length} positions. Use a greater length.")
        return cls(torch.stack([tokens for tokens, _ in kept]), torch.stack([label for _, label in kept]),
                   len(pairs) - len(kept))


def batches(data: Encoded, size: int, seed: int, start: int, short: int | None, share: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of (tokens, labels), from batch number `start` on; the order depends on `seed` alone.

    A `share` of the batches is cut to `short` positions and takes the rows that fit there, so that less PAD is computed.
    """
    per_epoch = max(1, len(data.tokens) // size)
    fits = (data.tokens[:, : short or data.tokens.shape[1]] == END).any(1)
    number = start
    while True:
        epoch = number // per_epoch
        order = torch.randperm(len(data.tokens), generator=torch.Generator().manual_seed(seed + 7919 * epoch))
        for index in range(number % per_epoch, per_epoch):
            rows = order[index * size:(index + 1) * size]
            tokens, labels = data.tokens[rows], data.labels[rows]
            coin = torch.rand((), generator=torch.Generator().manual_seed(seed + 104729 * number)).item()
            if short is not None and coin < share:
                tokens, labels = tokens[fits[rows], :short], labels[fits[rows]]
            yield tokens, labels
            number += 1


def hide(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Labels (B, S) with slots made unknown: all of them in 30% of the rows, none in 35%, each at one rate in 35%."""
    batch, slots = labels.shape
    kind = torch.rand(batch, 1, generator=generator)
    rate = torch.rand(batch, 1, generator=generator)
    each = torch.rand(batch, slots, generator=generator) < rate
    hidden = (kind < 0.30) | ((kind >= 0.65) & each)
    return labels.masked_fill(hidden, UNKNOWN)
