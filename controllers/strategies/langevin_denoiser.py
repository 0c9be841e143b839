"""Diffusion-LM's own way of steering: gradient steps on the noisy vectors themselves, after each step of the process.

y starts as the drawn x_s. Each of K inner steps moves every coordinate by 0.1 times the spread of our embeddings' coordinates
(near 1 in the paper, whose embeddings start from N(0, 1)), against the sign of the slope of

    - sum over the controllers of log p(wish | y)   +   lambda sum (mu - y)^2 / sigma,      x_s ~ N(mu, sigma^2)

As in the paper: the sign, which is all that an Adagrad optimiser made anew for each step leaves of a gradient; K = 3; the fluency
term divided by the standard deviation (by 1 where that is 0); no steering in the last 5% of the time; controllers are summed with
one fluency term. The strength of a control plays no part, except that 0 switches it off.
Different here: p(wish | y) is read off the model's own belief about y at time s, through the network, in place of a classifier
trained on noisy vectors (there is none). So every controller steers this way without training. lambda is one number for
all controllers (the paper's: 0.01 content and length, 0.0001 parts of speech, 0.0005 trees, 0.1 spans). Hard masks act through the
common port, where the paper pulls a length by its gradient.

Source: Li, Thickstun, Gulrajani, Liang, Hashimoto (2022), arXiv 2205.14217, section 5 and the released control code.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import torch
from torch import Tensor

from controllers.strategies.base import SHARED, Steering
from diffusion.core.copies import copied
from diffusion.core.embedded import EmbeddingModel
from diffusion.core.rng import Rng
from diffusion.core.types import Gaussian, Prediction, Transition

RATE = 0.1               # of Adagrad, in standard deviations of a coordinate of the embeddings
UNGUIDED = 0.05          # share of the time, at the end, without steering: the last 10 of the paper's 200 steps


class Langevin(Steering):
    """Diffusion-LM's own way: after each step the noisy vectors themselves are moved against the slope of what is wished, with a
    term that keeps them near the model's own step. It goes back through the network at every inner step, so it takes longer."""

    slug: ClassVar[str] = "langevin"
    title: ClassVar[str] = "Inner loop on noisy vectors (Diffusion-LM)"
    papers: ClassVar[tuple[str, ...]] = ("diffusion-lm", "seqdiffuseq")
    options: ClassVar[tuple[str, ...]] = ("inner_steps", "fluency", *SHARED)
    inner_steps: ClassVar[int] = 3

    def guided(self, t: float, s: float) -> int:
        """How many inner steps follow the step from t to s."""
        return self.rounds if self.wishing() and self.acts(t) and s >= UNGUIDED else 0

    def before(self, model: EmbeddingModel, state: Gaussian, prediction: Prediction, t: float, s: float,
               rng: Rng) -> Prediction:
        """The prediction after the masks; the network evaluations of the inner steps to come are counted here."""
        prediction = super().before(model, state, prediction, t, s, rng)
        inner = self.guided(t, s)
        return dataclasses.replace(prediction, nfe=prediction.nfe * (1 + inner)) if inner else prediction

    def after(self, model: EmbeddingModel, previous: Gaussian, transition: Transition, t: float, s: float, rng: Rng) -> Any:
        """The drawn state with its vectors moved towards the wishes."""
        y, inner = transition.state.x, self.guided(t, s)
        if inner:
            size = RATE * model.table().std(correction=0)
            for _ in range(inner):
                y = y - size * self.slope(model, y, transition, s).sign()
        return dataclasses.replace(transition.state, x=y) if inner else transition.state

    def slope(self, model: EmbeddingModel, y: Tensor, transition: Transition, s: float) -> Tensor:
        """Gradient of each row's loss by y, (B, L, D)."""
        std = torch.where(transition.std == 0, torch.ones_like(transition.std), transition.std)
        request = copied(self.asked)
        with torch.enable_grad():
            leaf = y.detach().requires_grad_()
            probs = model.predict(Gaussian(leaf, transition.state.x0_hat), s, request).logits.softmax(-1)
            likely = sum(control.controller.log_prob(probs).sum() for control in self.wishing())
            away = ((transition.mean - leaf).square() / std).sum()
            return torch.autograd.grad(self.asked.fluency * away - likely, leaf)[0]
