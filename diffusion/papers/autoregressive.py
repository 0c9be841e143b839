"""The autoregressive baseline: transformers' GPT-2 architecture at our size, written word by word from the left.

p(w) = prod_l p(w_l | w_<l, label), up to and including END. The label's eight slots stand in front as tokens, as they do
in every paper's backbone here. The judge of fluency is a second such model; it stands in no comparison and guides nothing.

Source: Radford et al. (2019), GPT-2; architecture from Hugging Face transformers, weights trained here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.core.beliefs import guide
from diffusion.core.checkpoint import build, locate, read
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Prediction, Request, Space, Transition
from diffusion.nn.backbone import LabelEmbedding, network_precision
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import END, PAD, Vocabulary


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
        self.autocast, self.hash = False, "untrained"
        self.label = LabelEmbedding(config.label_sizes, config.width)
        # Eager attention: on a CPU the backward of torch's fused one takes half of a training step.
        self.network = GPT2LMHeadModel._from_config(attn_implementation="eager", config=GPT2Config(
            vocab_size=len(vocab), n_positions=len(config.label_sizes) + config.length, n_embd=config.width,
            n_layer=config.layers, n_head=config.heads, resid_pdrop=config.dropout, embd_pdrop=config.dropout,
            attn_pdrop=config.dropout, activation_function="gelu_pytorch_tanh", use_cache=False,
            bos_token_id=END, eos_token_id=END))

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


def load_judge(name: str = LanguageModel.slug) -> LanguageModel:
    """The judge of fluency from a bundled slug, a checkpoint folder or a Hub id, ready to read.

    Raises:
        StudioError: there is no such checkpoint, it is damaged, or it is not a judge's.
    """
    opened = read(locate(name))
    if opened.slug != LanguageModel.slug:
        raise StudioError(f"'{opened.folder}' holds a checkpoint of '{opened.slug}', not of a judge. What is compared "
                          f"must not judge itself: give a checkpoint that was trained by a judge's recipe.")
    judge = build(LanguageModel, Config, opened)
    judge.hash = opened.hash
    return judge


@dataclass(frozen=True, slots=True)
class Prefix:
    """The state of writing from the left: words (B, L) so far, PAD behind, and how many of them stand."""

    tokens: Tensor
    written: int


class LeftToRight(Sampler):
    """Draws one word after the other, each from the belief about the next position; there is no way back."""

    slug: ClassVar[str] = "left-to-right"
    title: ClassVar[str] = "Left to right"
    spaces: ClassVar[tuple[Space, ...]] = (Space.PREFIX,)
    heeds_steps: ClassVar[bool] = False

    def times(self, model: DiffusionModel, steps: int) -> list[float]:
        """One step for each position, whatever was asked for."""
        return super().times(model, self.request.length)

    def advance(self, model: DiffusionModel, state: Prefix, prediction: Prediction, t: float, s: float, rng: Rng,
                memory: Any) -> tuple[Transition, None]:
        """Writes the next word; after END only PAD."""
        log_probs = prediction.logits.log_softmax(-1)
        word = rng.categorical(log_probs[:, state.written].exp())
        tokens = state.tokens.clone()
        tokens[:, state.written] = word
        return Transition(Prefix(tokens, state.written + 1), log_probs=log_probs), None


class Autoregressive(DiffusionModel):
    """No diffusion at all: a small GPT-2 writes word after word from the left. It shows what the others are compared with;
    it cannot see what comes later, so blanks and trees are hard for it."""

    slug: ClassVar[str] = "ar"
    title: ClassVar[str] = "Autoregressive baseline"
    config_type: ClassVar[type] = Config
    samplers: ClassVar[tuple[str, ...]] = ("left-to-right",)
    space: ClassVar[Space] = Space.PREFIX

    def __init__(self, config: Config, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__(config, vocab, labels)
        self.length = config.length
        self.model = LanguageModel(config, vocab, labels)
        self.register_buffer("forbidden", self.never(), persistent=False)

    def prior(self, request: Request, rng: Rng) -> Prefix:
        """Nothing written yet."""
        return Prefix(torch.full((len(request.seeds), request.length), PAD, device=self.device), 0)

    def predict(self, state: Prefix, t: float, request: Request) -> Prediction:
        """Written words are certain, the next has the network's distribution, of later ones nothing is known."""
        written, length = state.written, request.length
        logits = torch.zeros(len(state.tokens), length, len(self.vocab), device=self.device)
        logits = logits.masked_fill(self.forbidden[:length], -torch.inf)
        certain = torch.full_like(logits[:, :written], -torch.inf)
        logits[:, :written] = certain.scatter(2, state.tokens[:, :written, None], 0.0)
        if written == length:                            # a whole text: nothing is left to ask
            return Prediction(logits, logits, nfe=0)
        following, nfe = self._following(state, request)
        logits[:, written] = (following / self.sharpness(request)).masked_fill(self.forbidden[written], -torch.inf)
        self._grammar(logits, written, (state.tokens[:, :written] == END).any(1))
        return Prediction(logits, logits, nfe)

    def _following(self, state: Prefix, request: Request) -> tuple[Tensor, int]:
        """Logits (B, V) of the next word, guided by the label where asked for, and the network evaluations they took."""
        label, scale = self.label_batch(request), request.guidance_scale
        free, tokens = torch.zeros_like(label), state.tokens[:, : state.written]
        if scale in (0, 1) or not bool((label != 0).any()):
            return self.model.logits(tokens, label if scale != 0 else free)[:, -1], 1
        both = self.model.logits(tokens.repeat(2, 1), torch.cat([label, free]))[:, -1]
        conditional, unconditional = both.chunk(2)
        return guide(conditional, unconditional, request), 2

    def _grammar(self, logits: Tensor, written: int, ended: Tensor) -> None:
        """PAD only after END, nothing but PAD after it, and END at the last position at the latest."""
        pad = torch.full_like(logits[0, 0], -torch.inf)
        pad[PAD] = 0.0
        logits[ended, written:] = pad
        logits[~ended, written, PAD] = -torch.inf
        if written == logits.shape[1] - 1:
            end = torch.full_like(pad, -torch.inf)
            end[END] = 0.0
            logits[~ended, written] = end

    def absorb(self, prediction: Prediction, wanted: Tensor) -> Prediction:
        """The logits are all there is to change; what is written stays written."""
        logits = prediction.logits + wanted
        stuck = torch.isneginf(logits).all(-1, keepdim=True)
        logits = torch.where(stuck, prediction.logits, logits)
        return Prediction(logits, logits, prediction.nfe)

    def decode(self, state: Prefix) -> Tensor:
        """The words that were written."""
        return state.tokens

    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Prefix:
        """The first (1 - t) L words."""
        written = round((1 - t) * tokens.shape[1])
        kept = torch.arange(tokens.shape[1], device=tokens.device) < written
        return Prefix(torch.where(kept, tokens, PAD), written)

    def survival(self, t: float) -> Tensor:
        """The share of the positions that have been written, (1,)."""
        return torch.tensor([1 - t])

    def glimpse(self, state: Prefix, t: float) -> Tensor:
        """Written words are certain, of the others nothing is known, (B, L, V)."""
        tokens, words = state.tokens, len(self.vocab)
        unknown = torch.full((*tokens.shape, words), -math.log(words), device=tokens.device)
        certain = torch.full_like(unknown, -torch.inf).scatter(-1, tokens[..., None], 0.0)
        return torch.where((torch.arange(tokens.shape[1], device=tokens.device) < state.written)[:, None], certain, unknown)

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Nats per token, (B,)."""
        return self.model.loss(tokens, label)

    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng) -> Tensor:
        """The exact negative log-likelihood of words and END, (B,) nats."""
        return self.model.nll(tokens, label)[0]
