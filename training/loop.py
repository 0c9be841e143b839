"""The training loop: one model, one recipe, resumable bit for bit."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm.auto import tqdm

from diffusion import autoregressive, diffusion_lm
from diffusion.core import checkpoint
from diffusion.core.labels import LabelSet, parse_meaning
from diffusion.core.rng import BatchRng
from diffusion.core.vocab import Vocabulary
from training import data as corpus
from training import state
from training.recipes import Recipe

BUILDERS = {
    "diffusion-lm": diffusion_lm.DiffusionLM,
    "ar": autoregressive.LanguageModel,
    "judge": autoregressive.LanguageModel,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ between two runs of one recipe."""

    output: Path
    max_minutes: float = math.inf
    resume: bool = False
    init_from: str | None = None
    save_every: int = 500
    compile: bool = False
    threads: int = 1


@dataclass(slots=True)
class Corpus:
    """Everything the data give: words, labels, encoded rows."""

    vocab: Vocabulary
    labels: LabelSet
    train: corpus.Encoded
    valid: corpus.Encoded
    source: str


def load_corpus(folder: Path, recipe: Recipe, length: int) -> Corpus:
    """Reads train.csv and valid.csv; vocabulary and labels come from all training rows, batches from the recipe's part."""
    rows, valid = corpus.read_csv(folder / "train.csv"), corpus.read_csv(folder / "valid.csv")
    vocab = Vocabulary.build(row.text for row in rows)
    labels = LabelSet.build(parse_meaning(row.meaning) for row in rows)
    kept, _ = corpus.hold_out(rows)
    if recipe.rows == "half":
        kept = corpus.second_half(kept)
    return Corpus(vocab, labels, corpus.Encoded.encode(kept, vocab, labels, length),
                  corpus.Encoded.encode(valid, vocab, labels, length), folder.name)


def build(recipe: Recipe, data: Corpus) -> nn.Module:
    """The recipe's model with the data's label sizes, freshly initialised from the recipe's seed."""
    sizes = data.labels.sizes
    if hasattr(recipe.config, "backbone"):
        config = dataclasses.replace(recipe.config, backbone=dataclasses.replace(recipe.config.backbone, label_sizes=sizes))
    else:
        config = dataclasses.replace(recipe.config, label_sizes=sizes)
    torch.manual_seed(recipe.seed)
    return BUILDERS[recipe.model](config, data.vocab, data.labels)


@dataclass(slots=True)
class Run:
    """A training run between two steps: all that the resume state holds."""

    recipe: Recipe
    model: nn.Module
    optimiser: torch.optim.Optimizer
    ema: dict[str, Tensor]
    generator: torch.Generator
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Writes the resume state."""
        tensors = {f"model.{name}": value for name, value in checkpoint.distinct(self.model).items()}
        tensors |= {f"ema.{name}": value for name, value in self.ema.items()}
        for index, slot in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in slot.items()}
        tensors["generator"] = self.generator.get_state()
        tensors["torch"] = torch.get_rng_state()
        state.write(folder, self.step, tensors, {"seconds": self.seconds, "history": self.history})

    def restore(self, folder: Path) -> None:
        """Goes back to the newest resume state, bit for bit."""
        tensors, info = state.read(folder)
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "ema": {}, "optimiser": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in groups:
                groups[kind][rest] = value
        own = checkpoint.distinct(self.model)
        with torch.no_grad():
            for name, value in groups["model"].items():
                own[name].copy_(value)
        for name, value in groups["ema"].items():
            self.ema[name].copy_(value)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in groups["optimiser"].items():
            index, _, key = name.partition(".")
            slots.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict({"state": slots, "param_groups": self.optimiser.state_dict()["param_groups"]})
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        self.step, self.seconds, self.history = info["step"], info["seconds"], info["history"]


def start(recipe: Recipe, data: Corpus, options: Options) -> Run:
    """A run at step 0, from fresh weights or from the EMA weights of a checkpoint."""
    model = build(recipe, data)
    if options.init_from is not None:
        checkpoint.fill(model, checkpoint.read(checkpoint.locate(options.init_from)))
    model.train()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": recipe.weight_decay},
                                   {"params": others, "weight_decay": 0.0}], lr=recipe.lr, betas=(0.9, 0.98), fused=True)
    ema = {name: value.detach().clone() for name, value in checkpoint.distinct(model).items()}
    return Run(recipe, model, optimiser, ema, torch.Generator().manual_seed(recipe.seed))


def rate(recipe: Recipe, step: int) -> float:
    """Learning rate: linear warm-up, constant, linear decay to 0 over the second half."""
    warm = min(1.0, (step + 1) / max(1, recipe.warmup))
    return recipe.lr * warm * min(1.0, 2 * (1 - step / recipe.steps))


def train(recipe: Recipe, data: Corpus, options: Options) -> Run:
    """Trains until the recipe's last step or the minutes are over, saving as it goes; returns the run."""
    torch.set_num_threads(options.threads)
    accelerator = Accelerator()
    run = start(recipe, data, options)
    if options.resume:
        run.restore(options.output)
    run.model.to(accelerator.device)
    for module in run.model.modules():
        if hasattr(module, "autocast"):
            module.autocast = True
    if options.compile:
        run.model.network.compile()
    steps = corpus.batches(data.train, recipe.batch, recipe.seed, run.step, recipe.short, recipe.short_share)
    began = time.monotonic() - run.seconds
    bar = tqdm(total=recipe.steps, initial=run.step, desc=recipe.model, unit="step", mininterval=5)
    for tokens, labels in steps:
        if run.step >= recipe.steps or (time.monotonic() - began) / 60 >= options.max_minutes:
            break
        metrics = advance(run, tokens, labels, accelerator)
        run.seconds = time.monotonic() - began
        bar.update()
        if run.step % 50 == 0:
            metrics = {name: float(value) for name, value in metrics.items()}
            record(run, options.output, metrics)
            bar.set_postfix(loss=f"{metrics['loss']:.3f}")
        if run.step % options.save_every == 0:
            run.save(options.output)
    run.save(options.output)
    bar.close()
    return run


def advance(run: Run, tokens: Tensor, labels: Tensor, accelerator: Accelerator) -> dict[str, Any]:
    """One step of optimisation."""
    recipe, device = run.recipe, accelerator.device
    if recipe.hide_labels:
        labels = corpus.hide(labels, run.generator)
    rng = BatchRng(run.generator, len(tokens), device)
    for group in run.optimiser.param_groups:
        group["lr"] = rate(recipe, run.step)
    loss = run.model.loss(tokens.to(device), labels.to(device), rng).mean()
    accelerator.backward(loss)
    norm = accelerator.clip_grad_norm_(run.model.parameters(), recipe.clip)
    run.optimiser.step()
    run.optimiser.zero_grad(set_to_none=True)
    run.step += 1
    follow(run)
    return {"loss": loss.detach(), "norm": norm}


@torch.no_grad()
def follow(run: Run) -> None:
    """Moves the EMA weights towards the weights; early on faster, so that they forget the initialisation."""
    decay = min(run.recipe.ema, (1 + run.step) / (10 + run.step))
    own = checkpoint.distinct(run.model)
    floats = [name for name, value in run.ema.items() if value.is_floating_point()]
    torch._foreach_lerp_([run.ema[name] for name in floats], [own[name].to(run.ema[name].device) for name in floats], 1 - decay)


def record(run: Run, folder: Path, metrics: dict[str, float]) -> None:
    """Adds a line to metrics.jsonl."""
    line = {"step": run.step, "minutes": round(run.seconds / 60, 2), "lr": rate(run.recipe, run.step), **metrics}
    run.history.append(line)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def card(run: Run, data: Corpus, name: str, options: Options) -> dict[str, Any]:
    """How the checkpoint came to be."""
    return {
        "recipe": name, "data": data.source, "rows": len(data.train.tokens), "left_out": data.train.left_out,
        "steps": run.step, "minutes": round(run.seconds / 60, 1), "parameters": sum(p.numel() for p in run.model.parameters()),
        "hardware": f"{platform.processor() or platform.machine()}, {options.threads} threads"
                    if not torch.cuda.is_available() else torch.cuda.get_device_name(),
        "torch": torch.__version__, "commit": commit(), "init_from": options.init_from,
        "licence_of_data": "CC BY-SA 4.0 (E2E NLG, Novikova, Dušek, Rieser 2017)",
        "curve": run.history[:: max(1, len(run.history) // 200)],
    }


def commit() -> str:
    """The commit of the working tree, or 'unknown' outside one."""
    answer = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                            cwd=Path(__file__).parent, check=False)
    return answer.stdout.strip() or "unknown"


def chunks(tokens: Tensor, labels: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Slices of at most `size` rows."""
    yield from zip(tokens.split(size), labels.split(size), strict=True)
