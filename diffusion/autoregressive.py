"""The autoregressive baseline: transformers' GPT-2 architecture at our size, written word by word from the left.

p(w) = prod_l p(w_l | w_<l, label), up to and including END. The label's eight slots stand in front as tokens, as they do
in every paper's backbone here. The judge of fluency is a second such model; it stands in no comparison and guides nothing.

Source: Radford et al. (2019), GPT-2; architecture from Hugging Face transformers, weights trained here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.core.labels import LabelSet
from diffusion.core.vocab import END, Vocabulary
from diffusion.nn.backbone import LabelEmbedding, network_precision


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes of the network, as the backbone names them."""

    width: int = 192
    layers: int = 6
    heads: int = 4
    length: int = 64
    label_sizes: tuple[int, ...] = ()
    dropout: float = 0.1


class LanguageModel(nn.Module):
    """GPT-2 over our words, with label tokens in front."""

    slug = "judge"
    title = "Judge of fluency"

    def __init__(self, config: Config, vocab: Vocabulary, labels: LabelSet) -> None:
        from transformers import GPT2Config, GPT2LMHeadModel

        super().__init__()
        self.config, self.vocab, self.labels, self.length = config, vocab, labels, config.length
        self.autocast = False
        self.label = LabelEmbedding(config.label_sizes, config.width)
        # Eager attention: on a CPU the backward of torch's fused one takes half of a training step.
        self.network = GPT2LMHeadModel._from_config(attn_implementation="eager", config=GPT2Config(
            vocab_size=len(vocab), n_positions=len(config.label_sizes) + config.length, n_embd=config.width,
            n_layer=config.layers, n_head=config.heads, resid_pdrop=config.dropout, embd_pdrop=config.dropout,
            attn_pdrop=config.dropout, activation_function="gelu_pytorch_tanh", bos_token_id=END, eos_token_id=END, use_cache=False))

    def hidden(self, tokens: Tensor, label: Tensor) -> Tensor:
        """Last hidden states before each word, (B, L + 1, W) for tokens (B, L): position l has read words 0..l-1."""
        words = self.network.transformer.wte(tokens)
        inputs = torch.cat([self.label(label), words], 1)
        with network_precision(tokens.device, self.autocast):
            return self.network.transformer(inputs_embeds=inputs).last_hidden_state[:, label.shape[1] - 1:]

    def logits(self, tokens: Tensor, label: Tensor) -> Tensor:
        """Next-word logits (B, L + 1, V); entry l is the distribution of word l."""
        hidden = self.hidden(tokens, label)
        with network_precision(tokens.device, self.autocast):
            return self.network.lm_head(hidden).float()

    def nll(self, tokens: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Negative log-likelihood of words and END, (B,) nats, and how many tokens that is, (B,)."""
        until_end = ((tokens == END).cumsum(1) - (tokens == END).long()) == 0        # words and the first END
        logits = self.logits(tokens[:, :-1], label)
        losses = F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none") * until_end
        return losses.sum(1), until_end.sum(1)

    def loss(self, tokens: Tensor, label: Tensor, rng: object = None, source: Tensor | None = None) -> Tensor:
        """Nats per token of each row, (B,), rows weighted by their number of tokens."""
        longest = int((tokens == END).int().argmax(1).max()) + 1
        total, count = self.nll(tokens[:, :longest], label)
        return total / count.float().mean()
