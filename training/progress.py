"""What a training run shows while it goes on: metrics, validation loss, and a sample to read."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import nn
from tqdm.auto import tqdm

import diffusion
from diffusion.core.rng import BatchRng
from diffusion.core.types import Request
from diffusion.papers.autoregressive import Autoregressive, LanguageModel
from training.data import corpus
from training.data.corpus import Corpus

if TYPE_CHECKING:
    from training.run import Run

LOG_EVERY = 50           # steps between two lines of metrics
METRICS = "metrics.jsonl"
_VALID_ROWS = 256
_SAMPLE_STEPS = 32


class Log:
    """Metrics of a run, as a line of JSON each and, where TensorBoard is installed, as its events.

    Args:
        folder: the run's folder.
        history: lines up to the state that the run starts from; what a killed run wrote after them is dropped.
        step: step of that state.
    """

    def __init__(self, folder: Path, history: list[dict[str, Any]], step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / METRICS
        kept = self.path.with_suffix(".part")
        kept.write_text("".join(json.dumps(line) + "\n" for line in history), encoding="utf-8")
        os.replace(kept, self.path)
        self.board = _board(folder / "tensorboard", step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 where: TracebackType | None) -> None:
        if self.board is not None:
            self.board.close()

    def add(self, line: dict[str, Any]) -> None:
        """Appends one line; a sample in it is printed above the progress bar."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if "sample" in line:
            say(f"step {line['step']}: validation loss {line['valid']:.3f} · {line['sample']}")
        for name, value in line.items():
            if self.board is None or name == "step":
                continue
            if isinstance(value, str):
                self.board.add_text(name, value, line["step"])
            else:
                self.board.add_scalar(name, value, line["step"])


def _board(folder: Path, step: int) -> Any:
    """A writer of TensorBoard events, or None where it is not installed."""
    try:
        import tensorboard  # noqa: F401
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        say("TensorBoard is not installed: metrics go to metrics.jsonl alone (pip install tensorboard).")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)


def say(line: str) -> None:
    """Prints a line to standard error without tearing the progress bar."""
    tqdm.write(line, file=sys.stderr)


def look(run: Run, data: Corpus) -> dict[str, Any]:
    """Validation loss and a text, both with the EMA weights; the run goes on as if nobody had looked."""
    with run.averaged() as model:
        return {"valid": valid_loss(model, data, run.recipe.batch), "sample": live_sample(model, data)}


@torch.no_grad()
def valid_loss(model: nn.Module, data: Corpus, batch: int) -> float:
    """Training loss on the first validation rows, always with the same noise, times and hidden labels."""
    generator, device = torch.Generator().manual_seed(0), next(model.parameters()).device
    total, rows = 0.0, min(_VALID_ROWS, len(data.valid.tokens))
    for first in range(0, rows, batch):
        part = slice(first, min(first + batch, rows))
        tokens, sourced = data.valid.tokens[part], getattr(model, "source", False)
        labels, source = corpus.conditions(data.valid.labels[part], data, generator, sourced)
        told = (labels.to(device), BatchRng(generator, len(tokens), device), *([source.to(device)] if sourced else []))
        losses = model.loss(tokens.to(device), *told)
        total += float(losses.sum())
    return round(total / rows, 4)


def live_sample(model: nn.Module, data: Corpus) -> str:
    """One free text, always from the same seed; the judge writes it as the baseline does, LD4LG's stages show theirs."""
    if hasattr(model, "show"):
        return model.show(data.valid.tokens[:1].to(next(model.parameters()).device))
    if isinstance(model, LanguageModel):
        writer = Autoregressive(model.config, model.vocab, model.labels).to(next(model.parameters()).device)
        writer.model = model
        model = writer
    trace = diffusion.generate(model, Request(length=model.length, seeds=(0,), steps=_SAMPLE_STEPS)).run()
    return model.vocab.text(trace.ids[0])
