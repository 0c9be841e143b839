"""Measures how likely a model finds held-out text: bits per token, words and END counted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from tqdm.auto import tqdm

from diffusion.core.model import DiffusionModel
from diffusion.core.rng import BatchRng
from diffusion.text.vocab import END, PAD
from training.data.corpus import Encoded
from training.evaluation.ledger import Ledger
from training.evaluation.quality.metrics import bits_per_token
from training.evaluation.report.results import Bar, Row, Table, bars

SEED = 20220602
BATCH = 64
FREE = "unknown"         # what a row of free texts says of its slots
BITS, NO_BOUND = "bits per token", "bits per token, not a bound"
LIMITS = {"ar": 2.5, "sedd": 2.75, "diffusion-lm": 3.5, "seqdiffuseq": 3.5}      # of free bits, by paper


def likelihood(model: DiffusionModel, rows: Encoded, draws: int, ledger: Ledger | None = None) -> list[Table]:
    """The bound on held-out rows, with every slot unknown and with the row's own label; never with a source.

    Args:
        rows: tokens (N, L) and full labels (N, S).
        draws: times drawn for each row; the bound is their mean, and its interval holds the spread of rows and draws.
    """
    ledger = ledger or Ledger()
    for name, label in ((FREE, torch.zeros_like(rows.labels)), ("the row's own", rows.labels)):
        key: Row = {"slots": name, "texts": len(rows.tokens), "draws": draws}
        ledger.row(key, partial(_bits, model, rows.tokens, label, draws))
    return tables(model, ledger.rows)


def tables(model: DiffusionModel, rows: Sequence[Row]) -> list[Table]:
    """The rows, with a column of its own for a number that bounds nothing, and the bar of the free ones."""
    show = ["slots", "texts", "tokens", "draws", *(name for name in (BITS, NO_BOUND) if any(name in row for row in rows)),
            "± (95%)"]
    given = [Bar(f"bits per token, {row['texts']} texts", row[BITS], high=LIMITS[model.slug])
             for row in rows if row["slots"] == FREE and BITS in row and model.slug in LIMITS]
    caption = "Upper bound of bits per token, words and END, on held-out text"
    return [Table.of(caption, rows, show), *([bars(*given)] if given else [])]


@torch.no_grad()
def _bits(model: DiffusionModel, tokens: torch.Tensor, label: torch.Tensor, draws: int) -> Row:
    """Bits per token and half the width of the 95% interval, of tokens (N, L) with labels (N, S)."""
    counts = ((tokens != PAD) & (tokens != END)).sum(1) + 1
    generator = torch.Generator().manual_seed(SEED)
    total = torch.zeros(len(tokens), dtype=torch.float64)
    for _ in tqdm(range(draws), desc=f"likelihood of {model.slug}", leave=False):
        total += torch.cat([bound(model, part, told, generator) for part, told in
                            zip(tokens.split(BATCH), label.split(BATCH), strict=True)])
    bits, interval = bits_per_token(total / draws, counts)
    name = BITS if getattr(model, "bound_is_strict", True) else NO_BOUND
    return {"tokens": int(counts.sum()), name: bits, "± (95%)": interval}


def bound(model: DiffusionModel, tokens: torch.Tensor, label: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The model's bound of each row in nats, (B,), in float64 on the CPU."""
    rng = BatchRng(generator, len(tokens), model.device)
    return model.bound(tokens.to(model.device), label.to(model.device), rng).double().cpu()
