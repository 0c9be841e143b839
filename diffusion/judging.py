"""Fluency as the judge sees it: its perplexity on finished texts. The same figure in the app and in every evaluation.

A text is a tuple of word ids without specials other than UNK; a pool is a list of texts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from diffusion.core.errors import StudioError
from diffusion.papers.autoregressive import LanguageModel
from diffusion.text.labels import UNKNOWN
from diffusion.text.vocab import END, PAD

Text = tuple[int, ...]


def texts_of(ids: Tensor) -> list[Text]:
    """Word ids of each row of (B, L) up to its first END, PAD left out."""
    texts = []
    for row in ids.tolist():
        row = row[: row.index(END)] if END in row else row
        texts.append(tuple(word for word in row if word != PAD))
    return texts


def rows_of(texts: Sequence[Text]) -> Tensor:
    """Texts as rows (N, longest + 1) of words, END, PAD ...: the inverse of `texts_of`."""
    rows = torch.full((len(texts), max(map(len, texts)) + 1), PAD)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text) + 1] = torch.tensor([*text, END])
    return rows


def perplexity(judge: LanguageModel, pool: Sequence[Text], batch: int = 64) -> float:
    """exp of the judge's mean negative log-likelihood over all tokens, END included, with every slot unknown.

    Raises:
        StudioError: the pool is empty, or a text does not fit the judge.
    """
    nats, tokens = judged(judge, pool, batch)
    return math.exp(float(nats.sum() / tokens.sum()))


@torch.no_grad()
def judged(judge: LanguageModel, pool: Sequence[Text], batch: int = 64) -> tuple[Tensor, Tensor]:
    """The judge's negative log-likelihood of each text in nats, and its tokens with END, both (N,) in float64.

    Raises:
        StudioError: the pool is empty, or a text does not fit the judge.
    """
    if not pool or max(map(len, pool)) >= judge.length:
        raise StudioError(f"The judge reads one text or more, each of at most {judge.length - 1} words; "
                          f"it was given {len(pool)} texts of up to {max(map(len, pool), default=0)} words.")
    device = next(judge.parameters()).device
    label = torch.full((1, len(judge.labels.slots)), UNKNOWN, device=device)
    nats, tokens = [], []
    for start in range(0, len(pool), batch):
        rows = rows_of(pool[start:start + batch]).to(device)
        losses, counts = judge.nll(rows, label.expand(len(rows), -1))
        nats.append(losses.double().cpu())
        tokens.append(counts.double().cpu())
    return torch.cat(nats), torch.cat(tokens)
