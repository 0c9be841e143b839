"""The contract of a sampler: one step from t to s, with explicit memory, so that multi-step methods hide nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch

from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Request, Transition


class Sampler(ABC):
    """One way to walk from noise to text. The docstring of each is its caption in the app."""

    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, request: Request) -> None:
        self.request = request

    def times(self, model: DiffusionModel, steps: int) -> list[float]:
        """`steps` + 1 times from 1 to 0; equal distances unless a sampler knows better."""
        return torch.linspace(1, 0, steps + 1, dtype=torch.float64).tolist()

    @abstractmethod
    def advance(self, model: DiffusionModel, state: Any, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, Any]:
        """The state at s < t drawn from the state at t and the prediction, and the memory for the next step."""
