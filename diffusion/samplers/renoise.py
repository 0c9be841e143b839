"""Re-noising: x_s drawn anew from the forward process of the predicted text, SeqDiffuSeq's generation by q and by mix."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core.model import GaussianModel
from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction, Transition
from diffusion.samplers.ancestral import posterior

ROUNDING = 1e-9          # what the share of steps that is left, found from the time, may miss its value by


class Renoise(Sampler):
    """Forgets the old noise and draws new noise around the predicted text. Mistakes are forgotten too: at the same number of steps
    texts are more fluent than ancestral ones, and more alike.

    `mix` is the chance of it at each step, in the first `mix_share` of the steps; all other steps are ancestral.
    """

    slug: ClassVar[str] = "renoise"
    title: ClassVar[str] = "Re-noise (generation by q)"
    options: ClassVar[tuple[str, ...]] = ("mix", "mix_share", "clamp")

    def times(self, model: GaussianModel, steps: int) -> list[float]:
        """At even distances, or closer together where the model says that re-noising needs it."""
        return [u ** model.renoise_power for u in super().times(model, steps)]

    def advance(self, model: GaussianModel, state: Gaussian, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, None]:
        """x_s ~ N(sqrt(a_s) x0_hat, 1 - a_s) where the step re-noises, else q(x_s | x_t, x0_hat); no noise at s = 0.

        Source: SeqDiffuSeq's code, generate_by_q and generate_by_mix.
        """
        x0_hat = model.clamp(prediction.native) if t <= self.request.clamp else prediction.native
        alpha_t, alpha_s = model.signal_for(state.x, t), model.signal_for(state.x, s)
        mean, std = posterior(state.x, x0_hat, alpha_t, alpha_s)
        anew = self.anew(t ** (1 / model.renoise_power), rng, mean)
        if anew is not None:
            mean, std = torch.where(anew, alpha_s.sqrt() * x0_hat, mean), torch.where(anew, (1 - alpha_s).sqrt(), std)
        x = mean if s == 0 else mean + std * rng.normal(*mean.shape[1:])
        return Transition(Gaussian(x, x0_hat), mean=mean, std=torch.as_tensor(std)), None

    def anew(self, left: float, rng: Rng, like: Tensor) -> Tensor | None:
        """Which rows re-noise, with this share of the steps left, (B, 1, 1) for `like` (B, L, D); None where no row can."""
        if self.request.mix == 0 or left <= 1 - self.request.mix_share + ROUNDING:
            return None
        if self.request.mix == 1:
            return torch.ones(len(like), 1, 1, dtype=torch.bool, device=like.device)
        return (rng.uniform() < self.request.mix)[:, None, None]
