"""RDLM's geodesic random walk."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Prediction, Space, Transition
from diffusion.spheres import geometry as sphere
from diffusion.spheres.bridge import Schedule, SphereModel
from diffusion.spheres.window import Window

DENSE = Window(0.3, 0.8, 0.4)      # where in time words are decided, and the share of the steps that is spread over all


def dense_times(steps: int) -> list[float]:
    """`steps` + 1 times from 1 to 0, closer together where words are decided."""
    inner = DENSE.quantile(torch.linspace(1, 0, steps + 1, dtype=torch.float64)[1:-1]).tolist()
    return [1.0, *inner, 0.0]


def walk(model: SphereModel, x: Tensor, prediction: Prediction, t: float, s: float, rng: Rng) -> Tensor:
    """One step of the walk from points x (B, L, m, b + 1) at time t to time s."""
    gone, std = _stride(model.bridge(t).schedule, t, s)
    move = gone * sphere.pull(x, prediction.native)
    if s > 0:
        move = move + std * sphere.project(x, rng.normal(*x.shape[1:]))
    return sphere.exp(x, move)


@lru_cache(maxsize=8192)
def _stride(schedule: Schedule, t: float, s: float) -> tuple[float, float]:
    """Share of the way that a step from t to s goes, and the standard deviation of its noise."""
    keep, variance = schedule.step(torch.tensor(t).double(), torch.tensor(s).double())
    return 1 - float(keep), float(variance.sqrt())


class Geodesic(Sampler):
    """Walks every point along the sphere towards what the belief expects, with a random step to the side each time: the
    paper's own sampler. Steps are shorter where the words are decided."""

    slug: ClassVar[str] = "geodesic"
    title: ClassVar[str] = "Geodesic random walk"
    spaces: ClassVar[tuple[Space, ...]] = (Space.SPHERES,)

    def times(self, model: SphereModel, steps: int) -> list[float]:
        """Most steps where words are decided."""
        return dense_times(steps)

    def advance(self, model: SphereModel, state: Tensor, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, None]:
        """X_s = exp_X((1 - keep) sum_k p_k log_X(e_k) + std z); keep and std are those of a bridge, so that no noise is left
        at s = 0. Source: the paper's algorithm for generation, with gamma dt replaced by its exact value for a step."""
        return Transition(walk(model, state, prediction, t, s, rng)), None
