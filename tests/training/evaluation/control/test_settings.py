"""Ways to bring a control about are compared by varying a setting."""

import pytest

from controllers.settings import Setting
from diffusion.core.errors import StudioError
from diffusion.core.types import Request
from training.evaluation.control.settings import option, varied


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
