"""The analytic sampler of discrete diffusion: Tweedie's tau-leaping, exact for each position."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core.model import DiscreteModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Space, Transition
from diffusion.samplers.uncovering import Uncovering


class Analytic(Uncovering):
    """Draws every position from its exact distribution a step earlier, given the belief, all positions at once. The last step
    draws from the belief itself, so that no mask and no random word is left."""

    slug: ClassVar[str] = "analytic"
    title: ClassVar[str] = "Analytic (Tweedie)"
    spaces: ClassVar[tuple[Space, ...]] = (Space.MASKED, Space.REPLACED)

    def advance(self, model: DiscreteModel, state: Tensor, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, Tensor | None]:
        """Masked words are uncovered with probability (m_t - m_s) / m_t; replaced words follow `posterior`."""
        if model.space == Space.MASKED:
            return super().advance(model, state, prediction, t, s, rng, memory)
        moved_t, moved_s = model.noise_schedule.replaced(t), model.noise_schedule.replaced(s)
        probs = prediction.logits.softmax(-1) if prediction.probs is None else prediction.probs
        return redrawn(state, posterior(probs, state, moved_t, moved_s), rng), None


def posterior(probs: Tensor, ids: Tensor, moved_t: float, moved_s: float) -> Tensor:
    """p(x_s | x_t) = sum_k p(k | x_t) q(x_s | x_t, k) of each position on the uniform graph, (B, L, N) from beliefs (B, L, N).

    q(y | x, k) = q(x | y) q(y | k) / q(x | k), Bayes' rule for the forward process; with w_k = p_k / q(x | k) the sum over k is
    q(x | y) ((1 - m_s) w_y + m_s / N sum_k w_k). Equal to the paper's form in scores (its theorem 4.1).

    Args:
        ids: x_t, (B, L).
        moved_t, moved_s: m at t and s, the probability that a word has been replaced.
    """
    count, own = probs.shape[-1], ids[..., None]
    between = (moved_t - moved_s) / (1 - moved_s)                             # replaced between s and t
    of_own = probs.gather(-1, own)
    own_weight = of_own / (1 - moved_t + moved_t / count)
    shared = moved_s / count * ((1 - of_own) * (count / moved_t) + own_weight)
    kernel = (probs * ((1 - moved_s) * between / moved_t)).add_(shared * (between / count))
    own_kernel = ((1 - moved_s) * own_weight + shared) * (1 - between + between / count)
    return kernel.scatter_(-1, own, own_kernel)


def redrawn(ids: Tensor, kernel: Tensor, rng: Rng) -> Transition:
    """A step that draws every word from its kernel (B, L, N); whether ids (B, L) stay is drawn first, as most of them do."""
    others = kernel.scatter(-1, ids[..., None], 0.0)
    leaving = others.sum(-1, dtype=torch.float64)
    staying = kernel.gather(-1, ids[..., None]).squeeze(-1)
    leaves = rng.uniform(ids.shape[1], dtype=torch.float64) * (leaving + staying) >= staying
    return Transition(torch.where(leaves, rng.categorical(others, leaves), ids), log_probs=kernel.log())
