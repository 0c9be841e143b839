"""What LD4LG's first stages need in training: the language model that is trained first, and the autoencoder around it.

Three runs, each from the checkpoint of the one before (--init-from): the language model, the autoencoder around the frozen
language model, and the diffusion (diffusion/papers/ld4lg.py) in the latents of both, which are then frozen too. Names of weights
agree, so that the next stage takes over all that the last one has.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.core import schedules
from diffusion.core.checkpoint import Checkpoint, distinct
from diffusion.core.errors import StudioError
from diffusion.core.rng import BatchRng
from diffusion.nn.autoencoder import AutoencoderConfig
from diffusion.nn.codec import Codec
from diffusion.nn.language_model import LanguageModel, LanguageModelConfig
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import END, PAD, UNK, Vocabulary

SPAN = 3                 # mean words of a span that is taken out, as in T5
MOST = 0.5               # the share of words taken out is drawn from 0 to this
WHOLE = 0.15             # share of the rows that are read as they are
STRANGE_ROWS, STRANGE = 0.4, 0.25     # share of the autoencoder's rows with strange words, and of the words in them
SOURCES = 0.25           # share of the rows with a source that are written from it


@dataclass(frozen=True, slots=True)
class LanguageModelRun:
    """What the first stage trains."""

    language_model: LanguageModelConfig = field(default_factory=LanguageModelConfig)

    @property
    def length(self) -> int:
        """Positions of a text."""
        return self.language_model.length


class LanguageModelStage(nn.Module):
    """The bundled language model, trained by span denoising: of a damaged text it writes the whole.

    The target is the whole text, as in BART, not the missing spans, as in T5: its decoder is frozen afterwards, and one that
    only ever wrote the missing spans cannot be brought to write all that its features hold. A part of the rows is written
    from the meaning representation, so that the encoder's features of a source mean something.
    """

    slug: ClassVar[str] = "ld4lg-language-model"
    title: ClassVar[str] = "LD4LG's language model"
    source: ClassVar[bool] = True

    def __init__(self, config: LanguageModelRun, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__()
        self.config, self.vocab, self.labels, self.length = config, vocab, labels, config.length
        self.language_model = LanguageModel(config.language_model, vocab, labels)

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Nats per token of the whole text, (B,), rows weighted by their number of tokens."""
        read = damaged(tokens, self.language_model.sentinel, rng)
        if source is not None:
            told = (source[:, 0] != END) & (rng.uniform() < SOURCES)
            wide = max(read.shape[1], source.shape[1])
            padded = [F.pad(ids, (0, wide - ids.shape[1]), value=PAD) for ids in (read, source)]
            read = torch.where(told[:, None], padded[1], padded[0])
        model = self.language_model
        features, mask = model.encode(model.texts(read))
        return nats_per_token(model.logits(features, targets := model.texts(tokens), mask), targets, model.pad)

    @torch.no_grad()
    def show(self, tokens: Tensor) -> str:
        """What it writes when it reads the first two words of a text (1, L) and a gap."""
        start = F.pad(tokens[:, :2], (0, 2), value=END)
        start[:, 2] = self.language_model.sentinel
        features, _ = self.language_model.encode(start)
        return self.vocab.text(self.language_model.write(features, self.length)[0])


def damaged(tokens: Tensor, sentinel: int, rng: BatchRng) -> Tensor:
    """Texts (B, L) with spans of words replaced by one sentinel each, PAD behind.

    Whether a word is taken out depends on whether the one before was: spans have `SPAN` words on average, and the share of
    words taken out is drawn anew for each row.
    """
    share = MOST * rng.uniform(1) * (rng.uniform(1) >= WHOLE)                 # (B, 1)
    chance, words = rng.uniform(tokens.shape[1]), (tokens != PAD) & (tokens != END)
    enters = share / (SPAN * (1 - share))
    out, taken = [], chance[:, :1] < share
    for place in range(tokens.shape[1]):
        if place:
            taken = chance[:, place:place + 1] < torch.where(taken, 1 - 1 / SPAN, enters)
        taken = taken & words[:, place:place + 1]
        out.append(taken)
    gone = torch.cat(out, 1)
    first = gone & ~F.pad(gone, (1, 0))[:, :-1]
    kept = (~gone | first) & (tokens != PAD)
    order = (~kept).long().argsort(dim=1, stable=True)
    return torch.where(first, sentinel, tokens).masked_fill(~kept, PAD).gather(1, order)


def scattered(tokens: Tensor, words: int, rng: BatchRng) -> Tensor:
    """Texts (B, L) with `STRANGE` of the words of some rows replaced by any others.

    Rare words come back from the latents only if the networks learn to pass on any word at any place; otherwise they learn
    the frequent ones by heart and put one of those in the place of a rare one.
    """
    strange = (rng.uniform(1) < STRANGE_ROWS) & (rng.uniform(tokens.shape[1]) < STRANGE) & (tokens > UNK)
    drawn = UNK + 1 + (rng.uniform(tokens.shape[1]) * (words - UNK - 1)).long()
    return torch.where(strange, drawn, tokens)


def nats_per_token(logits: Tensor, targets: Tensor, pad: int) -> Tensor:
    """Cross-entropy of logits (B, N, V) and targets (B, N), PAD ignored; rows weighted by their number of tokens, (B,)."""
    real = targets != pad
    losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none") * real
    return losses.sum(1) / real.sum(1).float().mean()


@dataclass(frozen=True, slots=True)
class AutoencoderRun:
    """What the second stage trains, and the language model that it is trained around.

    Attributes:
        clean: up to this time the noise of three rows in four is drawn; of the fourth from 0 to 1.
        pad_weight: weight of PAD from the third on in what the probe is taught.
    """

    language_model: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    length: int = 64
    clean: float = 0.15
    pad_weight: float = 0.2


class AutoencoderStage(nn.Module):
    """Resampler, reconstruction and probe, trained together around the frozen language model.

    The latents are noised as the diffusion will noise them and shrunk to the mean that is best for Gaussian latents,
    sqrt(alpha_bar) x_t: decoder and probe learn what a vague latent means, as they will see it at every step of sampling.
    """

    slug: ClassVar[str] = "ld4lg-autoencoder"
    title: ClassVar[str] = "LD4LG's autoencoder"
    follows: ClassVar[dict[str, str]] = {LanguageModelStage.slug: "codec."}

    def __init__(self, config: AutoencoderRun, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__()
        self.config, self.vocab, self.labels, self.length = config, vocab, labels, config.length
        self.codec = Codec(config.language_model, config.autoencoder, config.length, vocab, labels)

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Nats of the probe per position, and, where there is little noise, of the decoder per token, (B,)."""
        tokens = scattered(tokens, self.codec.words, rng)
        low = torch.arange(len(tokens), device=tokens.device) % 4 > 0
        t = rng.times() * torch.where(low, self.config.clean, 1.0)
        features, mask = self.codec.features(tokens)
        x = self.codec.autoencoder.encode(features, mask)
        x = torch.where(low[:, None, None], x, x.detach())                    # what is lost in noise shall not shape the code
        slots = self.codec.autoencoder.read(shrunk(x, t, rng), tokens.shape[1])
        nats, count = self.codec.nll(slots[low], tokens[low])
        written = torch.zeros_like(t).masked_scatter(low, nats / count.float().mean().clamp(min=1))
        late_pad = (tokens == PAD).cumsum(1) > 2
        weight = torch.where(late_pad, self.config.pad_weight, 1.0)
        read = F.cross_entropy(self.codec.autoencoder.believe(slots).transpose(1, 2), tokens, reduction="none")
        return written + (weight * read).sum(1) / weight.sum(1) + self._unlike(slots, features, mask) * low

    def _unlike(self, slots: Tensor, features: Tensor, mask: Tensor) -> Tensor:
        """How far the reconstructed features are from the encoder's, (B,), as a share of their mean square.

        The frozen decoder copies from the encoder's features already: this shows, word by word, what it can read. With the
        decoder's cross-entropy alone, words that are rare are learned much later. A foreign model has other positions.
        """
        if self.codec.language_model.foreign:
            return torch.zeros(len(slots), device=slots.device)
        error = (self.codec.autoencoder.decode(slots)[:, : features.shape[1]] - features).square().mean(-1) * mask
        return 2 * error.sum(1) / mask.sum(1) / features[mask].square().mean()

    def beliefs(self, tokens: Tensor, rng: BatchRng) -> Tensor:
        """What the probe says about texts (B, L) in latents of any noise, (B, L, V), before its temperature."""
        x = shrunk(self.codec.encode(tokens), rng.times(), rng)
        return self.codec.autoencoder.logits(x, tokens.shape[1])

    @torch.no_grad()
    def show(self, tokens: Tensor) -> str:
        """A text (1, L) as it comes back from its latents."""
        return self.vocab.text(self.codec.write(self.codec.encode(tokens), self.length)[0])


def shrunk(x: Tensor, t: Tensor, rng: BatchRng) -> Tensor:
    """The best linear estimate sqrt(alpha_bar) x_t of latents x (B, l, D) from their noised form at times t (B,)."""
    signal = schedules.clamped_cosine(t)[:, None, None]
    return signal * x + (signal * (1 - signal)).sqrt() * rng.normal(*x.shape[1:])


def must_follow(model: nn.Module) -> None:
    """Refuses to train a later stage from nothing; an autoencoder around a foreign language model needs no stage before.

    Raises:
        StudioError: the model has weights that only the stage before trains.
    """
    before = list(getattr(model, "follows", {}))
    if before and not (isinstance(model, AutoencoderStage) and model.codec.language_model.foreign):
        raise StudioError(f"{model.title} is trained on top of a checkpoint of '{before[0]}'. Train that first, and give its "
                          f"folder with --init-from.")


def around(config: Any, name: str) -> Any:
    """A configuration with a foreign language model of that name.

    Raises:
        StudioError: what is configured has no language model inside.
    """
    if not hasattr(config, "autoencoder"):
        raise StudioError("--language-model names a model to build an autoencoder around; this recipe has no place for one. "
                          "Take a recipe of LD4LG's autoencoder or of LD4LG itself.")
    return dataclasses.replace(config, language_model=dataclasses.replace(config.language_model, name=name))


def take_over(model: nn.Module, opened: Checkpoint, prefix: str) -> None:
    """Copies the weights of the stage before into a model that has them all under `prefix`.

    Raises:
        StudioError: a weight has another name or shape, so that the stages are of different sizes.
    """
    own = distinct(model)
    for name, tensor in opened.weights.items():
        target = own.get(prefix + name)
        if target is None or target.shape != tensor.shape:
            raise StudioError(f"'{opened.folder}' holds '{name}' of shape {tuple(tensor.shape)}, for which this run has no "
                              f"place. Give a checkpoint of the recipe of the same size.")
    with torch.no_grad():
        for name, tensor in opened.weights.items():
            own[prefix + name].copy_(tensor)


STAGES: dict[str, type[nn.Module]] = {kind.slug: kind for kind in (LanguageModelStage, AutoencoderStage)}
