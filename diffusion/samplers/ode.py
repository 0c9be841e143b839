"""The deterministic flow on spheres, by Heun's method with one network evaluation a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Prediction, Space, Transition
from diffusion.samplers.geodesic import dense_times, walk
from diffusion.spheres import geometry as sphere
from diffusion.spheres.bridge import SphereModel


@dataclass(frozen=True, slots=True)
class Left:
    """Where the last step began: its points, the tangent vector that it followed, and its time."""

    x: Tensor
    move: Tensor
    t: float


class SphereODE(Sampler):
    """Draws one random step and then follows the flow that has the same distribution at every time as the random walk:
    from there on, nothing is left to chance. Needs fewer steps than the walk."""

    slug: ClassVar[str] = "sphere-ode"
    title: ClassVar[str] = "Flow on the sphere (Heun)"
    spaces: ClassVar[tuple[Space, ...]] = (Space.SPHERES,)

    def times(self, model: SphereModel, steps: int) -> list[float]:
        """Most steps where words are decided."""
        return dense_times(steps)

    def advance(self, model: SphereModel, state: Tensor, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Left | None) -> tuple[Transition, Left | None]:
        """Heun's method: the new belief first corrects the step that led here, then makes the next one.

        All walks start at one point, from which no flow could tell them apart: the first step is one of the random walk.
        """
        if t == 1:
            return Transition(walk(model, state, prediction, t, s, rng)), None
        bridge, x = model.bridge(1.0), state             # where walks are mixed too, all that are sampled began at one start
        if memory is not None:
            back = bridge.flow(x, prediction.native, t, memory.t)
            x = sphere.exp(memory.x, (memory.move - sphere.transport(x, memory.x, back)) / 2)
        move = bridge.flow(x, prediction.native, t, s)
        return Transition(sphere.exp(x, move)), Left(x, move, t)
