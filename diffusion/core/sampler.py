"""The contract of a sampler: one step from t to s, with explicit memory, so that multi-step methods hide nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch

from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Request, Space, Transition


class Sampler(ABC):
    """One way to walk from noise to text. The docstring of each is its caption in the app.

    Class attributes: `slug` and `title` name it; `options` are the fields of the request that it reads and not every sampler
    does; `spaces` are the kinds of state that it can walk through; `heeds_steps` says that the number of steps is the request's;
    `usual_steps` is a number that serves it well.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    options: ClassVar[tuple[str, ...]] = ()
    spaces: ClassVar[tuple[Space, ...]] = (Space.GAUSSIAN,)
    heeds_steps: ClassVar[bool] = True
    usual_steps: ClassVar[int] = 64

    def __init__(self, request: Request) -> None:
        self.request = request

    def times(self, model: DiffusionModel, steps: int) -> list[float]:
        """`steps` + 1 times from 1 to 0; equal distances unless a sampler knows better."""
        return torch.linspace(1, 0, steps + 1, dtype=torch.float64).tolist()

    @abstractmethod
    def advance(self, model: DiffusionModel, state: Any, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, Any]:
        """The state at s < t drawn from the state at t and the prediction, and the memory for the next step."""


def why_not(sampler: type[Sampler] | Sampler, model: DiffusionModel) -> str | None:
    """Why a sampler does not fit a model, as a sentence that names those that do; None if it fits."""
    if sampler.slug in model.samplers:
        return None
    walks, choice = " or ".join(sampler.spaces), ", ".join(model.samplers)
    if model.space not in sampler.spaces:
        return (f"The sampler '{sampler.slug}' does not fit {model.title}: it walks through {walks}, but the states of "
                f"{model.title} are {model.space}. Choose {choice}.")
    return f"The sampler '{sampler.slug}' does not fit {model.title}, whose samplers are {choice}."
