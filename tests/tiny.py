"""Tiny models with random weights, made on the spot, and what tests of several files need around them."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

import diffusion
from diffusion.core.model import DiffusionModel
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import SPECIALS, Vocabulary

WORDS = ("soup", "bread", "tea", "is", "hot", "cold", "the", "and", ".")
SIZES = {"width": 16, "layers": 1, "heads": 2, "length": 10, "time_width": 16, "embedding_width": 8, "dropout": 0.0,
         "latents": 4, "latent_width": 12}

AS_IN_THE_PAPER = ", as in the paper"
NAMES = [
    *diffusion.PAPERS,
    *(slug + AS_IN_THE_PAPER for slug, kind in diffusion.PAPERS.items() if hasattr(kind.config_type, "paper")),
    *(f"{slug}, {name}" for slug, kind in diffusion.PAPERS.items() if hasattr(kind.config_type, "variants")
      for name in kind.config_type.variants()),
]


def tiny_vocab() -> Vocabulary:
    """Three specials and nine words."""
    return Vocabulary([*SPECIALS, *WORDS])


def tiny_labels() -> LabelSet:
    """Two slots."""
    return LabelSet({"dish": ["soup", "tea"], "heat": ["hot"]})


def kind_of(name: str) -> type[DiffusionModel]:
    """The class of a tiny model."""
    return diffusion.PAPERS[name.partition(", ")[0]]


def tiny_model(name: str, vocab: Vocabulary | None = None, labels: LabelSet | None = None, **sizes: int) -> DiffusionModel:
    """A fresh model of a paper in eval mode, with the same random weights at every call; the oracle as it is.

    Every number is drawn, those that start at zero too: else neither time nor label would have a say.

    Args:
        name: slug of the paper; with `AS_IN_THE_PAPER` behind it where its configuration knows `paper`; or with one of the
            configuration's `variants` behind it.
        vocab, labels, sizes: instead of the tiny ones, and instead of those in `SIZES`.
    """
    kind = kind_of(name)
    if kind.weightless:
        return kind.from_nothing()
    vocab, labels = vocab or tiny_vocab(), labels or tiny_labels()
    config, variant = kind.config_type(), name.partition(", ")[2]
    if name.endswith(AS_IN_THE_PAPER):
        config = kind.config_type.paper(config.backbone)
    elif variant:
        config = kind.config_type.variants()[variant]
    model = kind(shrunk(config, {**SIZES, **sizes, "label_sizes": labels.sizes}), vocab, labels)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * (0.5 if weight.dim() > 1 else 0.3))
    return model.eval()


def shrunk(config: Any, sizes: dict[str, Any]) -> Any:
    """A configuration, and those inside it, with every field that `sizes` names replaced."""
    changes = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in sizes:
            changes[field.name] = sizes[field.name]
        elif dataclasses.is_dataclass(value):
            changes[field.name] = shrunk(value, sizes)
    return dataclasses.replace(config, **changes)
