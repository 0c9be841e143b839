"""SeqDiffuSeq: Gaussian diffusion from a source text to a target text, with a noise schedule for every position.

Forward:  x_t = sqrt(alpha_bar[t, l]) x_0 + sqrt(1 - alpha_bar[t, l]) eps   at position l,   x_0 = E[w] (+ entry noise sigma_0)
Reverse:  p(x_s | x_t, source) = q(x_s | x_t, x0_hat(x_t, t, source)),   with coefficients and variances of each position

As in the paper: an encoder reads the source once, a decoder without causal mask cross-attends to it at every step; both share
one embedding table; self-conditioning; alpha_bar starts as the sqrt schedule and is refitted from the loss in each bin of time
and at each position, so that the loss grows linearly in t; generation by q and by mix (`samplers/renoise.py`), and the choice
of a candidate by minimum Bayes risk (`selection.py`).
Different here, as fields of `Config` (`Config.paper()` has the paper's own settings): the anchor, a fixed norm of embeddings
and the belief read-out, as in Diffusion-LM; the network is told every position's noise level, so that a refit does not
surprise it; PAD after the second counts less. And everywhere: an empty source, and labels beside the source; time is
continuous and enters every block; position 0 is refitted too, for no text here begins with a BOS; losses are smoothed before
a refit (`core/adaptive.py`). The released code's variances mix up times and positions; here each position has its own.

Source: Yuan, Yuan, Tan, Huang, Huang (2022), arXiv 2212.10325. Self-conditioning: Chen, Zhang, Hinton (2022), arXiv
2208.04202. Anchor: Gao et al. (2022), arXiv 2212.09412. Belief read-out, norm: Dieleman et al. (2022), arXiv 2211.15089.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.core import schedules
from diffusion.core.embedded import EmbeddingModel, cross_entropy
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Gaussian, Prediction, Request
from diffusion.nn.backbone import Backbone, BackboneConfig
from diffusion.nn.encoder import SourceEncoder
from diffusion.nn.position_schedule import PositionSchedule
from diffusion.text import source
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import PAD, Vocabulary

FIRST_REFIT = 3          # strides before the first refit; the released code


@dataclass(frozen=True, slots=True)
class Config:
    """What a SeqDiffuSeq is made of.

    Attributes:
        backbone: the decoder, cross-attention included whatever its `source` says; the encoder has its width and heads.
        encoder_layers: layers of the encoder. The paper has 6 and 6.
        embedding_width: D. The paper uses 128.
        embedding_scale: root mean square of an embedding's coordinates; None leaves the norm free, as the paper does.
        readout: "rounding": the network gives x0_hat and the tied head logits = x0_hat E^T + b;
            "belief": the network gives logits and x0_hat = softmax(logits) E.
        anchor: cross-entropy on the prediction instead of on the noised embedding.
        tell_noise: alpha_bar of each position goes into the network beside x_t.
        pad_weight: weight in the loss of PAD from the third on; 1 in the paper.
        entry_steps: sigma_0^2 = 1 - alpha_bar(1 / entry_steps) at the start of training, T = 2000 in the paper; 0 for none.
        refit_stride: steps of training between two refits of the schedule, the first after three of them; 0 for none.
            The paper has 20,000.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    encoder_layers: int = 2
    embedding_width: int = 32
    embedding_scale: float | None = 0.5
    schedule: str = "sqrt"
    readout: Literal["belief", "rounding"] = "belief"
    anchor: bool = True
    self_conditioning: bool = True
    tell_noise: bool = True
    pad_weight: float = 0.2
    entry_steps: int = 0
    refit_stride: int = 2000

    @classmethod
    def paper(cls, backbone: BackboneConfig) -> Config:
        """The paper's own settings on this backbone."""
        return cls(backbone, encoder_layers=backbone.layers, embedding_width=128, embedding_scale=None, readout="rounding",
                   anchor=False, tell_noise=False, pad_weight=1.0, entry_steps=2000, refit_stride=20_000)


class Condition(NamedTuple):
    """What a prediction depends on besides x_t: label (B, S), encoded source (B, M, W), and where it can be read (B, M)."""

    label: Tensor
    memory: Tensor
    readable: Tensor


class SeqDiffuSeq(EmbeddingModel):
    """Reads a source first, then lets a text emerge from noise that answers it. While training it measures how hard every
    place in the text is, and learns to lift the noise place by place, so that each step decides about as much as the last."""

    slug: ClassVar[str] = "seqdiffuseq"
    title: ClassVar[str] = "SeqDiffuSeq"
    source: ClassVar[bool] = True
    config_type: ClassVar[type] = Config
    paths: ClassVar[tuple[str, ...]] = ("fp32", "onednn", "bf16", "compiled")
    temperature: ClassVar[float] = 0.5                   # fluent and still varied; chosen with an earlier checkpoint
    samplers: ClassVar[tuple[str, ...]] = ("ancestral", "ddim", "dpm-solver++", "renoise")
    cache_source: bool = True    # False encodes the source again at every step, to measure what that costs
    bound_start: float = 0.05    # time below which `bound` leaves the word to the head; every choice gives a bound

    def __init__(self, config: Config, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__(config, vocab, labels)
        self.length = config.backbone.length
        width, backbone = config.embedding_width, dataclasses.replace(config.backbone, source=True)
        self.embedding = nn.Embedding(len(vocab), width)
        self.encoder = SourceEncoder(width, backbone.width, config.encoder_layers, backbone.heads, source.LENGTH,
                                     source.size(vocab, labels) - len(vocab))
        inputs = width * (2 if config.self_conditioning else 1) + config.tell_noise
        self.network = Backbone(backbone, inputs, len(vocab) if config.readout == "belief" else width)
        self.bias = nn.Parameter(torch.zeros(len(vocab)))
        alpha_bar = schedules.alpha_bar(config.schedule)
        self.schedule = PositionSchedule(self.length, alpha_bar)
        self.entry_variance = float(1 - alpha_bar(torch.tensor(1 / config.entry_steps))) if config.entry_steps else 0.0
        ruled_out = torch.zeros(self.never().shape).masked_fill(self.never(), -torch.inf)
        self.register_buffer("ruled_out", ruled_out, persistent=False)
        self._memory: tuple[tuple[tuple[int, int], ...], Tensor, Tensor] | None = None

    # ---- the source

    def encoded(self, rows: Tensor) -> Tensor:
        """Sources (R, M) encoded, (R, M, W); the same sources at the next step are not encoded again."""
        if torch.is_grad_enabled() or not self.cache_source:
            return self.encoder(rows, source.mask(rows), self.table())
        weights = (self.embedding.weight, *self.encoder.parameters())
        key = tuple((weight._version, weight.data_ptr()) for weight in weights)
        known = self._memory
        if known is None or known[0] != key or not torch.equal(known[1], rows):
            known = self._memory = (key, rows.clone(), self.encoder(rows, source.mask(rows), self.table()))
        return known[2]

    def condition(self, request: Request) -> tuple[Condition, bool]:
        """What the request asks for; with guidance that needs both, the free condition in B more rows, and True."""
        label, batch, scale = self.label_batch(request), len(request.seeds), request.guidance_scale
        nothing = source.empty()[None, :1].to(label.device)                   # one position holds the empty source
        told = request.source is not None or bool((label != 0).any())
        rows = nothing
        if request.source is not None and scale != 0:    # what all rows share is encoded once, and needs no PAD
            rows = self.source_batch(request)
            rows = rows if request.source.dim() > 1 else rows[:1, : int(source.mask(rows[:1]).sum())]
        both = told and scale not in (0, 1)
        if both:
            label = torch.cat([label, torch.zeros_like(label)])
            rows = torch.cat([rows, F.pad(nothing, (0, rows.shape[1] - 1), value=PAD)])
        memory, readable = self.encoded(rows), source.mask(rows)
        if both:
            memory, readable = (torch.cat([part[:-1].expand(batch, *part.shape[1:]), part[-1:].expand(batch, *part.shape[1:])])
                                for part in (memory, readable))
        else:
            memory, readable = (part.expand(batch, *part.shape[1:]) for part in (memory, readable))
        return Condition(torch.zeros_like(label) if scale == 0 else label, memory, readable), both

    def training_condition(self, label: Tensor, rows: Tensor | None) -> Condition:
        """The condition of a batch with labels (B, S) and sources (B, M); None for empty ones."""
        rows = source.empty().to(label.device).expand(len(label), -1) if rows is None else rows
        rows = rows[:, : int(source.mask(rows).sum(1).max())]                 # columns that hold only PAD cost time
        return Condition(label, self.encoded(rows), source.mask(rows))

    # ---- the belief

    def believe(self, x: Tensor, x0_hat: Tensor, t: Tensor, condition: Condition,
                table: Tensor) -> tuple[Tensor, Tensor | None]:
        """One network evaluation: x, x0_hat (B, L, D), t (B,) or (1,).

        Returns logits (B, L, V), and the network's own x0_hat (B, L, D) where the read-out is by rounding.
        """
        signal = self.schedule(t)[:, : x.shape[1], None]                      # (B or 1, L, 1)
        scale = self.config.embedding_scale
        if scale is not None:                            # unit variance into the network at every noise level
            x, x0_hat = x * torch.rsqrt(1 - signal * (1 - scale**2)), x0_hat / scale
        inputs = [x, x0_hat] if self.config.self_conditioning else [x]
        if self.config.tell_noise:
            inputs.append(signal.sqrt().expand(*x.shape[:2], 1))
        output = self.evaluate(torch.cat(inputs, -1), t, *condition).float()
        if self.config.readout == "belief":
            return output + self.bias, None
        return output @ table.T + self.bias, output

    def predict(self, state: Gaussian, t: float, request: Request) -> Prediction:
        """The belief at time t, guided by label and source where the request asks for it."""
        condition, both = self.condition(request)
        table = self.table()
        x, x0_hat = (state.x.repeat(2, 1, 1), state.x0_hat.repeat(2, 1, 1)) if both else (state.x, state.x0_hat)
        time = torch.full((1,), t, device=x.device)      # one for all rows: the same bits alone or in a batch
        logits, own = self.believe(x, x0_hat, time, condition, table)
        return self.guided(logits, own, request, len(state.x))

    # ---- the process

    def network_inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Zeros for `batch` rows: vectors (B, L, inputs), a time (1,), labels (B, S), a source of half its length and mask."""
        width, length = self.network.config.width, source.LENGTH // 2
        return (torch.zeros(batch, self.length, self.network.inputs.in_features, device=self.device),
                torch.full((1,), 0.5, device=self.device), self.labels.free().to(self.device).expand(batch, -1),
                torch.zeros(batch, length, width, device=self.device),
                torch.ones(batch, length, dtype=torch.bool, device=self.device))

    def signal(self, t: float) -> Tensor:
        """alpha_bar of each position at time t, (L, 1)."""
        return self.schedule.at(t)[:, None]

    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Gaussian:
        """x_t of the forward process from tokens (B, L)."""
        x = self._noised(self.table()[tokens], torch.full((1,), t, device=tokens.device), rng)
        return Gaussian(x, torch.zeros_like(x))

    def _noised(self, clean: Tensor, t: Tensor, rng: Rng | BatchRng) -> Tensor:
        """A draw of q(x_t | w) for clean embeddings (B, L, D) and times (B,) or (1,)."""
        signal = self.schedule(t)[:, : clean.shape[1], None]
        return signal.sqrt() * clean + self._variance(signal).sqrt() * rng.normal(*clean.shape[1:])

    def _variance(self, signal: Tensor) -> Tensor:
        """Of q(x_t | w) where alpha_bar is `signal`, entry noise included."""
        return 1 - signal + signal * self.entry_variance

    # ---- training

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Cross-entropy of the prediction, or the paper's three terms, (B,); in training mode it notes the error of x0_hat."""
        t, table, condition = rng.times(), self.table(), self.training_condition(label, source)
        clean = table[tokens]                                                 # (B, L, D)
        x0 = clean + math.sqrt(self.entry_variance) * rng.normal(*clean.shape[1:]) if self.entry_variance else clean
        signal = self.schedule(t)[:, : clean.shape[1], None]
        x = signal.sqrt() * x0 + (1 - signal).sqrt() * rng.normal(*clean.shape[1:])
        x0_hat = torch.zeros_like(x)
        if self.config.self_conditioning and float(rng.uniform()[0]) < 0.5:
            with torch.no_grad():
                x0_hat = _point(*self.believe(x, x0_hat, t, condition, table), table)
        logits, own = self.believe(x, x0_hat, t, condition, table)
        if self.training:
            with torch.no_grad():
                self.schedule.note(t, (x0 - _point(logits, own, table)).square().mean(-1), tokens != PAD)
        weight = self.word_weights(tokens)                                    # (B, L)
        said = logits if self.config.anchor else x0 @ table.T + self.bias
        loss = (weight * cross_entropy(said, tokens)).mean(1)
        if own is not None:
            prior = (self.schedule.alpha_bar[-1].max() * x0.square()).mean((1, 2))
            loss = loss + (weight[..., None] * (x0 - own).square()).mean((1, 2)) + prior
        return loss

    def after_step(self, step: int) -> None:
        """Refits the schedule every `refit_stride` steps of optimisation, for the first time after three of them."""
        stride = self.config.refit_stride
        if stride and step % stride == 0 and step >= FIRST_REFIT * stride:
            self.schedule.refit()

    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Variational bound with one time a row, (B,) nats: prior + 1/2 int -dSNR/dt |E - x0_hat|^2 dt + rounding.

        Every position has its own SNR. The integral runs from `bound_start`, where the head takes over. x0_hat depends on x_t
        and the source alone: self-conditioning uses a first prediction from the same x_t.
        Source: Kingma et al. (2021), equation 17, with sigma_0 folded in.
        """
        table, condition = self.table(), self.training_condition(label, source)
        clean = table[tokens]
        t = self.bound_start + (1 - self.bound_start) * rng.times()
        variance = self._variance(self.schedule(t)[:, : clean.shape[1]])      # SNR = alpha_bar / variance, so its slope is
        slope = self.schedule.slope(t)[:, : clean.shape[1]] / variance**2     # that of alpha_bar / variance^2, (B, L)
        error = (clean - self._mean(self._noised(clean, t, rng), t, condition, table)[1]).square().sum(2)
        diffusion = -0.5 * (1 - self.bound_start) * (slope * error).sum(1)
        start = torch.full_like(t, self.bound_start)
        logits = self._mean(self._noised(clean, start, rng), start, condition, table)[0]
        rounding = cross_entropy(logits, tokens).sum(1)
        signal = self.schedule.at(1.0)[: clean.shape[1], None]
        variance = self._variance(signal)
        prior = 0.5 * (variance + signal * clean.square() - 1 - variance.log()).sum((1, 2))
        return prior + diffusion + rounding

    def _mean(self, x: Tensor, t: Tensor, condition: Condition, table: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and x0_hat from x_t alone, self-conditioned on a first prediction from the same x_t."""
        x0_hat = torch.zeros_like(x)
        for _ in range(2 if self.config.self_conditioning else 1):
            logits, own = self.believe(x, x0_hat, t, condition, table)
            x0_hat = _point(logits, own, table)
        return logits, x0_hat


def _point(logits: Tensor, own: Tensor | None, table: Tensor) -> Tensor:
    """x0_hat (B, L, D): the network's own, or the mean embedding of the belief."""
    return logits.softmax(-1) @ table if own is None else own
