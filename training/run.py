"""A training run between two steps: what it holds, how it is saved, and how it is brought back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffusion.core import checkpoint
from diffusion.core.errors import StudioError
from training import state
from training.recipes import Recipe


@dataclass(slots=True)
class Run:
    """A training run between two steps: all that the resume state holds.

    `about` is what the card says of how it was made: hardware, torch, commit, and the checkpoint that it started from.
    """

    recipe: Recipe
    model: nn.Module
    optimiser: torch.optim.Optimizer
    ema: dict[str, Tensor]
    generator: torch.Generator
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Writes the resume state."""
        tensors = {f"model.{name}": value for name, value in checkpoint.distinct(self.model).items()}
        tensors |= {f"ema.{name}": value for name, value in self.ema.items()}
        for index, slot in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in slot.items()}
        tensors["generator"] = self.generator.get_state()
        tensors["torch"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["cuda"] = torch.cuda.get_rng_state()
        state.write(folder, self.step, tensors, {"seconds": self.seconds, "history": self.history, "about": self.about,
                                                 "recipe": plain(self.recipe)})

    def restore(self, folder: Path) -> None:
        """Goes back to the newest resume state, bit for bit.

        Raises:
            StudioError: there is none, it is damaged, or it is of another recipe or other data.
        """
        tensors, info = state.read(folder)
        _same_recipe(folder, info.get("recipe"), self.recipe)
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "ema": {}, "optimiser": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            if kind in groups:
                groups[kind][rest] = value
        copy_weights(_prefixed(groups["model"], self.ema), checkpoint.distinct(self.model), folder)
        copy_weights(_prefixed(groups["ema"], self.ema), self.ema, folder)
        slots: dict[int, dict[str, Tensor]] = {}
        for name, value in groups["optimiser"].items():
            index, _, key = name.partition(".")
            slots.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict({"state": slots, "param_groups": self.optimiser.state_dict()["param_groups"]})
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["torch"])
        if "cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["cuda"])
        self.step, self.seconds, self.history = info["step"], info["seconds"], info["history"]
        self.about = {**self.about, **info.get("about", {})}

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The model with its EMA weights, to look at it; weights, mode and torch's random state come back."""
        own = checkpoint.distinct(self.model)
        before = {name: value.clone() for name, value in own.items()}
        copy_weights(self.ema, own)
        self.model.eval()
        try:
            with torch.random.fork_rng(), torch.no_grad(), torch.compiler.set_stance("force_eager"):
                yield self.model
        finally:
            copy_weights(before, own)
            self.model.train()


def plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(recipe)))


def _defaults(settings: Any) -> dict[str, Any]:
    """The fields of a dataclass that have a plain default, as JSON values."""
    known = {field.name: field.default for field in dataclasses.fields(settings)
             if field.default is not dataclasses.MISSING}
    return json.loads(json.dumps(known))


def _same_recipe(folder: Path, saved: dict[str, Any] | None, recipe: Recipe) -> None:
    """Refuses to go on with other settings than those the run began with (states without a recipe are trusted).

    A field that the state does not know is younger than it, and had its default.
    """
    now = plain(recipe)
    if saved is not None:
        saved = {**_defaults(recipe), **saved, "config": {**_defaults(recipe.config), **saved.get("config", {})}}
    for name in sorted(set(saved or {}) | set(now)) if saved is not None else ():
        if saved.get(name) != now.get(name):
            raise StudioError(f"The run in '{folder}' began with {name} = {saved.get(name)}, not {now.get(name)}. "
                              f"Resume it with the same recipe, or choose another --output.")


def _prefixed(values: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """States of a bare language model lack the prefix of the paper's class around it."""
    return {name if name in own else f"model.{name}": value for name, value in values.items()}


@torch.no_grad()
def copy_weights(values: dict[str, Tensor], into: dict[str, Tensor], folder: Path | None = None) -> None:
    """Copies tensors of the same names and shapes.

    Raises:
        StudioError: names or shapes differ, so that the state in `folder` is of another model or other data.
    """
    odd = sorted(set(values) ^ set(into)) or [name for name in into if into[name].shape != values[name].shape]
    if odd:
        raise StudioError(f"The resume state in '{folder}' does not fit this model at '{odd[0]}'. "
                          f"Resume it with the recipe and the data that it was started with.")
    for name, value in values.items():
        into[name].copy_(value)
