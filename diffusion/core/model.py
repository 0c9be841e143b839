"""The contract that every paper fulfils: predict a belief, absorb a wish, decode, and say how likely a text is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from diffusion.core.labels import LabelSet
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Prediction, Request
from diffusion.core.vocab import END, PAD, UNK, Vocabulary


class DiffusionModel(nn.Module, ABC):
    """One paper's process around the common backbone.

    Class attributes: `slug` names it everywhere; `title` is for people; `source` says that it reads a source text;
    `hard` says that masks of allowed words are honoured exactly; `samplers` lists the samplers that fit, best first.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[bool] = False
    hard: ClassVar[bool] = True
    samplers: ClassVar[tuple[str, ...]]

    vocab: Vocabulary
    labels: LabelSet
    length: int

    @abstractmethod
    def prior(self, request: Request, rng: Rng) -> Any:
        """A state of pure noise for each seed."""

    @abstractmethod
    def predict(self, state: Any, t: float, request: Request) -> Prediction:
        """The belief at time t, classifier-free guidance included."""

    @abstractmethod
    def absorb(self, prediction: Prediction, wanted: Tensor) -> Prediction:
        """The prediction with its logits changed by `wanted` (B, L, V) nats; a zero wish is the identity, bitwise."""

    @abstractmethod
    def decode(self, state: Any) -> Tensor:
        """Word ids (B, L) of a state at time 0."""

    @abstractmethod
    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Any:
        """The state at time t of the forward process started from tokens (B, L)."""

    @abstractmethod
    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Training loss of each row, (B,), for tokens (B, L) and labels (B, S)."""

    @abstractmethod
    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng) -> Tensor:
        """Upper bound of each row's negative log-likelihood, (B,) nats, by Monte Carlo over time."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def label_batch(self, request: Request) -> Tensor:
        """The request's label for every seed, (B, S); all unknown where the request has none."""
        label = self.labels.free() if request.label is None else request.label
        return label.to(self.device).expand(len(request.seeds), -1)

    def never(self) -> Tensor:
        """Words that no text holds, (L, V) true where forbidden: UNK anywhere, END and PAD at the first position."""
        forbidden = torch.zeros(self.length, len(self.vocab), dtype=torch.bool)
        forbidden[:, UNK] = True
        forbidden[0, [END, PAD]] = True
        return forbidden
