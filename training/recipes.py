"""Named frozen recipes: everything that was chosen for a training run, one row each.

What a recipe reached stands in the card of its checkpoint and in the domain's results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from diffusion.core.errors import known_or_raise
from diffusion.nn.backbone import BackboneConfig
from diffusion.papers import autoregressive, diffusion_lm, ld4lg, rdlm, sedd, seqdiffuseq
from training.stages import latent


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run.

    Attributes:
        model: slug of what is trained.
        config: the model's configuration; label sizes are filled in from the data.
        short: positions of the shorter batches; `short_share` of all batches are short.
        rows: "all" the training rows that are not held out, or the judge's "half" of them.
        vocab: what a text is made of: "words", or "characters" as in text8.
        warmup: steps of linear warm-up; the rate is constant after it and falls linearly to 0 over the second half.
    """

    model: str
    config: Any
    steps: int
    batch: int = 64
    lr: float = 2e-3
    warmup: int = 300
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.9995
    short: int | None = 48
    short_share: float = 0.75
    rows: str = "all"
    hide_labels: bool = True
    seed: int = 1
    vocab: str = "words"


_SMALL = BackboneConfig(width=192, layers=4, heads=4)
_E2E = BackboneConfig(width=256, layers=5, heads=4, dropout=0.1)
_WIDE = BackboneConfig(width=256, layers=5, heads=4)
_CHARACTERS = BackboneConfig(width=160, layers=4, heads=4, length=192)     # 98% of E2E's training texts fit

RECIPES: dict[str, Recipe] = {
    "diffusion-lm-e2e-small": Recipe("diffusion-lm", diffusion_lm.Config(_SMALL), steps=16_000),
    "diffusion-lm-e2e": Recipe("diffusion-lm", diffusion_lm.Config(_E2E), steps=40_000, batch=256, lr=1e-3, ema=0.9999),
    "diffusion-lm-e2e-paper": Recipe("diffusion-lm", diffusion_lm.Config.paper(_E2E), steps=200_000, lr=1e-4,
                                     warmup=0, weight_decay=0.0, ema=0.9999, short=None),
    "seqdiffuseq-e2e-small": Recipe("seqdiffuseq", seqdiffuseq.Config(_SMALL, refit_stride=1_500), steps=11_500, short=32),
    "sedd-e2e-small": Recipe("sedd", sedd.Config(_SMALL), steps=16_000, short=32),
    "sedd-e2e": Recipe("sedd", sedd.Config(_E2E), steps=40_000, batch=256, lr=1e-3, ema=0.9999, short=32),
    "ld4lg-language-model-e2e-small": Recipe("ld4lg-language-model", latent.LanguageModelRun(), steps=2_500, short=32,
                                             ema=0.999),
    "ld4lg-autoencoder-e2e-small": Recipe("ld4lg-autoencoder", latent.AutoencoderRun(), steps=6_000, batch=48, short=40,
                                          ema=0.998, warmup=200),
    "ld4lg-e2e-small": Recipe("ld4lg", ld4lg.Config(_SMALL), steps=5_500, lr=1.5e-3, short=None, ema=0.999),
    "rdlm-e2e-small": Recipe("rdlm", rdlm.Config(_SMALL), steps=12_000, short=32),
    # On a GPU: twice the batch; RDLM also on a wider network.
    "diffusion-lm-e2e-small-gpu": Recipe("diffusion-lm", diffusion_lm.Config(_SMALL), steps=20_000, batch=128),
    "seqdiffuseq-e2e-small-gpu": Recipe("seqdiffuseq", seqdiffuseq.Config(_SMALL, refit_stride=2_000), steps=20_000, batch=128,
                                         short=32),
    "sedd-e2e-small-gpu": Recipe("sedd", sedd.Config(_SMALL), steps=20_000, batch=128, short=32),
    "ld4lg-e2e-small-gpu": Recipe("ld4lg", ld4lg.Config(_SMALL), steps=20_000, batch=128, lr=1.5e-3, short=None),
    "rdlm-e2e-small-gpu": Recipe("rdlm", rdlm.Config(_SMALL, word_width=128), steps=20_000, batch=128, short=32),
    "rdlm-e2e-wide-gpu": Recipe("rdlm", rdlm.Config(_WIDE, word_width=128), steps=20_000, batch=128, lr=1.5e-3, short=32),
    "rdlm-characters-small": Recipe("rdlm", rdlm.Config(_CHARACTERS), steps=4_000, short=128, vocab="characters"),
    "ar-e2e-small": Recipe("ar", autoregressive.Config(width=192, layers=5, dropout=0.0), steps=6_000, lr=1e-3,
                           short=None),
    "ar-e2e": Recipe("ar", autoregressive.Config(width=256, layers=6), steps=20_000, batch=256, lr=1e-3, short=None),
    "judge-e2e-small": Recipe("judge", autoregressive.Config(width=192, layers=5, dropout=0.0), steps=2_200, lr=1e-3,
                              short=None, rows="half", seed=2),
    "judge-e2e": Recipe("judge", autoregressive.Config(width=256, layers=6), steps=12_000, batch=256, lr=1e-3,
                        short=None, rows="half", seed=2),
}


ABLATION = BackboneConfig(width=96, layers=3, heads=4)


def ablation(model: str, config: Any, steps: int) -> Recipe:
    """The recipe of a variant in an ablation: all are trained alike, on short batches of the same rows in the same order."""
    return Recipe(model, config, steps=steps, warmup=min(100, steps // 10), ema=0.995, short=32, short_share=0.9)


def recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        StudioError: there is no such recipe; the nearest known are named.
    """
    return RECIPES[known_or_raise("recipe", name, RECIPES)]
