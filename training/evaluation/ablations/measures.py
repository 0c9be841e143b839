"""What an ablation measures of a model: its bound, what it writes on its own, and how long a run takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from tqdm.auto import tqdm

from diffusion.core.model import DiffusionModel
from diffusion.core.rng import BatchRng
from diffusion.core.types import Request
from diffusion.text.vocab import PAD
from training.evaluation.likelihood import measure as likelihood
from training.evaluation.quality import measure as quality
from training.evaluation.quality.measure import Bench
from training.evaluation.quality.metrics import Text, bits_per_token
from training.evaluation.report.results import Row

BATCH = 64


@torch.no_grad()
def bits(model: DiffusionModel, tokens: Tensor, draws: int) -> tuple[float, float]:
    """The model's bound on rows (N, L) in bits per token, words and END, and half the width of its 95% interval.

    Free: every slot unknown and no source. Each row's bound is the mean of `draws` draws.
    """
    generator, total = torch.Generator().manual_seed(likelihood.SEED), torch.zeros(len(tokens), dtype=torch.float64)
    for _ in tqdm(range(draws), desc="bound", leave=False):
        parts = []
        for rows in tokens.split(BATCH):
            free = model.labels.free().expand(len(rows), -1)
            rng = BatchRng(generator, len(rows), model.device)
            parts.append(model.bound(rows.to(model.device), free.to(model.device), rng).double().cpu())
        total += torch.cat(parts)
    return bits_per_token(total / draws, (tokens != PAD).sum(1))


def samples(model: DiffusionModel, bench: Bench, request: Request, count: int) -> Row:
    """`count` free texts of seeds 0, 1, ... beside as many human ones."""
    began = time.perf_counter()
    texts = quality.write(model, request, count)
    seconds = time.perf_counter() - began
    return {**against_human(bench, texts), "seconds to sample": seconds, "samples": count}


def against_human(bench: Bench, texts: Sequence[Text]) -> Row:
    """The judge's figures of a pool of texts, and what they are of as many human ones."""
    own, human = bench.figures(texts), bench.figures([row.words for row in bench.first(len(texts))])
    chosen = ("perplexity", "± (95%)", "distinct-4", "self-BLEU %", "verbatim %", "copied 4-grams %", "words")
    row: Row = {("± perplexity" if name == "± (95%)" else name): own[name] for name in chosen}
    for name in ("perplexity", "distinct-4"):
        row[f"{name} / human"] = own[name] / human[name]
    return {**row, "human copied 4-grams %": human["copied 4-grams %"], "human verbatim %": human["verbatim %"]}


def timed(models: Sequence[DiffusionModel], request: Request, repeats: int) -> tuple[list[float], list[list[Text]]]:
    """Median seconds of a run of each model, taken in turn so that a slow moment hits all of them; and what each wrote."""
    seconds: list[list[float]] = [[] for _ in models]
    written = [quality.finished(model, request) for model in models]         # warms up
    for _ in range(repeats):
        for times, model in zip(seconds, models, strict=True):
            began = time.perf_counter()
            quality.finished(model, request)
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in seconds], written
