"""Diffusion-LM's inner loop: after each step of the process, a few steps on the noisy vectors themselves.

y starts as the drawn x_s. Each of K inner steps moves every coordinate by 0.1 times the spread of our embeddings' coordinates
(near 1 in the paper, whose embeddings start from N(0, 1)), against the sign of the slope of

    loss(y; wish, s)   +   lambda sum (mu - y)^2 / sigma,      x_s ~ N(mu, sigma^2)

As in the paper: the sign, which is all that an Adagrad optimiser made anew for each step leaves of a gradient; K = 3; the fluency
term divided by the standard deviation (by 1 where that is 0) and summed over positions and coordinates; no steering in the last 5%
of the time; the losses of several controls are summed, with one fluency term. The strength of a control plays no part, except that
0 switches it off. What reads the wish off y is a strategy's own.

Source: Li, Thickstun, Gulrajani, Liang, Hashimoto (2022), arXiv 2205.14217, section 5 and the released control code.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from controllers.strategies.base import SHARED, Steering
from diffusion.core.embedded import EmbeddingModel
from diffusion.core.rng import Rng
from diffusion.core.types import Gaussian, Transition

RATE = 0.1               # of Adagrad, in standard deviations of a coordinate of the embeddings
UNGUIDED = 0.05          # share of the time, at the end, without steering: the last 10 of the paper's 200 steps


class InnerLoop(Steering):
    """Moves x_s against the slope of a loss; each strategy says what the loss is."""

    options: ClassVar[tuple[str, ...]] = ("inner_steps", "fluency", *SHARED)
    inner_steps: ClassVar[int] = 3

    @abstractmethod
    def loss(self, model: EmbeddingModel, y: Tensor, transition: Transition, s: float) -> Tensor:
        """What the wishes lack under the vectors y (B, L, D) at time s, summed over the rows, ()."""

    @property
    @abstractmethod
    def own_fluency(self) -> float:
        """lambda where the request names none."""

    def guided(self, t: float, s: float) -> int:
        """How many inner steps follow the step from t to s."""
        return self.rounds if self.wishing() and self.acts(t) and s >= UNGUIDED else 0

    def after(self, model: EmbeddingModel, previous: Gaussian, transition: Transition, t: float, s: float, rng: Rng) -> Any:
        """The drawn state with its vectors moved towards the wishes."""
        y, inner = transition.state.x, self.guided(t, s)
        if inner:
            size = RATE * model.table().std(correction=0)
            for _ in range(inner):
                y = y - size * self.slope(model, y, transition, s).sign()
        return dataclasses.replace(transition.state, x=y) if inner else transition.state

    def slope(self, model: EmbeddingModel, y: Tensor, transition: Transition, s: float) -> Tensor:
        """Gradient of each row's loss and fluency term by y, (B, L, D)."""
        std = torch.where(transition.std == 0, torch.ones_like(transition.std), transition.std)
        with torch.enable_grad():
            leaf = y.detach().requires_grad_()
            away = ((transition.mean - leaf).square() / std).sum()
            weight = self.asked.fluency or self.own_fluency
            return torch.autograd.grad(self.loss(model, leaf, transition, s) + weight * away, leaf)[0]
