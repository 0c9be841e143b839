"""What papers share whose state is one vector for each word: the table of embeddings, and the way between point and belief."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.core.beliefs import guide, most_likely_text, of_noisy
from diffusion.core.model import GaussianModel
from diffusion.core.types import Gaussian, Prediction, Request
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import PAD, Vocabulary


class EmbeddingModel(GaussianModel):
    """A paper that diffuses the embeddings of words.

    Its `config` has `embedding_width`, `embedding_scale` (None: the norm is free), `readout` ("belief" where x0_hat is the mean
    embedding of the belief) and `pad_weight`; its subclass makes the embeddings and the bias of the tied head.
    """

    embedding: nn.Embedding
    bias: nn.Parameter
    entry_variance: float    # sigma_0^2 of q(x_0 | w)
    ruled_out: Tensor        # (L, V) -inf for words that no text holds there, 0 elsewhere

    def __init__(self, config: Any, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__(config, vocab, labels)
        self._table: tuple[tuple[int, int], Tensor] | None = None

    def table(self) -> Tensor:
        """Embeddings E (V, D), of fixed norm where the config says so."""
        weight, scale = self.embedding.weight, self.config.embedding_scale
        if scale is None:
            return weight
        if torch.is_grad_enabled():
            return _of_norm(weight, scale)
        key = (weight._version, weight.data_ptr())       # the same at every step of a run: computed once
        known = self._table
        if known is None or known[0] != key:
            known = self._table = (key, _of_norm(weight, scale))
        return known[1]

    def guided(self, logits: Tensor, own: Tensor | None, request: Request, batch: int) -> Prediction:
        """The prediction for `batch` rows from what the network said: logits (B, L, V), followed by the free ones (B, L, V)
        where guidance needs both, and its own x0_hat for as many rows where the read-out is by rounding."""
        both, conditional, table = len(logits) > batch, logits[:batch], self.table()
        guided = guide(conditional, logits[batch:], request) if both else logits
        sharpness, ruled_out = self.sharpness(request), self.ruled_out[: guided.shape[1]]
        spoken = guided + ruled_out if sharpness == 1 else (guided / sharpness).add_(ruled_out)
        probs = spoken.softmax(-1)
        if own is None:
            native = probs @ table
        else:                                            # the mean moves as guidance and ruled-out words moved the belief
            native = own[:batch] + (probs - conditional.softmax(-1)) @ table
        return Prediction(spoken, native, 2 if both else 1, probs)

    def absorb(self, prediction: Prediction, wanted: Tensor) -> Prediction:
        """x0_hat moves by the change of the expected embedding, x0_hat += (p' - p) E; it *is* p' E if read as a belief."""
        logits = prediction.logits + wanted
        probs = logits.softmax(-1)                                            # (B, L, V)
        if self.config.readout == "belief":
            native = probs @ self.table()
        else:
            native = prediction.native + (probs - prediction.logits.softmax(-1)) @ self.table()
        return Prediction(logits, native, prediction.nfe, probs)

    @torch.no_grad()
    def glimpse(self, state: Gaussian, t: float) -> Tensor:
        """Bayes' rule on the noisy vectors, (B, L, V)."""
        signal = self.signal_for(state.x, t)
        return of_noisy(state.x, self.table(), signal, 1 - signal + signal * self.entry_variance)

    def decode(self, state: Gaussian) -> Tensor:
        """Words (B, L) by the largest logit of the tied head."""
        products = state.x @ self.table().T              # with embeddings of one norm, the nearest has the largest
        return (products if self.config.readout == "belief" else products + self.bias).argmax(-1)

    def finish(self, state: Gaussian, prediction: Prediction) -> Tensor:
        """The most likely text under the last belief: words, one END, then PAD."""
        return most_likely_text(prediction.logits)

    @property
    def state_width(self) -> int:
        """D."""
        return self.config.embedding_width

    def clamp(self, x0_hat: Tensor) -> Tensor:
        """The nearest embedding to each vector, by Euclidean distance; Diffusion-LM's clamping trick."""
        table = self.table()
        return table[(x0_hat @ table.T - table.square().sum(-1) / 2).argmax(-1)]

    def word_weights(self, tokens: Tensor) -> Tensor:
        """Weights in the loss (B, L): 1 for words, END and the first two PAD, `pad_weight` for the rest."""
        late_pad = (tokens == PAD).cumsum(1) > 2
        return torch.where(late_pad, self.config.pad_weight, 1.0)


def cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    """Nats at each position, (B, L, V) and (B, L) -> (B, L)."""
    return F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")


def _of_norm(weight: Tensor, scale: float) -> Tensor:
    """Rows of a table brought to root mean square `scale`."""
    return F.normalize(weight, dim=-1) * (scale * math.sqrt(weight.shape[1]))
