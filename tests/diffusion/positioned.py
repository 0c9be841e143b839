"""SeqDiffuSeq with exact beliefs in place of its network, and a noise schedule that differs from position to position."""

from __future__ import annotations

import torch
from torch import Tensor

import diffusion
from diffusion.core import schedules
from diffusion.core.types import Gaussian, Prediction, Request
from diffusion.nn.position_schedule import CELLS
from diffusion.papers.seqdiffuseq import Condition, SeqDiffuSeq
from tests.tiny import SIZES, shrunk

ORACLE = diffusion.load("oracle")
WIDTH = 4


class Exact(SeqDiffuSeq):
    """Over the oracle's sentences; the later a position, the longer its noise stays.

    `predict` leaves out the logits, which no Gaussian sampler reads: faster on large batches.
    """

    sharpness_of_beliefs = 1.0

    @classmethod
    def build(cls, **changes: object) -> Exact:
        """The model, with fields of its configuration changed."""
        sizes = {**SIZES, "length": ORACLE.length, "embedding_width": WIDTH, "embedding_scale": 1.0,
                 "label_sizes": ORACLE.labels.sizes, **changes}
        model = cls(shrunk(SeqDiffuSeq.config_type(), sizes), ORACLE.vocab, ORACLE.labels).eval()
        model.embedding.weight.data.copy_(torch.randn(len(ORACLE.vocab), WIDTH, generator=torch.Generator().manual_seed(8)))
        start = schedules.sqrt(torch.linspace(0, 1, CELLS + 1, dtype=torch.float64))[:, None]
        model.schedule.alpha_bar.copy_(start ** torch.linspace(0.6, 1.8, ORACLE.length, dtype=torch.float64))
        return model.requires_grad_(False)

    def sentences(self) -> Tensor:
        """x_0 of each sentence, (K, L, D)."""
        return self.table()[ORACLE.tokens]

    def log_likelihood(self, x: Tensor, t: Tensor) -> Tensor:
        """log p(x_t | k) up to a constant in each row, (B, L, D) and times (B,) or (1,) -> (B, K)."""
        signal = self.schedule(t)[..., None]                                                 # (B or 1, L, 1)
        x0, noise = self.sentences(), 1 - signal
        products = (x * signal.sqrt() / noise).flatten(1) @ x0.flatten(1).T                  # (B, K)
        return products - (signal / noise).squeeze(-1) @ x0.square().sum(-1).T / 2

    def believe(self, x: Tensor, x0_hat: Tensor, t: Tensor, condition: Condition,
                table: Tensor) -> tuple[Tensor, Tensor | None]:
        """The exact logits, or sharpened ones."""
        logits = ORACLE.sentence_beliefs(self.log_likelihood(x, t), condition.label)
        return self.sharpness_of_beliefs * logits, None

    def predict(self, state: Gaussian, t: float, request: Request) -> Prediction:
        """x0_hat, (B, L, D)."""
        probs = ORACLE.sentence_log_probs(self.log_likelihood(state.x, torch.tensor([t]))).exp()
        native = (probs @ self.sentences().flatten(1)).view_as(state.x)
        return Prediction(native, native)
