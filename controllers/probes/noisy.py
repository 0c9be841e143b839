"""Classifiers on noisy latents: what Diffusion-LM's published steering asks how a text comes along, before it is a text.

One small transformer reads the noisy word vectors x_t of one checkpoint and the time t, and tells the tag of every word, the label
of every span and the value of every slot.

    vectors     h_l = W2 tanh(W1 x_l) + position_l,   behind one more token in front: the row of t in a table of 201
    x_t         drawn by the checkpoint's own forward process from its frozen embeddings; t = 0 is clean

As in the paper: trained from scratch on frozen embeddings, noise drawn uniformly from the 200 steps of the schedule and none; the
time as a token of its own; the way up by a Tanh in between; END and PAD have tags; all 64 positions are read, without a mask.
Different here: one trunk of 3 layers for all three tasks instead of a network of 80 million parameters for each; layer norms stand
in front; our texts have no START, and [UNK] has the tag of the word behind it; spans of words alone have labels; slots are told by
queries, one a slot, instead of by a causal model that reads a label behind the vectors.

Source: Li, Thickstun, Gulrajani, Liang, Hashimoto (2022), arXiv 2205.14217, section 5, and the released code.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from controllers.probes.heads import CHART, HEADS, SLOTS, TAGS, Classes
from controllers.probes.reader import Block, Stored, command
from diffusion.core.checkpoint import config_from
from diffusion.core.embedded import EmbeddingModel
from diffusion.core.errors import StudioError

NAME = "noisy"           # of the folder
STEPS = 200              # of the schedule: row 200 t of the table of times
ENDS = ("END", "PAD")    # tags of what is no word, behind those of words


@dataclass(frozen=True, slots=True)
class NoisyConfig:
    """What the classifiers are built from.

    Attributes:
        inputs: D, the width of a noisy vector.
        tags, chart, slots: names of the classes, in groups, as for `controllers.probes.heads`.
        slot_names: the slot of each group of `slots`.
        length: most positions.
    """

    inputs: int
    tags: Classes
    chart: Classes
    slots: Classes
    slot_names: tuple[str, ...]
    width: int = 160
    layers: int = 3
    heads: int = 4
    length: int = 64

    def __post_init__(self) -> None:
        for kind in HEADS:
            object.__setattr__(self, kind, tuple(tuple(group) for group in getattr(self, kind)))


class NoisyReader(Stored):
    """Noisy vectors (B, L, D) and their time in, features for three heads out.

    Args:
        config: what to build.
        embeddings: fingerprint of the embeddings and of the noise, see `fingerprint`.
        labels: fingerprint of the label set.
    """

    def __init__(self, config: NoisyConfig, embeddings: str, labels: str) -> None:
        super().__init__()
        self.config, self.embeddings, self.labels = config, embeddings, labels
        width = config.width
        self.up, self.onwards = nn.Linear(config.inputs, 4 * config.inputs), nn.Linear(4 * config.inputs, width)
        self.positions = nn.Parameter(torch.randn(config.length, width) * 0.1)
        self.times = nn.Parameter(torch.randn(STEPS + 1, width) * 0.1)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleDict({kind: head(width, getattr(config, kind)) for kind, head in HEADS.items()})

    def features(self, x: Tensor, t: Tensor | float) -> Tensor:
        """What the heads look at, (B, L, width).

        Args:
            x: noisy vectors, (B, L, D).
            t: their time, one for all or (B,); 0 is clean, 1 is noise.
        """
        rows = torch.as_tensor(t, device=x.device).mul(STEPS).round().long().expand(len(x))
        words = self.onwards(self.up(x).tanh()) + self.positions[: x.shape[1]]
        h = torch.cat([self.times[rows][:, None], words], 1)                                  # (B, 1 + L, width)
        everywhere = h.new_zeros(h.shape[:2])
        for block in self.blocks:
            h = block(h, everywhere)
        return self.norm(h[:, 1:])

    def tags(self, features: Tensor) -> Tensor:
        """log p(tag) of every position, (B, L, T): universal tags, then END and PAD."""
        return self.heads[TAGS](features, features[..., 0]).log_softmax(-1)

    def spans(self, features: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """log p(label or none) of spans with these ends (S,) and (S,), counted from 0, (B, S, C)."""
        return self.heads[CHART].spans(features, first, last).log_softmax(-1)

    def slots(self, features: Tensor) -> tuple[Tensor, ...]:
        """log p(absent or value) of every slot, each (B, C_s)."""
        logits = self.heads[SLOTS](features, features.new_zeros(features.shape[:2]))
        return tuple(group.log_softmax(-1) for group in logits.split([len(group) for group in self.config.slots], -1))

    def slots_lacking(self, features: Tensor, values: Sequence[tuple[str, str]]) -> Tensor:
        """Mean over slots with their values of -log p(value), (B,)."""
        told, names = self.slots(features), self.config.slot_names
        places = [names.index(slot) for slot, _ in values]
        found = [told[place][:, self.config.slots[place].index(value)] for place, (_, value) in zip(places, values, strict=True)]
        return -torch.stack(found).mean(0)

    # ---- belonging

    def fits(self, model: EmbeddingModel, length: int) -> None:
        """Checks that this was trained on a model's own embeddings, noise and slots, for texts of so many positions.

        Raises:
            StudioError: it was trained on others; both fingerprints are named.
        """
        way_out = f"Train some for it: {command(NAME)}; or choose 'langevin-denoiser' or 'absorb'."
        for kind, made, found in (("embeddings", self.embeddings, fingerprint(model)),
                                  ("label set", self.labels, model.labels.fingerprint)):
            if made != found:
                raise StudioError(f"The classifiers on noisy vectors were trained on the {kind} {made}, but those of {model.title} "
                                  f"are {found}. {way_out}")
        if length > self.config.length:
            raise StudioError(f"The classifiers on noisy vectors read at most {self.config.length} positions, but the text has "
                              f"{length}. {way_out}")

    # ---- files

    def about(self) -> dict[str, Any]:
        """Configuration and fingerprints."""
        return {"embeddings": self.embeddings, "labels": self.labels, "config": dataclasses.asdict(self.config)}

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        """Classifiers of what `about` told."""
        return cls(config_from(NoisyConfig, info["config"]), info["embeddings"], info["labels"])


def fingerprint(model: EmbeddingModel) -> str:
    """Names a model's embeddings (as stored, in 16 bits) with the scale, schedule and entry noise of its forward process."""
    stored = model.embedding.weight.detach().cpu().bfloat16().contiguous().view(torch.int16)
    process = f"{model.config.embedding_scale} {model.config.schedule} {model.entry_variance}"
    return hashlib.sha256(stored.numpy().tobytes() + process.encode()).hexdigest()[:12]
