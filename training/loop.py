"""The training loop: one model, one recipe, resumable bit for bit."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm.auto import tqdm

import diffusion
from diffusion.core import checkpoint
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import BatchRng
from diffusion.papers import autoregressive
from training import state
from training.card import card as card
from training.card import machine
from training.data import corpus
from training.data.corpus import Corpus
from training.data.corpus import load_corpus as load_corpus
from training.progress import LOG_EVERY, Log, look, say
from training.recipes import Recipe
from training.run import Run
from training.stages import gate, latent

BUILDERS: dict[str, type[nn.Module]] = {**diffusion.PAPERS, "judge": autoregressive.LanguageModel, **latent.STAGES}


@dataclass(frozen=True, slots=True)
class Options:
    """What may differ between two runs of one recipe without changing what is computed, and where it starts.

    Attributes:
        output: folder of resume states and metrics.
        init_from: checkpoint whose weights the run starts from: a folder, a bundled slug or a Hub id.
        save_every: steps between two resume states.
        look_every: steps between two validation losses with a live sample; 0 for none.
        below_gate: train LD4LG's diffusion although too few texts come back from their latents.
    """

    output: Path
    max_minutes: float = math.inf
    resume: bool = False
    init_from: str | None = None
    save_every: int = 500
    look_every: int = 500
    compile: bool = False
    threads: int = 1
    below_gate: bool = False


def configured(recipe: Recipe, label_sizes: tuple[int, ...]) -> Any:
    """The recipe's model configuration with the data's label sizes."""
    if hasattr(recipe.config, "backbone"):
        backbone = dataclasses.replace(recipe.config.backbone, label_sizes=label_sizes)
        return dataclasses.replace(recipe.config, backbone=backbone)
    if not hasattr(recipe.config, "label_sizes"):         # LD4LG's first stages read no label
        return recipe.config
    return dataclasses.replace(recipe.config, label_sizes=label_sizes)


def build(recipe: Recipe, data: Corpus) -> nn.Module:
    """The recipe's model with the data's label sizes, freshly initialised from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    return BUILDERS[recipe.model](configured(recipe, data.labels.sizes), data.vocab, data.labels)


def start(recipe: Recipe, data: Corpus, options: Options, accelerator: Accelerator | None = None) -> Run:
    """A run at step 0, from fresh weights or from the EMA weights of a checkpoint.

    Raises:
        StudioError: the checkpoint is of another paper, other words or other labels.
    """
    accelerator = accelerator or Accelerator()
    model, about = build(recipe, data), machine(accelerator.device, options.threads)
    if options.init_from is not None:
        opened = checkpoint.read(checkpoint.locate(options.init_from))
        before: str | None = getattr(model, "follows", {}).get(opened.slug)
        _same_words(opened, recipe.model if before is None else opened.slug, data)
        if before is None:
            checkpoint.fill(model, opened)
        else:
            latent.take_over(model, opened, before)
        if isinstance(model, diffusion.LD4LG):
            about |= gate.check(model.codec, data, options.below_gate)
        about["init_from"] = begun_from(options.init_from, opened)
    model.train()
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98), fused=True)
    model, optimiser = accelerator.prepare(model, optimiser)
    ema = {name: value.detach().clone() for name, value in checkpoint.distinct(model).items()}
    return Run(recipe, model, optimiser, ema, torch.Generator().manual_seed(recipe.seed), about=about)


def begun_from(name: str, opened: checkpoint.Checkpoint) -> dict[str, Any]:
    """What a card says of the checkpoint that a run starts from, and of the one that this had started from, and so on.

    Of a folder only the last two parts of its path are told, since folders differ between machines.
    """
    short = "/".join(Path(name).parts[-2:]) if Path(name).is_absolute() else name
    told = {"name": short, "hash": opened.hash, **{key: opened.card.get(key) for key in ("recipe", "steps", "batch", "minutes")}}
    earlier = opened.card.get("init_from")
    return {**told, "init_from": earlier} if earlier else told


def _same_words(opened: checkpoint.Checkpoint, slug: str, data: Corpus) -> None:
    told = {"paper": (opened.slug, slug), "vocabulary": (opened.vocab.fingerprint, data.vocab.fingerprint),
            "label set": (opened.labels.fingerprint, data.labels.fingerprint)}
    for kind, (theirs, ours) in told.items():
        if theirs != ours:
            raise StudioError(f"'{opened.folder}' has the {kind} {theirs}, this run {ours}: they do not fit. "
                              f"Give a checkpoint of the same {kind}, or leave --init-from out.")


def rate(recipe: Recipe, step: int) -> float:
    """Learning rate: linear warm-up, constant, linear decay to 0 over the second half."""
    warm = min(1.0, (step + 1) / max(1, recipe.warmup))
    return recipe.lr * warm * min(1.0, 2 * (1 - step / recipe.steps))


def begin(recipe: Recipe, data: Corpus, options: Options, accelerator: Accelerator) -> Run:
    """A run at its start, or at the newest state in the output folder when it is resumed.

    Raises:
        StudioError: the folder holds a run that was not asked to be resumed, or one of another recipe.
    """
    if accelerator.num_processes > 1:
        raise StudioError(f"Training runs in one process, not in {accelerator.num_processes}. "
                          f"Start it without accelerate launch.")
    begun = bool(state.found(options.output))
    if begun and not options.resume:
        raise StudioError(f"'{options.output}' holds a run already. Add --resume to go on with it, "
                          f"or choose another --output.")
    resumed = options.resume and begun
    run = start(recipe, data, dataclasses.replace(options, init_from=None) if resumed else options, accelerator)
    if resumed:
        run.restore(options.output)
    elif options.init_from is None:
        latent.must_follow(run.model)
    if options.resume and not begun:
        say(f"No state was saved in '{options.output}' yet: starting at step 0.")
    for module in run.model.modules():                   # the network runs in bf16, the mathematics around it in fp32
        if hasattr(module, "autocast"):
            module.autocast = True
    if options.compile:
        _compile(run.model)
    return run


def _compile(model: nn.Module) -> None:
    """Compiles the network of a model that has one.

    Raises:
        StudioError: it is a stage of LD4LG that has none; its texts are of other lengths in every batch.
    """
    inner = getattr(getattr(model, "model", model), "network", None)
    if inner is None:
        raise StudioError(f"{model.title} is trained without --compile: its batches are of many lengths, and each would be "
                          f"compiled anew. Leave --compile out.")
    getattr(inner, "transformer", inner).compile()


def train(recipe: Recipe, data: Corpus, options: Options) -> Run:
    """Trains until the recipe's last step or the minutes are over, saving as it goes; returns the run.

    Raises:
        StudioError: the output folder or the checkpoint to start from does not fit, or the loss is not finite any more.
    """
    torch.set_num_threads(options.threads)
    accelerator = Accelerator()                          # one device; precision is the network's own matter
    run = begin(recipe, data, options, accelerator)
    steps = corpus.batches(data.train, recipe.batch, recipe.seed, run.step, recipe.short, recipe.short_share)
    began = time.monotonic() - run.seconds
    with Log(options.output, run.history, run.step) as log, tqdm(
            total=recipe.steps, initial=run.step, desc=recipe.model, unit="step", mininterval=5) as bar:
        while run.step < recipe.steps and (time.monotonic() - began) / 60 < options.max_minutes:
            metrics = advance(run, *next(steps), data, accelerator)
            run.seconds = time.monotonic() - began
            bar.update()
            looked = bool(options.look_every) and run.step % options.look_every == 0
            saved = run.step % options.save_every == 0
            if looked or saved or run.step % LOG_EVERY == 0:
                record(run, log, metrics, look(run, data) if looked else {})
                bar.set_postfix(loss=f"{run.history[-1]['loss']:.3f}")
            if saved:
                run.save(options.output)
        if run.step == recipe.steps:
            gate.settle(run, data)
        run.save(options.output)
    return run


def advance(run: Run, tokens: Tensor, labels: Tensor, data: Corpus, accelerator: Accelerator) -> dict[str, Any]:
    """One step of optimisation."""
    recipe, device, sources = run.recipe, accelerator.device, []
    if recipe.hide_labels:
        labels, source = corpus.conditions(labels, data, run.generator, getattr(run.model, "source", False))
        sources = [] if source is None else [source.to(device)]
    rng = BatchRng(run.generator, len(tokens), device)
    for group in run.optimiser.param_groups:
        group["lr"] = rate(recipe, run.step)
    loss = run.model.loss(tokens.to(device), labels.to(device), rng, *sources).mean()
    accelerator.backward(loss)
    norm = accelerator.clip_grad_norm_(run.model.parameters(), recipe.clip)
    run.optimiser.step()
    run.optimiser.zero_grad(set_to_none=True)
    run.step += 1
    if isinstance(run.model, DiffusionModel):
        run.model.after_step(run.step)
    follow(run)
    return {"loss": loss.detach(), "norm": norm}


@torch.no_grad()
def follow(run: Run) -> None:
    """Moves the EMA weights towards the weights; early on faster, so that they forget the initialisation.

    Buffers are facts, not weights: they are copied.
    """
    decay = min(run.recipe.ema, (1 + run.step) / (10 + run.step))
    own = checkpoint.distinct(run.model)
    for name, _ in run.model.named_buffers():
        if name in run.ema:
            run.ema[name].copy_(own[name])
    floats = [name for name, value in run.ema.items() if value.is_floating_point()]
    torch._foreach_lerp_([run.ema[name] for name in floats], [own[name] for name in floats], 1 - decay)


def record(run: Run, log: Log, metrics: dict[str, Any], looked: dict[str, Any]) -> None:
    """Adds a line to the history and to the logs.

    Raises:
        StudioError: the loss is not finite; nothing after the last saved state is worth keeping.
    """
    values = {name: float(value) for name, value in metrics.items()}
    if not math.isfinite(values["loss"]):
        raise StudioError(f"The loss is {values['loss']} at step {run.step}. --resume goes on from the last state; "
                          f"a recipe with a lower learning rate may be needed.")
    line = {"step": run.step, "minutes": round(run.seconds / 60, 2), "lr": rate(run.recipe, run.step)}
    line |= {**values, **looked}
    run.history.append(line)
    log.add(line)
