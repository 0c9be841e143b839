"""Diffusion-LM: Gaussian diffusion on word embeddings that are learned with it.

Forward:  x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps,   x_0 = E[w] (+ entry noise sigma_0)
Reverse:  p(x_s | x_t) = q(x_s | x_t, x0_hat),   x0_hat = the prediction, at the end rounded to words by the head

As in the paper: one vector a word, learned end to end; sqrt schedule; the network predicts x_0; PAD is a token that the
model learns; the clamping trick and a tied rounding head are there.
Different here (each a field of `Config`; `Config.paper()` has the paper's own settings): the anchor, a cross-entropy on
the *prediction* instead of on the noised embedding, keeps embeddings apart; embeddings have a fixed norm; x0_hat is the
mean embedding of the belief (`readout="belief"`), which makes a wish in nats exact; self-conditioning; PAD after the
second counts less; time is continuous and enters every block.

Source: Li, Thickstun, Gulrajani, Liang, Hashimoto (2022), arXiv 2205.14217. Self-conditioning: Chen, Zhang, Hinton (2022),
arXiv 2208.04202. Anchor: Gao et al. (2022), arXiv 2212.09412. Belief read-out, norm: Dieleman et al. (2022), arXiv 2211.15089.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from diffusion.core import schedules
from diffusion.core.embedded import EmbeddingModel, cross_entropy
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Gaussian, Prediction, Request
from diffusion.nn.backbone import Backbone, BackboneConfig
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import Vocabulary

BOUND_START = 0.05       # time below which the likelihood bound leaves the word to the rounding head


@dataclass(frozen=True, slots=True)
class Config:
    """What a Diffusion-LM is made of.

    Attributes:
        embedding_width: D. The paper uses 16 for E2E.
        embedding_scale: root mean square of an embedding's coordinates; None leaves the norm free, as the paper does.
        readout: "rounding": the network gives x0_hat and the tied head logits = x0_hat E^T + b (paper, section 4.2);
            "belief": the network gives logits and x0_hat = softmax(logits) E; "noise": the network gives eps_hat, and x0_hat
            follows from it (Ho et al. 2020), which the paper compares with and advises against (section 4.2).
        anchor: cross-entropy on the prediction instead of on the noised embedding.
        pad_weight: weight in the loss of PAD from the third on; 1 in the paper.
        entry_steps: sigma_0^2 = 1 - alpha_bar(1 / entry_steps), the paper's q(x_0 | w) with T = 2000; 0 for none.
        learned_embeddings: False keeps the embeddings as they were drawn, the paper's "random embeddings".
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    embedding_width: int = 32
    embedding_scale: float | None = 0.5
    schedule: str = "sqrt"
    readout: Literal["belief", "rounding", "noise"] = "belief"
    anchor: bool = True
    self_conditioning: bool = True
    pad_weight: float = 0.2
    entry_steps: int = 0
    learned_embeddings: bool = True

    @classmethod
    def paper(cls, backbone: BackboneConfig) -> Config:
        """The paper's own settings on this backbone."""
        return cls(backbone, embedding_width=16, embedding_scale=None, readout="rounding", anchor=False,
                   self_conditioning=False, pad_weight=1.0, entry_steps=2000)


class DiffusionLM(EmbeddingModel):
    """Words become points in a small space; noise moves the points until nothing is left of them, and the model walks
    them back. At every step it believes something about every word at once, so a wish about any word can steer it."""

    slug: ClassVar[str] = "diffusion-lm"
    title: ClassVar[str] = "Diffusion-LM"
    config_type: ClassVar[type] = Config
    paths: ClassVar[tuple[str, ...]] = ("fp32", "onednn", "bf16", "compiled")
    temperature: ClassVar[float] = 0.8                   # fluent and still varied; the choice is in the domain's results
    samplers: ClassVar[tuple[str, ...]] = ("ancestral", "ddim", "dpm-solver++", "renoise")

    def __init__(self, config: Config, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__(config, vocab, labels)
        self.length = config.backbone.length
        width = config.embedding_width
        self.embedding = nn.Embedding(len(vocab), width).requires_grad_(config.learned_embeddings)
        outputs = len(vocab) if config.readout == "belief" else width
        self.network = Backbone(config.backbone, 2 * width if config.self_conditioning else width, outputs)
        self.bias = nn.Parameter(torch.zeros(len(vocab)))
        self.alpha_bar = schedules.alpha_bar(config.schedule)
        entry = torch.tensor(1 / config.entry_steps) if config.entry_steps else torch.tensor(0.0)
        self.entry_variance = float(1 - self.alpha_bar(entry)) if config.entry_steps else 0.0
        ruled_out = torch.zeros(self.never().shape).masked_fill(self.never(), -torch.inf)
        self.register_buffer("ruled_out", ruled_out, persistent=False)

    # ---- the belief

    def believe(self, x: Tensor, x0_hat: Tensor, t: Tensor, label: Tensor, table: Tensor) -> tuple[Tensor, Tensor | None]:
        """One network evaluation: x, x0_hat (B, L, D), t (B,) or (1,), label (B, S).

        Returns logits (B, L, V), and the network's own x0_hat (B, L, D) where the read-out is not by the belief.
        """
        scale, noisy = self.config.embedding_scale, x
        if scale is not None:                            # unit variance into the network at every noise level
            x, x0_hat = x * self._gain(t), x0_hat / scale
        inputs = torch.cat([x, x0_hat], -1) if self.config.self_conditioning else x
        output = self.evaluate(inputs, t, label).float()
        if self.config.readout == "belief":
            return output + self.bias, None
        if self.config.readout == "noise":
            signal = self.alpha_bar(t)[:, None, None]
            output = (noisy - (1 - signal).sqrt() * output) / signal.sqrt()
        return self._inside(output, table) @ table.T + self.bias, output

    def _gain(self, t: Tensor) -> Tensor:
        """What brings x_t to unit variance at times (B,), (B, 1, 1); of one time for all rows it is computed once."""
        schedule, scale = self.config.schedule, self.config.embedding_scale
        return _known_gain(schedule, scale, t.item()) if schedules.shared(t) else _gain(schedule, scale, t)

    def _inside(self, x0_hat: Tensor, table: Tensor) -> Tensor:
        """x0_hat (B, L, D); of predicted noise, brought into the ball that holds all embeddings and so every mean of them.

        Near t = 1 an error of eps_hat is multiplied by thousands; image diffusion clips to the range of pixels instead.
        """
        if self.config.readout != "noise":
            return x0_hat
        radius = table.norm(dim=-1).max()
        return x0_hat * (radius / x0_hat.norm(dim=-1, keepdim=True).clamp(min=1e-9)).clamp(max=1)

    def _mean_of(self, logits: Tensor, own: Tensor | None, table: Tensor) -> Tensor:
        """x0_hat (B, L, D) of what `believe` returned."""
        return logits.softmax(-1) @ table if own is None else self._inside(own, table)

    def predict(self, state: Gaussian, t: float, request: Request) -> Prediction:
        """The belief at time t, guided by the label where the request asks for it."""
        label, scale = self.label_batch(request), request.guidance_scale
        table = self.table()
        both = scale not in (0, 1) and bool((label != 0).any())
        if both:
            label = torch.cat([label, torch.zeros_like(label)])
        elif scale == 0:
            label = torch.zeros_like(label)
        x, x0_hat = (state.x.repeat(2, 1, 1), state.x0_hat.repeat(2, 1, 1)) if both else (state.x, state.x0_hat)
        logits, own = self.believe(x, x0_hat, schedules.moment(t, x.device), label, table)
        return self.guided(logits, own if own is None else self._inside(own, table), request, len(state.x))

    # ---- the process

    def network_inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Zeros for `batch` rows: vectors (B, L, D or 2 D), a time (1,), labels (B, S)."""
        width = self.network.inputs.in_features
        zeros = torch.zeros(batch, self.length, width, device=self.device)
        return zeros, torch.full((1,), 0.5, device=self.device), self.labels.free().to(self.device).expand(batch, -1)

    def signal(self, t: float) -> Tensor:
        """alpha_bar at time t, ()."""
        return schedules.at(self.config.schedule, t)

    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Gaussian:
        """x_t of the forward process from tokens (B, L)."""
        x0 = self.table()[tokens]
        signal = self.alpha_bar(torch.tensor(t, device=x0.device))
        variance = 1 - signal + signal * self.entry_variance
        return Gaussian(signal.sqrt() * x0 + variance.sqrt() * rng.normal(*x0.shape[1:]), torch.zeros_like(x0))

    # ---- training

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Cross-entropy of the prediction, or the paper's three terms (its equation for L_simple^e2e), (B,)."""
        t, table = rng.times(), self.table()
        clean = table[tokens]                                                 # (B, L, D)
        x0 = clean + math.sqrt(self.entry_variance) * rng.normal(*clean.shape[1:]) if self.entry_variance else clean
        signal = self.alpha_bar(t)[:, None, None]
        eps = rng.normal(*clean.shape[1:])
        x = signal.sqrt() * x0 + (1 - signal).sqrt() * eps
        x0_hat = torch.zeros_like(x)
        if self.config.self_conditioning and float(rng.uniform()[0]) < 0.5:
            with torch.no_grad():
                x0_hat = self._mean_of(*self.believe(x, x0_hat, t, label, table), table)
        logits, own = self.believe(x, x0_hat.detach(), t, label, table)
        weight = self.word_weights(tokens)                                        # (B, L)
        loss = torch.zeros(len(tokens), device=tokens.device)
        if self.config.anchor:
            loss = loss + (weight * cross_entropy(logits, tokens)).mean(1)
        if own is not None:
            rounding = torch.zeros_like(loss) if self.config.anchor else (
                weight * cross_entropy(x0 @ table.T + self.bias, tokens)).mean(1)
            prior = (schedules.sqrt(torch.ones(())) * x0.square()).mean((1, 2))
            error = x0 - own
            if self.config.readout == "noise":
                error = eps - (x - signal.sqrt() * own) / (1 - signal).sqrt().clamp(min=1e-6)
            loss = loss + (weight[..., None] * error.square()).mean((1, 2)) + rounding + prior
        return loss

    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng) -> Tensor:
        """Variational bound with one time a row, (B,) nats: prior + 1/2 int -dSNR/dt |E - x0_hat|^2 dt + rounding.

        The integral runs from `BOUND_START`, where the head takes over. x0_hat depends on x_t alone: self-conditioning uses
        a first prediction from the same x_t. Source: Kingma et al. (2021), equation 17, with sigma_0 folded in.
        """
        table, clean = self.table(), self.table()[tokens]
        t = BOUND_START + (1 - BOUND_START) * rng.times()
        with torch.enable_grad():
            moving = t.detach().requires_grad_()
            snr = self._snr(moving)
            slope = torch.autograd.grad(snr.sum(), moving)[0]                 # (B,), negative
        noisy = self._noised(clean, t, rng)
        error = (clean - self._mean(noisy, t, label, table)[1]).square().sum((1, 2))
        diffusion = -0.5 * slope * error * (1 - BOUND_START)
        start = torch.full_like(t, BOUND_START)
        logits = self._mean(self._noised(clean, start, rng), start, label, table)[0]
        rounding = cross_entropy(logits, tokens).sum(1)
        signal = self.alpha_bar(torch.ones((), device=t.device))
        variance = 1 - signal + signal * self.entry_variance
        prior = 0.5 * (variance + signal * clean.square() - 1 - variance.log()).sum((1, 2))
        return prior + diffusion + rounding

    def _snr(self, t: Tensor) -> Tensor:
        """Signal-to-noise ratio of q(x_t | w), entry noise included, (B,)."""
        signal = self.alpha_bar(t)
        return signal / (1 - signal + signal * self.entry_variance)

    def _noised(self, clean: Tensor, t: Tensor, rng: BatchRng) -> Tensor:
        """A draw of q(x_t | w) for clean embeddings (B, L, D) and times (B,)."""
        signal = self.alpha_bar(t)[:, None, None]
        variance = 1 - signal + signal * self.entry_variance
        return signal.sqrt() * clean + variance.sqrt() * rng.normal(*clean.shape[1:])

    def _mean(self, x: Tensor, t: Tensor, label: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and x0_hat from x_t alone, self-conditioned on a first prediction from the same x_t."""
        x0_hat = torch.zeros_like(x)
        for _ in range(2 if self.config.self_conditioning else 1):
            logits, own = self.believe(x, x0_hat, t, label, table)
            x0_hat = self._mean_of(logits, own, table)
        return logits, x0_hat


def _gain(schedule: str, scale: float, t: Tensor) -> Tensor:
    """What brings x_t to unit variance where embeddings have root mean square `scale`, at times t (B,): (B, 1, 1)."""
    signal = schedules.alpha_bar(schedule)(t)[:, None, None]
    return torch.rsqrt(1 - signal * (1 - scale**2))


@lru_cache(maxsize=8192)
def _known_gain(schedule: str, scale: float, t: float) -> Tensor:
    return _gain(schedule, scale, torch.full((1,), t))
