"""The table of recipes: sizes within what was promised, for the vocabulary and the slots of E2E."""

import pytest

from diffusion.core.errors import StudioError
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import SPECIALS, Vocabulary
from training.loop import BUILDERS, configured
from training.recipes import RECIPES, recipe

WORDS = 817
LABEL_SIZES = (4, 8, 5, 4, 9, 36, 21, 8)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_the_size_that_its_name_promises(name):
    vocab = Vocabulary([*SPECIALS, *(f"w{index}" for index in range(WORDS - len(SPECIALS)))])
    labels = LabelSet({f"s{slot}": [f"v{value}" for value in range(size - 2)] for slot, size in enumerate(LABEL_SIZES)})
    assert labels.sizes == LABEL_SIZES
    model = BUILDERS[RECIPES[name].model](configured(RECIPES[name], LABEL_SIZES), vocab, labels)
    parameters = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    whole = sum(weight.numel() for weight in model.parameters())
    small = 4.5e6 if getattr(model, "source", False) else 3.0e6                # an encoder stands beside the backbone
    low, high = (1.5e6, small) if "-small" in name else (4.5e6, 5.5e6)
    assert low <= parameters <= high
    assert 2 * whole <= (22e6 if name.startswith("ld4lg") else 11e6)  # bytes in bf16; LD4LG's frozen parts come with it


@pytest.mark.parametrize("size", ["e2e", "e2e-small"])
def test_judge_and_baseline_differ_in_seed_and_rows_alone(size):
    baseline, judge = recipe(f"ar-{size}"), recipe(f"judge-{size}")
    assert baseline.config == judge.config
    assert (baseline.rows, judge.rows) == ("all", "half") and baseline.seed != judge.seed


def test_every_recipe_can_be_run():
    for name, row in RECIPES.items():
        assert row.model in BUILDERS and name.startswith(row.model)
        assert 0 <= row.warmup < row.steps / 2 and 0 < row.lr < 0.1 and 0 < row.ema < 1


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(StudioError, match="'diffusion-lm-e2e'"):
        recipe("diffusion-lm-e2")
