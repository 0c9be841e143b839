"""LD4LG: Gaussian diffusion on the latents of an autoencoder around a frozen language model, which writes the text.

Forward:  z_t = sqrt(alpha_bar) x + sqrt(1 - alpha_bar) eps,   x = resampler(encoder(w)), every vector of norm sqrt(D)
Reverse:  p(z_s | z_t) = q(z_s | z_t, x_hat),   x_hat = sqrt(alpha_bar) z_t - sqrt(1 - alpha_bar) v_hat;   w = decoder(x_hat)

As in the paper: Perceiver resampler and reconstruction network around a frozen encoder-decoder, latents on a sphere, cosine
schedule with its log-SNR within ±15, v-prediction, alpha_bar as the time that the network is told, dense connections between
its first and last blocks, self-conditioning with a learned null, classes and sources with guidance on v, and beam search with
the paper's settings (`decoding="paper"`).
Different here: the language model is a small one of ours unless another is named; every latent begins with its attention at
a place of its own; the reconstruction gives one feature for each position of a text, from which a probe reads a belief about
every word at once, so that words can be seen and steered, and the decoder hears that belief while it writes (`probe_weight`);
decoder and probe are trained on noisy latents, shrunk as a prediction is, instead of scaling predictions back to the sphere
(`renormalise`); ancestral steps have the posterior's variance, not the greater one of the forward step; self-conditioning is
drawn for each row; the empty source is what no source is; sampling re-noises at each step, most often where nearly all is noise,
unless ancestral steps are asked for, because it writes better; the text is written greedily, which is faster.

Source: Lovelace, Kishore, Wan, Shekhtman, Weinberger (2023), arXiv 2212.09462. v-prediction: Salimans and Ho (2022), arXiv
2202.00512. Self-conditioning: Chen, Zhang, Hinton (2022), arXiv 2208.04202. The likelihood bound, the probe and the way back
through it are ours.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from diffusion.core import schedules
from diffusion.core.errors import StudioError
from diffusion.core.model import GaussianModel
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Gaussian, Prediction, Request
from diffusion.nn.autoencoder import AutoencoderConfig, unit
from diffusion.nn.backbone import BackboneConfig
from diffusion.nn.codec import Codec, Remembered
from diffusion.nn.denoiser import DenseBackbone
from diffusion.nn.language_model import LanguageModelConfig
from diffusion.text import source
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import Vocabulary

SCHEDULE = "clamped-cosine"
BOUND_START = 0.15       # time at which the likelihood bound leaves the words to the decoder
MOST_ASKED = 8.0         # nats: what a ruled-out word asks of the probe, at most
REACH = 0.25             # how far a wish may move x_hat in one step, as a share of its norm
NUDGE = 0.03             # the same for what is ruled out: the decoder obeys that anyway, and greater moves break the text


@dataclass(frozen=True, slots=True)
class Config:
    """What an LD4LG is made of.

    Attributes:
        backbone: of the denoiser; its length is that of a text, and the latents are fewer.
        renormalise: scale every predicted vector to norm sqrt(D), as the paper does from a source.
        decoding: "greedy", or "paper": beam search with the paper's settings, which no mask can reach.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    language_model: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    renormalise: bool = False
    decoding: Literal["greedy", "paper"] = "greedy"


class Condition(NamedTuple):
    """What B rows are told: label (B, S), features (B, M, F) of the source and which of them can be read, (B, M)."""

    label: Tensor
    memory: Tensor
    readable: Tensor


class LD4LG(GaussianModel):
    """A language model packs the whole sentence into a few vectors; noise is taken off those vectors, and the language model
    writes out what they say. Words have no place of their own until then, so wishes about single words are preferences."""

    slug: ClassVar[str] = "ld4lg"
    title: ClassVar[str] = "LD4LG"
    source: ClassVar[bool] = True
    hard: ClassVar[bool] = False
    guides_logits: ClassVar[bool] = False
    renoise_power: ClassVar[float] = 0.5                 # chosen on seeds outside the table: 1.31 x human, even times 1.68
    config_type: ClassVar[type] = Config
    paths: ClassVar[tuple[str, ...]] = ("fp32", "onednn", "bf16", "compiled")
    samplers: ClassVar[tuple[str, ...]] = ("renoise", "ancestral", "ddim", "dpm-solver++")
    follows: ClassVar[dict[str, str]] = {"ld4lg-autoencoder": ""}

    def __init__(self, config: Config, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__(config, vocab, labels)
        self.length, width = config.backbone.length, config.autoencoder.latent_width
        self.codec = Codec(config.language_model, config.autoencoder, self.length, vocab, labels).requires_grad_(False)
        shape = dataclasses.replace(config.backbone, length=config.autoencoder.latents, source=True)
        self.network = DenseBackbone(shape, 2 * width, width)
        self.reader = nn.Linear(self.codec.language_model.width, shape.width)     # what the denoiser takes from a source
        self.null = nn.Parameter(torch.randn(width) * 0.02)
        ruled_out = torch.zeros(self.never().shape).masked_fill(self.never(), -torch.inf)
        self.register_buffer("ruled_out", ruled_out, persistent=False)
        self._read_sources, self._latents = Remembered(), Remembered()        # the frozen networks read each row once

    # ---- what it is told

    def no_control(self) -> str | None:
        """Why no wish about single words can reach a foreign language model; None for the bundled one."""
        name = self.config.language_model.name
        if not name:
            return None
        return (f"{self.title} writes here with '{name}', whose tokens are not this lab's words, so that no wish about a word "
                f"can reach it. Take the checkpoint with the bundled language model, or steer by label and source.")

    def condition(self, label: Tensor, rows: Tensor | None) -> Condition:
        """The condition of labels (B, S) and sources (B, M); None for empty ones."""
        rows = source.empty().to(label.device).expand(len(label), -1) if rows is None else rows
        features = self._read_sources(rows, self._read)
        counts = torch.tensor([len(part) for part in features], device=label.device)
        readable = torch.arange(int(counts.max()), device=label.device) < counts[:, None]
        return Condition(label, nn.utils.rnn.pad_sequence(features, batch_first=True), readable)

    def _read(self, rows: Tensor) -> list[Tensor]:
        """What the language model's encoder says of sources (B, M): for each its features (N, F)."""
        features, readable = self.codec.language_model.encode(self.codec.language_model.sources(rows))
        return [part[: int(mask.sum())] for part, mask in zip(features, readable, strict=True)]

    def asked(self, request: Request) -> tuple[Condition, bool]:
        """What the request asks for; with guidance that needs both, the free condition in B more rows, and True."""
        label, scale = self.label_batch(request), request.guidance_scale
        rows = source.empty().to(label.device)[None].expand(len(label), -1)
        told = request.source is not None or bool((label != 0).any())
        if scale == 0:
            label = torch.zeros_like(label)
        elif request.source is not None:
            rows = self.source_batch(request)
        both = told and scale not in (0, 1)
        if both:
            label = torch.cat([label, torch.zeros_like(label)])
            rows = torch.cat([rows, source.empty()[: rows.shape[1]].to(rows.device).expand_as(rows)])
        return self.condition(label, rows), both

    # ---- the belief

    def velocity(self, z: Tensor, x_hat: Tensor, signal: Tensor, told: Condition) -> Tensor:
        """v_hat (B, l, D) of z and the last x_hat (B, l, D), zero for none; signal, alpha_bar, is (B,) or (1,)."""
        unknown = ~x_hat.flatten(1).any(1)[:, None, None]
        inputs = torch.cat([z, torch.where(unknown, self.null, x_hat)], -1)
        return self.evaluate(inputs, signal, told.label, self.reader(told.memory), told.readable).float()

    def point(self, z: Tensor, v_hat: Tensor, signal: Tensor) -> Tensor:
        """x_hat = sqrt(alpha_bar) z - sqrt(1 - alpha_bar) v_hat, (B, l, D), on the sphere where the config says so."""
        x_hat = signal.sqrt() * z - (1 - signal).sqrt() * v_hat
        return unit(x_hat) if self.config.renormalise else x_hat

    def predict(self, state: Gaussian, t: float, request: Request) -> Prediction:
        """The belief at time t; guidance acts on v, as in the paper, and temperature on the belief alone."""
        told, both = self.asked(request)
        batch, signal = len(state.x), self.signal(t)
        z, x_hat = (state.x.repeat(2, 1, 1), state.x0_hat.repeat(2, 1, 1)) if both else (state.x, state.x0_hat)
        v_hat = self.velocity(z, x_hat, signal.reshape(1).to(z.device), told)     # one time for all rows: the same bits alone
        if both:
            v_hat = torch.lerp(v_hat[batch:], v_hat[:batch], request.guidance_scale)
        x_hat = self.point(state.x, v_hat, signal)
        logits = self.codec.logits(x_hat, request.length) / self.sharpness(request) + self.ruled_out[: request.length]
        return Prediction(logits, x_hat, 2 if both else 1)

    def absorb(self, prediction: Prediction, wanted: Tensor) -> Prediction:
        """The belief becomes what was asked for; x_hat moves so that, to first order, the probe follows along that change.

        With p' the belief asked for, x_hat moves along g = J^T (p' - p), J the probe's Jacobian (one VJP), by
        (p' - p) . wanted / |g|^2, at most `REACH` of its norm for wishes, and before them, where words are ruled out, at most
        `NUDGE`. What x_hat could not follow shows in the next free belief.

        Raises:
            StudioError: the language model is a foreign one.
        """
        reason = self.no_control()
        if reason is not None:
            raise StudioError(reason)
        ruled_out = torch.where(wanted == -torch.inf, wanted, 0.0)
        wishes = torch.where(wanted == -torch.inf, 0.0, wanted)
        logits, probs, x_hat = prediction.logits, prediction.logits.softmax(-1), prediction.native
        for part, reach in ((ruled_out, NUDGE), (wishes, REACH)):
            if part.any():
                logits, before = logits + part, probs
                probs = logits.softmax(-1)
                x_hat = self._moved(x_hat, probs - before, part, reach)
        return Prediction(logits, x_hat, prediction.nfe, probs)

    def _moved(self, x_hat: Tensor, change: Tensor, wanted: Tensor, reach: float) -> Tensor:
        """x_hat after one move for a change (B, L, V) of the belief that was asked for by `wanted`, (B, L, V) or (L, V) nats."""
        slope = self._pulled(x_hat, change)
        asked = (change * wanted.clamp(-MOST_ASKED, MOST_ASKED)).sum((1, 2))  # (B,)
        size = slope.square().sum((1, 2))
        step = asked / size.clamp(min=1e-12)
        limit = reach * x_hat.square().sum((1, 2)).sqrt() / size.sqrt().clamp(min=1e-12)
        return x_hat + torch.minimum(step, limit)[:, None, None] * slope

    def _pulled(self, x_hat: Tensor, change: Tensor) -> Tensor:
        """J^T change, (B, l, D), of the probe's logits at x_hat."""
        with torch.enable_grad():
            moving = x_hat.detach().requires_grad_()
            logits = self.codec.logits(moving, change.shape[1])
            return torch.autograd.grad(logits, moving, change)[0]

    def decode(self, state: Gaussian) -> Tensor:
        """The text (B, L) that the language model writes from the latents."""
        return self._written(state.x, self.length, None)

    def finish(self, state: Gaussian, prediction: Prediction) -> Tensor:
        """The text that the language model writes from the last x_hat; it hears the last belief, and obeys what that rules out."""
        return self._written(prediction.native, prediction.logits.shape[1], prediction.logits)

    def _written(self, x: Tensor, length: int, logits: Tensor | None) -> Tensor:
        if self.config.decoding == "paper":
            return self.codec.write_as_in_the_paper(x, length)
        return self.codec.write(x, length, logits)

    # ---- the process

    def network_inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Zeros for `batch` rows: latents (B, l, 2 D), alpha_bar (1,), labels (B, S), a source of half its length and mask."""
        width, length = self.network.config.width, source.LENGTH // 2
        latents = torch.zeros(batch, self.config.autoencoder.latents, 2 * self.state_width, device=self.device)
        return (latents, torch.full((1,), 0.5, device=self.device), self.labels.free().to(self.device).expand(batch, -1),
                torch.zeros(batch, length, width, device=self.device),
                torch.ones(batch, length, dtype=torch.bool, device=self.device))

    @property
    def state_width(self) -> int:
        """D."""
        return self.config.autoencoder.latent_width

    def prior(self, request: Request, rng: Rng) -> Gaussian:
        """Standard normal noise, (B, l, D)."""
        z = rng.normal(self.config.autoencoder.latents, self.state_width)
        return Gaussian(z, torch.zeros_like(z))

    def signal(self, t: float) -> Tensor:
        """alpha_bar at time t, ()."""
        return schedules.at(SCHEDULE, t)

    def clamp(self, x0_hat: Tensor) -> Tensor:
        """Every vector scaled to the sphere of the latents; no single vector means a word."""
        return unit(x0_hat)

    @torch.no_grad()
    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Gaussian:
        """z_t of the forward process from tokens (B, L)."""
        x, signal = self.codec.encode(tokens), self.signal(t)
        return Gaussian(signal.sqrt() * x + (1 - signal).sqrt() * rng.normal(*x.shape[1:]), torch.zeros_like(x))

    @torch.no_grad()
    def glimpse(self, state: Gaussian, t: float) -> Tensor:
        """What the probe reads in the latents, shrunk by the noise they are known to hold, (B, L, V)."""
        return torch.log_softmax(self.codec.logits(self.signal(t).sqrt() * state.x, self.length) + self.ruled_out, -1)

    # ---- training

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Mean squared error of v, (B,); in half of the rows x_hat of a first pass conditions the second."""
        x = torch.stack(self._latents(tokens, self.codec.encode))
        signal, told = schedules.clamped_cosine(rng.times()), self.condition(label, source)
        a, b = signal.sqrt()[:, None, None], (1 - signal).sqrt()[:, None, None]
        noise = rng.normal(*x.shape[1:])
        z, x_hat = a * x + b * noise, torch.zeros_like(x)
        chosen = (rng.uniform() < 0.5).nonzero()[:, 0]
        if len(chosen):
            with torch.no_grad():
                part = Condition(*(value[chosen] for value in told))
                v_hat = self.velocity(z[chosen], x_hat[chosen], signal[chosen], part)
                x_hat[chosen] = self.point(z[chosen], v_hat, signal[chosen, None, None])
        v_hat = self.velocity(z, x_hat, signal, told)
        return (v_hat - (a * noise - b * x)).square().mean((1, 2))

    def beliefs(self, tokens: Tensor, rng: BatchRng) -> Tensor:
        """What the probe says of texts (B, L) noised at even times, nothing told, before its temperature, (B, L, V)."""
        x, t = self.codec.encode(tokens), rng.times()
        told = self.condition(self.labels.free().to(tokens.device).expand(len(tokens), -1), None)
        return self.codec.autoencoder.logits(self._mean(self._noised(x, t, rng), t, told), tokens.shape[1])

    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Variational bound with one time a row, (B,) nats: prior + 1/2 int -dSNR/dt |x - x_hat|^2 dt + decoder.

        The integral runs from `BOUND_START`, where the decoder takes over: it writes from sqrt(alpha_bar) z_t, as it was
        trained to. x_hat depends on z_t, label and source alone: self-conditioning uses a first prediction from the same z_t.
        Source: Kingma et al. (2021), equation 17; for latents that a text determines.
        """
        with torch.no_grad():
            x = self.codec.encode(tokens)
        told = self.condition(label, source)
        t = BOUND_START + (1 - BOUND_START) * rng.times()
        with torch.enable_grad():
            moving = t.detach().requires_grad_()
            power = schedules.clamped_cosine(moving)
            slope = torch.autograd.grad((power / (1 - power)).sum(), moving)[0]       # of SNR, (B,), not positive
        error = (x - self._mean(self._noised(x, t, rng), t, told)).square().sum((1, 2))
        diffusion = -0.5 * (1 - BOUND_START) * slope * error
        start = torch.full_like(t, BOUND_START)
        known = schedules.clamped_cosine(start)[:, None, None].sqrt() * self._noised(x, start, rng)
        written = self.codec.nll(self.codec.autoencoder.read(known, self.length), tokens)[0]
        signal = self.signal(1.0)
        variance = 1 - signal
        prior = 0.5 * (variance + signal * x.square() - 1 - variance.log()).sum((1, 2))
        return prior + diffusion + written

    def _noised(self, x: Tensor, t: Tensor, rng: BatchRng) -> Tensor:
        """A draw of q(z_t | x) for latents (B, l, D) and times (B,)."""
        signal = schedules.clamped_cosine(t)[:, None, None]
        return signal.sqrt() * x + (1 - signal).sqrt() * rng.normal(*x.shape[1:])

    def _mean(self, z: Tensor, t: Tensor, told: Condition) -> Tensor:
        """x_hat from z_t alone, self-conditioned on a first prediction from the same z_t."""
        signal, x_hat = schedules.clamped_cosine(t), torch.zeros_like(z)
        for _ in range(2):
            x_hat = self.point(z, self.velocity(z, x_hat, signal, told), signal[:, None, None])
        return x_hat
