"""DDIM: from the deterministic walk to the ancestral one with a single knob."""

from __future__ import annotations

from typing import Any, ClassVar

from diffusion.core.model import GaussianModel
from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction, Transition


class DDIM(Sampler):
    """Keeps the predicted noise from step to step; `eta` = 0 adds none of its own, 1 is as random as ancestral."""

    slug: ClassVar[str] = "ddim"
    title: ClassVar[str] = "DDIM"
    options: ClassVar[tuple[str, ...]] = ("eta", "clamp")

    def advance(self, model: GaussianModel, state: Gaussian, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, None]:
        """x_s = sqrt(a_s) x0_hat + sqrt(1 - a_s - sigma^2) eps_hat + sigma z. Source: Song, Meng, Ermon (2021), equation 12."""
        alpha_t, alpha_s = model.signal_for(state.x, t), model.signal_for(state.x, s)
        x0_hat = model.clamp(prediction.native) if t <= self.request.clamp else prediction.native
        eps_hat = (state.x - alpha_t.sqrt() * x0_hat) / (1 - alpha_t).sqrt()
        sigma = self.request.eta * ((1 - alpha_s) / (1 - alpha_t) * (1 - alpha_t / alpha_s)).sqrt()
        mean = alpha_s.sqrt() * x0_hat + (1 - alpha_s - sigma**2).clamp(min=0).sqrt() * eps_hat
        noisy = s > 0 and self.request.eta > 0
        x = mean + sigma * rng.normal(*mean.shape[1:]) if noisy else mean
        return Transition(Gaussian(x, x0_hat), mean=mean, std=sigma), None
