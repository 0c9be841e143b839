"""A setting is one way to bring a control about; the chosen ones can be run as they stand."""

import pytest

from controllers import CONTROLLERS
from controllers.base import MAX_NATS
from controllers.settings import NAMES, SETTINGS, SOURCE, Setting, named, setting
from controllers.strategies import STRATEGIES
from diffusion import PAPERS
from diffusion.core.types import Request

SLUGS = {NAMES.get(slug, slug) for slug in CONTROLLERS}


@pytest.mark.parametrize(("paper", "asked"), SETTINGS)
def test_every_chosen_setting_is_of_a_control_with_a_strength_for_each_part_and_can_be_run(paper, asked):
    chosen, parts = SETTINGS[paper, asked], asked.split("+")
    assert asked == SOURCE or set(parts) <= SLUGS
    assert len(chosen.nats) in (0, len(parts)) and all(0 <= nats <= MAX_NATS for nats in chosen.nats)
    request = chosen.request()
    assert isinstance(request, Request) and request.strategy in STRATEGIES
    assert request.sampler in ("", *PAPERS[paper].samplers)
    assert asked in ("class", SOURCE) or request.guidance_scale == 1.0


def test_a_control_without_a_row_is_brought_about_as_usual():
    assert setting("no-such-paper", "pos") == Setting() and str(Setting()) == "usual"


def test_what_a_run_is_asked_for_has_one_name():
    assert named(["tree", "semantic"]) == named(["semantic", "tree"]) == "content+tree"
    assert named(["span", "span"]) == "span" and named(["label"]) == "class"
    assert named([], source=True) == SOURCE and named([]) == ""
    assert named(["pos"], source=True) == "pos"
