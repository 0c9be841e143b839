"""Rows of meaning representation and text: reading, splitting, batching, hiding labels."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from diffusion.text import source as source_ids
from diffusion.core.errors import StudioError
from diffusion.text.labels import UNKNOWN, LabelSet, parse_meaning
from diffusion.text.vocab import END, KINDS, Vocabulary
from training.data import source

if TYPE_CHECKING:
    from training.recipes import Recipe

HELD_OUT_ROWS = 2000     # training rows, whole meaning representations, on which strengths and temperatures are tuned
SPLIT_SEED = 20220527
COLUMNS = {"mr": ("mr", "meaning_representation"), "ref": ("ref", "human_reference")}     # ours, and the Hub's names


@dataclass(frozen=True, slots=True)
class Row:
    """One text and what it says; `where` names the file and the row it came from, for error sentences."""

    meaning: str
    text: str
    where: str = dataclasses.field(default="", compare=False)


def read_csv(path: Path) -> list[Row]:
    """Rows of a CSV with the columns `mr` and `ref` (or the Hub's names for them), in UTF-8.

    Raises:
        StudioError: the file is missing, empty, of other columns or another encoding, or a row is incomplete.
    """
    if not path.is_file():
        raise StudioError(f"There is no file '{path}'. Give a folder that holds train.csv and valid.csv, "
                          f"each with the columns mr,ref.")
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[:error.start].decode("utf-8-sig") + "?"
        row = sum(1 for _ in csv.reader(io.StringIO(before, newline="")))
        raise StudioError(f"Row {row} of '{path}' is not UTF-8 ({error.reason}). Save the file as UTF-8.") from error
    row = 1
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        columns, records = reader.fieldnames or (), []
        for record in reader:
            records.append(record)
            row += 1
    except csv.Error as error:
        raise StudioError(f"'{path}' is no CSV file after row {row} ({error}). Save it as CSV again.") from error
    return read_records(path, columns, records)


def read_parquet(path: Path) -> list[Row]:
    """Rows of a parquet file with the same columns.

    Raises:
        StudioError: pyarrow is not installed, or the file is damaged or of other columns.
    """
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise StudioError(f"'{path}' is a parquet file, which needs pyarrow: pip install pyarrow, "
                          f"or give a folder with train.csv and valid.csv.") from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise StudioError(f"'{path}' is not a readable parquet file ({error}). Fetch it again.") from error
    return read_records(path, table.column_names, table.to_pylist())


def read_records(path: Path, columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows from records under a header; row 1 is the header, as a spreadsheet counts.

    Raises:
        StudioError: a column is missing, a row is incomplete or not a meaning representation, or there is no row.
    """
    names = {ours: next((name for name in theirs if name in columns), "") for ours, theirs in COLUMNS.items()}
    if not all(names.values()):
        raise StudioError(f"'{path}' has the columns {', '.join(columns) or '(none)'}; it needs mr and ref.")
    rows = []
    for number, record in enumerate(records, 2):
        meaning, text = record[names["mr"]] or "", record[names["ref"]] or ""
        if not meaning.strip() or not text.strip():
            raise StudioError(f"Row {number} of '{path}' lacks its mr or its ref. Fill or remove the row.")
        rows.append(Row(meaning, text, f"Row {number} of '{path}'"))
    if not rows:
        raise StudioError(f"'{path}' has no rows under its header. Give a file with at least one.")
    return rows


def read_part(paths: Sequence[Path]) -> list[Row]:
    """The rows of all files of one part, one file after the other.

    Raises:
        StudioError: a file cannot be read; it is named.
    """
    return [row for path in paths for row in (read_parquet if path.suffix == ".parquet" else read_csv)(path)]


def meaning(row: Row) -> dict[str, str]:
    """The slots that a row names.

    Raises:
        StudioError: its meaning representation is not of the form; file and row are named.
    """
    try:
        return parse_meaning(row.meaning)
    except StudioError as error:
        raise StudioError(f"{row.where}: {error}") from error


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
        """Encodes the rows that fit into `length` with their END.

        Raises:
            StudioError: a row says something that `labels` do not know, or no row fits.
        """
        pairs = [(vocab.row(row.text, length), _label(row, labels)) for row in rows]
        kept = [(tokens, label) for tokens, label in pairs if tokens is not None]
        if not kept:
            raise StudioError(f"None of the {len(rows)} texts fits into {length} positions. Use a greater length.")
        return cls(torch.stack([tokens for tokens, _ in kept]), torch.stack([label for _, label in kept]),
                   len(pairs) - len(kept))


def _label(row: Row, labels: LabelSet) -> Tensor:
    told = meaning(row)
    try:
        return labels.encode(told)
    except StudioError as error:
        raise StudioError(f"{row.where}: {error}") from error


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that the data give: words, labels, encoded rows; `held_out` training rows are in neither part."""

    vocab: Vocabulary
    labels: LabelSet
    train: Encoded
    valid: Encoded
    source: str
    held_out: int = 0
    tuning: Encoded | None = None

    def facts(self) -> dict[str, Any]:
        """What a card or a dry run says about the data."""
        return {"data": self.source, "rows": len(self.train.tokens), "left_out": self.train.left_out,
                "held_out": self.held_out, "valid_rows": len(self.valid.tokens), "valid_left_out": self.valid.left_out,
                "words": len(self.vocab), "vocab": self.vocab.fingerprint, "labels": self.labels.fingerprint,
                "label_sizes": list(self.labels.sizes)}


def load_corpus(name: str | Path, recipe: Recipe, length: int) -> Corpus:
    """Reads a folder or a data set of the Hub.

    Vocabulary and labels come from all training rows, batches from the part of them that the recipe asks for.

    Raises:
        StudioError: there are no such data, or a file of them cannot be used; file and row are named.
    """
    files = source.locate(name)
    rows, valid = read_part(files.train), read_part(files.valid)
    vocab = KINDS[recipe.vocab].build(row.text for row in rows)
    labels = LabelSet.build(meaning(row) for row in rows)
    kept, held_out = hold_out(rows)
    if recipe.rows == "half":
        kept = second_half(kept)
    return Corpus(vocab, labels, Encoded.encode(kept, vocab, labels, length),
                  Encoded.encode(valid, vocab, labels, length), files.name, len(held_out),
                  Encoded.encode(held_out, vocab, labels, length) if held_out else None)


def batches(data: Encoded, size: int, seed: int, start: int, short: int | None,
            share: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of (tokens, labels), from batch number `start` on; the order depends on `seed` alone.

    A `share` of the batches is cut to `short` positions and takes the rows that fit there, to compute less PAD.
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
            if short is not None and coin < share and fits[rows].any():
                tokens, labels = tokens[fits[rows], :short], labels[fits[rows]]
            yield tokens, labels
            number += 1


def conditions(labels: Tensor, data: Corpus, generator: torch.Generator, sourced: bool) -> tuple[Tensor, Tensor | None]:
    """What a batch is told: labels (B, S) with slots hidden and, for a paper that reads a source, sources (B, M).

    A source says what the full label says. 30% of the sources are empty; of all rows half have no label at all, so that a
    fifth of the rows are free.
    """
    hidden = hide(labels, generator)
    if not sourced:
        return hidden, None
    sources = torch.stack([_source(tuple(row), data.vocab, data.labels) for row in labels.tolist()])
    empty, bare = torch.rand(2, len(labels), 1, generator=generator) < torch.tensor([0.3, 0.5])[:, None, None]
    return hidden.masked_fill(bare, UNKNOWN), torch.where(empty, source_ids.empty(), sources)


@lru_cache(maxsize=65536)
def _source(label: tuple[int, ...], vocab: Vocabulary, labels: LabelSet) -> Tensor:
    """The source row of a label; rows repeat, and each is made once."""
    return source_ids.from_label(torch.tensor(label), vocab, labels)


def hide(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Labels (B, S) with slots made unknown: all of them in 30% of the rows, none in 35%, each at one rate in 35%."""
    batch, slots = labels.shape
    kind = torch.rand(batch, 1, generator=generator)
    rate = torch.rand(batch, 1, generator=generator)
    each = torch.rand(batch, slots, generator=generator) < rate
    hidden = (kind < 0.30) | ((kind >= 0.65) & each)
    return labels.masked_fill(hidden, UNKNOWN)
