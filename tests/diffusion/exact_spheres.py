"""RDLM with Bayes' rule in place of its network, over corpora small enough for it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import diffusion
from diffusion.core.types import Prediction
from diffusion.papers.rdlm import RDLM, Config
from diffusion.spheres import geometry as sphere
from diffusion.spheres.bridge import Bridge
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import SPECIALS, Vocabulary
from tests.tiny import SIZES, shrunk

ORACLE = diffusion.load("oracle")
PRIORS = ("mask", "uniform", "mixed")


class Exact(RDLM):
    """Knows the texts (K, L) of a small corpus and their log-shares (K,), and believes what Bayes' rule says."""

    def __init__(self, texts: Tensor, log_shares: Tensor, vocab: Vocabulary, labels: LabelSet, **changes: object) -> None:
        sizes = {**SIZES, "length": texts.shape[1], "label_sizes": labels.sizes, **changes}
        super().__init__(shrunk(Config(), sizes), vocab, labels)
        self.texts, self.log_shares = texts, log_shares
        self.holds = F.one_hot(texts, len(vocab)).double().flatten(1)                              # (K, L V)
        self.spells = F.one_hot(self.digits[texts], self.base).double().flatten(1)                 # (K, L m b)

    def log_posterior(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """log p(k | x_t) of every text, (B, K), from Riemannian normal densities; t is (B,) or (1,)."""
        densities = self._densities(self.late, x, t)
        if self.early is not self.late:
            first = (t > 1 - self.config.threshold)[:, None, None, None]
            densities = torch.where(first, self._densities(self.early, x, t), densities)
        joint = densities.flatten(1) @ self.spells.to(x.dtype).T + self.log_shares
        if label is not None:
            joint = joint.masked_fill(~ORACLE.fits(label), -torch.inf)
        return joint.log_softmax(-1)

    def _densities(self, bridge: Bridge, x: Tensor, t: Tensor) -> Tensor:
        """Log-density of every point under every symbol, (B, L, m, b)."""
        times = t.to(x.dtype)
        means = bridge.mean(torch.arange(self.base), times[:, None])                               # (B, b, b + 1)
        spread = bridge.place(times)[1].clamp(min=1e-6)[:, None, None, None]
        r = torch.einsum("nlmd,nkd->nlmk", x, means.expand(len(x), -1, -1)).clamp(-1, 1).arccos()
        return -r.square() / (2 * spread.square()) - (self.base - 1) * sphere.sinc(r).log()

    def believe(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        """The exact belief about every word, (B, L, V)."""
        told = label if len(self.texts) == len(ORACLE.tokens) else None
        words = self.log_posterior(x, t, told).exp() @ self.holds.to(x.dtype)
        return words.view(len(x), -1, len(self.vocab)).log()

    def digits_only(self, x: Tensor, t: float) -> Prediction:
        """The exact distributions of digits, without those of words that no sampler here reads."""
        native = self.log_posterior(x, torch.tensor([t])).exp() @ self.spells.to(x.dtype)
        return Prediction(native, native.view(len(x), -1, self.count, self.base))


def corpus(columns: slice | list[int] = slice(None), **changes: object) -> Exact:
    """The oracle's sentences, of each only some positions: two of them are enough to tell all sentences apart."""
    return Exact(ORACLE.tokens[:, columns], ORACLE.log_prior, ORACLE.vocab, ORACLE.labels, **{"base": 6, **changes})


SHARES = torch.tensor([0.5, 0.3, 0.2])


def one_word(**changes: object) -> Exact:
    """Texts of one word out of three, one digit of base 3."""
    return Exact(torch.arange(3)[:, None], SHARES.log(), Vocabulary([*SPECIALS]), LabelSet({"slot": []}), **changes)


def entropy(log_shares: Tensor) -> float:
    """In nats."""
    return -(log_shares.exp() * log_shares).sum().item()
