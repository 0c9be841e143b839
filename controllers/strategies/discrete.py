"""First-order guidance of discrete diffusion (D-CBG), with exact re-scoring of few candidates where words are decided.

    log q(x_s^l = v) = log p(x_s^l = v) + gamma log p(wish | x with v at l) + const
    log p(wish | x with v at l) ~ log p(wish | o) + g[l,v] - sum_k o[l,k] g[l,k],     g = d log p(wish | o) / d o

As in the paper: every position on its own; gamma, the control's strength; committed words are copied.
Different here: o is the belief, a mean of one-hots, in place of the noisy words, because a controller reads beliefs and because a
slope at the mask says little about words. At masked positions that a step uncovers, the `CANDIDATES` likeliest words of that guess
are weighed again by the exact log p(wish | o with v at l), and the word is drawn among these. What the guess says against a
committed word tells the samplers that revise which word to mask again; it is cut so that the word itself stays.

Source: Schiff et al. (2024), arXiv 2412.10193, and its code (`use_approx`). Re-scoring of few: Yang and Klein (2021), arXiv
2104.05218.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from controllers.strategies.base import SHARED, Steering
from diffusion.core.model import DiscreteModel
from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Space

CANDIDATES = 20          # words that are weighed exactly at a position
CERTAIN = 0.99           # probability from which on a word needs no second look
AGAINST = 20.0           # nats that a guess may say against a committed word: less than its lead, so that the word stays


class Discrete(Steering):
    """Guidance of the discrete papers: each hidden word is drawn in proportion to the model's belief times how likely the wish is
    with that word, guessed from one slope for all words and computed exactly for the 20 likeliest where words are uncovered."""

    slug: ClassVar[str] = "discrete"
    title: ClassVar[str] = "First-order guidance (discrete)"
    papers: ClassVar[tuple[str, ...]] = ("sedd",)
    options: ClassVar[tuple[str, ...]] = SHARED

    def before(self, model: DiscreteModel, state: Any, prediction: Prediction, t: float, s: float,
               rng: Rng) -> Prediction:
        """The prediction after masks and guidance; the exact weights follow for the positions that the sampler uncovers."""
        prediction = super().before(model, state, prediction, t, s, rng)
        if not self.wishing() or not self.acts(t):
            return prediction
        probs = prediction.logits.softmax(-1)
        wanted = self.gain(probs)
        if model.space != Space.MASKED:
            return model.absorb(prediction, wanted)
        committed = (state != model.mask)[..., None]
        wanted = torch.where(committed, wanted.clamp(-AGAINST, AGAINST), wanted)
        steered = model.absorb(prediction, wanted)
        return dataclasses.replace(steered, refine=partial(self.weighed, prediction.logits, steered))

    def log_prob(self, probs: Tensor) -> Tensor:
        """sum gamma log p(wish | probs), (N,)."""
        return torch.stack([control.nats * control.controller.log_prob(probs) for control in self.wishing()]).sum(0)

    def gain(self, probs: Tensor) -> Tensor:
        """What each word at each place would add to `log_prob`, to first order, (B, L, V)."""
        with torch.enable_grad():
            leaf = probs.detach().requires_grad_()
            slope = torch.autograd.grad(self.log_prob(leaf).sum(), leaf)[0]
        return slope - (probs * slope).sum(-1, keepdim=True)

    def weighed(self, logits: Tensor, steered: Prediction, chosen: Tensor) -> Tensor:
        """Probabilities (B, L, V) to draw from: at chosen positions (B, L) that are open, exact among the candidates.

        Args:
            logits: the belief before guidance, (B, L, V).
            steered: the belief after it, which names the candidates.
        """
        belief, guessed = logits.softmax(-1), steered.logits.softmax(-1)
        settled = (torch.minimum(belief, guessed) > CERTAIN).any(-1)          # both are sure of one word
        rows, places = (chosen & ~settled).nonzero(as_tuple=True)             # (N,) each
        if not len(rows):
            return guessed
        words = steered.logits[rows, places].topk(min(CANDIDATES, logits.shape[-1]), -1).indices      # (N, K)
        exact = torch.stack([self._exactly(belief, row, place, some) for row, place, some in zip(rows, places, words, strict=True)])
        weights = (logits[rows, places].gather(-1, words) + exact).softmax(-1)
        drawn = torch.zeros_like(guessed[rows, places]).scatter(-1, words, weights)
        return guessed.index_put((rows, places), drawn)

    def _exactly(self, belief: Tensor, row: Tensor, place: Tensor, words: Tensor) -> Tensor:
        """`log_prob` (K,) of a row of a belief (B, L, V) with each of the words (K,) at one place."""
        texts = belief[row].repeat(len(words), 1, 1)
        texts[:, place] = F.one_hot(words, belief.shape[-1]).to(belief.dtype)
        return self.log_prob(texts)
