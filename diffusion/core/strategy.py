"""The seam between sampling and steering: owned here, implemented by the controllers."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Request, Transition


class Strategy(Protocol):
    """A way of steering: it may change the prediction before a step, and the state after it. `slug` names it in traces."""

    slug: str

    def request(self, request: Request) -> Request:
        """The request with what the controllers ask of it: label, guidance scale, number of words."""
        ...

    def begin(self, model: DiffusionModel, request: Request) -> None:
        """Called once before sampling; contradictions are found here.

        Raises:
            StudioError: two controllers contradict each other; both are named.
        """
        ...

    def before(self, model: DiffusionModel, state: Any, prediction: Prediction, t: float, s: float, rng: Rng) -> Prediction:
        """The steered prediction; the common way of steering (`absorb`) lives here."""
        ...

    def after(self, model: DiffusionModel, previous: Any, transition: Transition, t: float, s: float, rng: Rng) -> Any:
        """The state at s; Diffusion-LM's inner loop on x_s lives here."""
        ...

    def survivors(self, prediction: Prediction) -> Tensor | None:
        """Which rows (R,) go on in the places of the R rows, given the beliefs about them; None where all do.

        Asked only where a request has several copies of each sample.
        """
        ...

    def shown(self, text: Tensor | None) -> Tensor:
        """The row (B,) that stands for each sample: the best so far, or of finished texts (R, L) the one that is kept."""
        ...

    def satisfaction(self, steered: Tensor) -> dict[str, Tensor]:
        """Per controller, log-probability (B,) that its wish holds under the belief, before masks enforce it."""
        ...
