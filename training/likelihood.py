"""Measures how likely a model finds held-out text: bits per token, words and END counted."""

from __future__ import annotations

import torch
from tqdm.auto import tqdm

from diffusion.core.model import DiffusionModel
from diffusion.core.rng import BatchRng
from diffusion.core.vocab import END, PAD
from training.data import Encoded
from training.metrics import bits_per_token
from training.results import Row, Table

SEED = 20220602
BATCH = 64


@torch.no_grad()
def likelihood(model: DiffusionModel, rows: Encoded, draws: int) -> list[Table]:
    """The bound on held-out rows, with every slot unknown and with the row's own label.

    Args:
        rows: tokens (N, L) and full labels (N, S).
        draws: times drawn for each row; the bound is their mean, and its interval holds the spread of rows and draws.
    """
    counts = ((rows.tokens != PAD) & (rows.tokens != END)).sum(1) + 1
    table: list[Row] = []
    for name, label in (("unknown", torch.zeros_like(rows.labels)), ("the row's own", rows.labels)):
        generator = torch.Generator().manual_seed(SEED)
        total = torch.zeros(len(rows.tokens), dtype=torch.float64)
        for _ in tqdm(range(draws), desc=f"likelihood, slots {name}", leave=False):
            total += torch.cat([bound(model, tokens, told, generator) for tokens, told in
                                zip(rows.tokens.split(BATCH), label.split(BATCH), strict=True)])
        bits, interval = bits_per_token(total / draws, counts)
        table.append({"slots": name, "texts": len(counts), "tokens": int(counts.sum()), "draws": draws,
                      "bits per token": bits, "± (95%)": interval})
    return [Table.of("Upper bound of bits per token, words and END, on held-out text", table)]


def bound(model: DiffusionModel, tokens: torch.Tensor, label: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The model's bound of each row in nats, (B,), in float64 on the CPU."""
    rng = BatchRng(generator, len(tokens), model.device)
    return model.bound(tokens.to(model.device), label.to(model.device), rng).double().cpu()
