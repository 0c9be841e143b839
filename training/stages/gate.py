"""What LD4LG's runs measure and fit on held-out rows: do texts come back from their latents, and how sharp is the probe."""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import BatchRng
from diffusion.nn.codec import Codec
from training.data.corpus import Corpus
from training.progress import say
from training.run import Run

GATE = 0.95              # share of held-out texts that must come back exactly before the diffusion is trained
GATE_ROWS, FITTED_ROWS = 1_000, 256
SEED = 20221219


class Staged(Protocol):
    """A model with an autoencoder whose probe is fitted on held-out rows."""

    codec: Codec

    def beliefs(self, tokens: Tensor, rng: BatchRng) -> Tensor: ...


@torch.no_grad()
def fit_temperature(model: Staged, tokens: Tensor) -> float:
    """Fits the temperature of the probe to held-out texts (N, L) and returns it: the one with the least cross-entropy."""
    rng = BatchRng(torch.Generator().manual_seed(SEED), len(tokens), tokens.device)
    logits = model.beliefs(tokens, rng).flatten(0, 1)
    grid = torch.logspace(-0.5, 0.5, 41)
    costs = [float(F.cross_entropy(logits / value, tokens.flatten())) for value in grid]
    best = float(grid[costs.index(min(costs))])
    model.codec.autoencoder.temperature.fill_(best)
    return round(best, 4)


@torch.no_grad()
def exactly_back(codec: Codec, tokens: Tensor, batch: int = 64) -> float:
    """Share of texts (N, L) that come back from their latents word for word, written greedily."""
    tokens = tokens.to(next(codec.parameters()).device)
    same = [(codec.write(codec.encode(rows), rows.shape[1], unknown=True) == rows).all(1) for rows in tokens.split(batch)]
    return round(float(torch.cat(same).float().mean()), 4)


def check(codec: Codec, data: Corpus, below: bool) -> dict[str, Any]:
    """What a run in the latents says of them in its card; the share of held-out texts that come back exactly is printed.

    Raises:
        StudioError: fewer come back than `GATE`, and the run was not told to start all the same.
    """
    if data.tuning is None:
        return {}
    rows = data.tuning.tokens[:GATE_ROWS]
    share = exactly_back(codec, rows)
    told = f"{share:.1%} of {len(rows)} held-out texts come back exactly from their latents"
    if share < GATE and not below:
        raise StudioError(f"Only {told}; diffusion starts from {GATE:.0%} on. Train the autoencoder for longer, or add "
                          f"--below-gate to start all the same.")
    say(f"{told} (at least {GATE:.0%} are wanted{', and the run was told not to mind' if share < GATE else ''}).")
    return {"exactly_back": share, "below_gate": share < GATE}


def settle(run: Run, data: Corpus) -> None:
    """At the end of a run, what is fitted on held-out rows: the temperature of the probe."""
    if data.tuning is None or not hasattr(run.model, "beliefs"):
        return
    rows = data.tuning.tokens[:FITTED_ROWS].to(next(run.model.parameters()).device)
    with run.averaged() as model:
        temperature = fit_temperature(model, rows)
        share = None if isinstance(model, DiffusionModel) else exactly_back(model.codec, data.tuning.tokens[:GATE_ROWS])
    run.model.codec.autoencoder.temperature.fill_(temperature)
    run.ema["codec.autoencoder.temperature"].fill_(temperature)
    run.about["probe_temperature"] = temperature
    say(f"The probe's temperature is {temperature}.")
    if share is not None:
        run.about["exactly_back"] = share
        say(f"{share:.1%} of {min(GATE_ROWS, len(data.tuning.tokens))} held-out texts come back exactly from their latents.")
