"""A training small enough for tests: recipes of a few thousand weights on the corpus in tests/data/tiny.

    python -m tests.support.tiny_training train --recipe tiny --data tests/data/tiny

is `python -m training` with the recipes `tiny`, `tiny-ar` and `tiny-judge` added to its table.
"""

import dataclasses
import sys
from functools import cache
from pathlib import Path

from diffusion.nn.backbone import BackboneConfig
from diffusion.papers import autoregressive, diffusion_lm
from training import recipes
from training.data.corpus import Corpus, load_corpus
from training.recipes import Recipe

TINY = Path(__file__).resolve().parents[1] / "data" / "tiny"
LENGTH = 48
_BACKBONE = BackboneConfig(width=32, layers=2, heads=2, length=LENGTH, time_width=16, dropout=0.1)
_GPT = autoregressive.Config(width=32, layers=2, heads=2, length=LENGTH)
_SIZES = {"steps": 150, "batch": 16, "warmup": 10, "lr": 1e-2, "ema": 0.95}

RECIPES: dict[str, Recipe] = {
    "tiny": dataclasses.replace(recipes.RECIPES["diffusion-lm-e2e-small"], config=diffusion_lm.Config(_BACKBONE),
                                short=24, **_SIZES),
    "tiny-ar": dataclasses.replace(recipes.RECIPES["ar-e2e-small"], config=_GPT, **_SIZES),
    "tiny-judge": dataclasses.replace(recipes.RECIPES["judge-e2e-small"], config=_GPT, **_SIZES),
}  # fmt: skip


def tiny(name: str = "tiny", **changes: object) -> Recipe:
    """A tiny recipe, with some of its fields replaced."""
    return dataclasses.replace(RECIPES[name], **changes)


@cache
def tiny_corpus(name: str = "tiny") -> Corpus:
    """The tiny corpus as the recipe of that name takes it."""
    return load_corpus(TINY, RECIPES[name], LENGTH)


if __name__ == "__main__":
    from training.__main__ import main

    recipes.RECIPES.update(RECIPES)
    sys.exit(main())
