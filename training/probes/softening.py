"""Beliefs about rows as controllers meet them: what trained models believe of noised rows, and rows made soft by hand.

A reader is trained on both. The first are what sampling gives it before it steers; the second cover what steered beliefs
and models that it never saw are like: mass on other words, uniform or unigram fog, any sharpness.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.types import Request
from diffusion.text.vocab import END, UNK

FRAMED = 0.7             # share of the batches whose number of words is certain, as length, tags and trees make it
STRANGE = 0.35           # most of a row's positions whose likeliest word is another one


class Softener:
    """Makes beliefs (B, L, V) of rows (B, L).

    Args:
        models: whose beliefs to use, in turn, for half of the batches; all batches are made soft by hand without any.
        counts: (V,) how often each word is seen.
        generator: of everything that is drawn, on the CPU; a seed means the same on every device.
        device: where the beliefs are made; the models must be there.
    """

    def __init__(self, models: Sequence[DiffusionModel], counts: Tensor, generator: torch.Generator,
                 device: torch.device | str = "cpu") -> None:
        self.models, self.generator, self.device = tuple(models), generator, torch.device(device)
        self.shares = (counts.float() + 1) / (counts.float() + 1).sum()       # beside the generator
        self.unigram = self.shares.to(self.device)

    def __call__(self, tokens: Tensor, number: int) -> Tensor:
        """The beliefs of batch `number` about these rows, cut behind the END of the longest."""
        longest = int((tokens == END).int().argmax(1).max()) + 1
        if self.models and number % 2:
            model = self.models[number // 2 % len(self.models)]
            probs = self.believed(model, tokens, self._coin())
        else:
            probs = self.by_hand(tokens)
        probs = probs[:, :longest]
        return frame(probs, tokens[:, :longest]) if self._coin() < FRAMED else probs

    def _coin(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def _draw(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.generator).to(self.device)

    @torch.no_grad()
    def believed(self, model: DiffusionModel, tokens: Tensor, t: float) -> Tensor:
        """What a model believes of rows (B, L) noised to time t, told no label."""
        seeds = torch.randint(2**32, (len(tokens),), generator=self.generator).tolist()
        request = Request(length=tokens.shape[1], seeds=tuple(seeds))
        prediction = model.predict(model.noise(tokens, t, Rng(seeds, model.device)), t, request)
        return prediction.logits.softmax(-1)

    def by_hand(self, tokens: Tensor) -> Tensor:
        """One-hots of rows (B, L) mixed with fog and other words; how much is drawn for each row, then for each position."""
        batch, words = len(tokens), len(self.unigram)
        level = self._draw(batch, 1, 1).square() if self._coin() < 0.5 else self._draw(batch, 1, 1)
        fog = (level * 2 * self._draw(batch, tokens.shape[1], 1)).clamp(max=1)                 # (B, L, 1)
        even = self._draw(batch, 1, 1)
        background = even * self.unigram + (1 - even) / words                                  # (B, 1, V)
        others = torch.multinomial(self.shares, tokens.numel(), True, generator=self.generator).view(tokens.shape).to(self.device)
        rival = self._draw(*tokens.shape, 1) * (self._draw(*tokens.shape, 1) < STRANGE * level)
        sure = F.one_hot(tokens, words) * (1 - rival) + F.one_hot(others, words) * rival
        return (1 - fog) * sure + fog * background


def frame(probs: Tensor, tokens: Tensor) -> Tensor:
    """Beliefs (B, L, V) told how many words the rows (B, L) have: words before END, then END and PAD for certain."""
    within = tokens >= UNK
    kept = torch.cat([torch.where(within[..., None], 0.0, probs[..., :UNK]), probs[..., UNK:]], -1)
    kept = kept / kept.sum(-1, keepdim=True).clamp(min=1e-12)
    return torch.where(within[..., None], kept, F.one_hot(tokens, probs.shape[-1]).to(probs.dtype))
