"""Runs to look at beside each other: the same noise without controls, stored runs by name, traces that visitors hand us."""

import json

import numpy as np
import pytest

from diffusion.core.errors import StudioError
from ui.service import runs
from ui.service.run_spec import Order

ORDER = Order(paper="oracle", samples=2, steps=12, seed=3, controls=("length=6-9",))


def test_the_counterfactual_is_the_same_order_and_the_same_noise_without_its_controls(studio):
    other = runs.uncontrolled(json.dumps(ORDER.to_dict()))
    assert other.controls == () and other.seeds == ORDER.seeds and other.steps == ORDER.steps
    free = studio.start(other).run()
    bare = studio.start(Order(paper="oracle", samples=2, steps=12, seed=3)).run()
    assert np.array_equal(free.ids, bare.ids)
    assert not any(frame.pressure.any() for frame in free.frames)


@pytest.mark.parametrize("order", [None, "", "[]", "{", "null", 3])
def test_a_trace_without_an_order_cannot_be_run_again(order):
    with pytest.raises(StudioError, match="how it was ordered"):
        runs.uncontrolled(order)


def test_stored_runs_are_read_by_their_name_only(studio, tmp_path):
    studio.start(ORDER).run().save(tmp_path / "two-blanks.json")
    files = runs.stored(tmp_path)
    assert files["two-blanks"][1] == "two blanks"
    message = runs.message_of_file(studio, files, "two-blanks")
    assert message["kind"] == "trace" and message["note"] == "two blanks"
    assert runs.message_of_file(studio, files, "../two-blanks")["kind"] == "error"


def test_a_trace_that_is_handed_in_is_checked(studio):
    trace = studio.start(ORDER).run()
    assert np.array_equal(runs.read(studio, json.dumps(trace.to_dict())).ids, trace.ids)
    for text in ("{}", "no json", None):
        with pytest.raises(StudioError):
            runs.read(studio, text)
