"""A setting is one way to bring a control about; ways are compared by varying it."""

import pytest

from diffusion.core.errors import StudioError
from diffusion.core.types import Request
from training.control.settings import SETTINGS, Setting, option, setting, varied
from training.control.targets import PARTS


def test_every_chosen_setting_is_of_a_control_with_a_strength_for_each_part_and_makes_a_request():
    for (_, control), chosen in SETTINGS.items():
        assert len(chosen.nats) in (0, len(PARTS[control]))
        assert isinstance(chosen.request(), Request)
        assert control == "class" or chosen.request().guidance_scale == 1.0


def test_a_control_without_a_row_is_brought_about_as_usual():
    assert setting("no-such-paper", "pos") == Setting() and str(Setting()) == "usual"


def test_strengths_and_options_are_combined_and_the_rest_stays_as_chosen():
    chosen = Setting((1.0, 2.0), (("steps", 32), ("revise", 2)))
    made = varied(chosen, 2, [4.0, 8.0], {"steps": [16, 64]})
    assert [str(each) for each in made] == ["nats 4+4, steps 16, revise 2", "nats 4+4, steps 64, revise 2",
                                            "nats 8+8, steps 16, revise 2", "nats 8+8, steps 64, revise 2"]
    assert varied(chosen, 2, None, {}) == [chosen]
    assert chosen.request() == Request(steps=32, revise=2)


def test_options_have_the_kind_of_the_requests_field():
    assert option("steps=32,64") == ("steps", [32, 64])
    assert option("temperature=0.5") == ("temperature", [0.5])
    assert option("sampler=ddim") == ("sampler", ["ddim"])
    with pytest.raises(StudioError, match="values of its kind"):
        option("steps=")
