"""An order survives the way through a link or a file, and refuses in one sentence what no run can start from."""

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from diffusion.core import compute, loop
from diffusion.core.errors import StudioError
from ui.service.run_spec import MAX_CONTROLS, MAX_SAMPLES, MAX_SEED, MAX_STEPS, MAX_TEXT, SPEED_PATHS, Order

share = st.floats(0, 1)
text = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
orders = st.builds(
    Order, paper=text, sampler=text, steps=st.integers(1, MAX_STEPS), samples=st.integers(1, MAX_SAMPLES),
    seed=st.integers(0, MAX_SEED), guidance_scale=st.floats(0, 20), clamp=share, eta=share,
    temperature=st.floats(0, 10, exclude_min=True), strategy=text, compute=text, inner_steps=st.integers(0, 16), fluency=share,
    window_from=st.floats(0, 0.5), window_until=st.floats(0.5, 1), particles=st.integers(1, 2), rerank=st.integers(1, 2),
    controls=st.lists(text.filter(str.strip), max_size=MAX_CONTROLS).map(tuple))  # fmt: skip


def same_but_for_empty_texts(order):
    """What a link says of an order: an empty text means the default."""
    empty = [name for name in ("paper", "sampler", "strategy", "compute") if getattr(order, name) == ""]
    return dataclasses.replace(order, **{name: getattr(Order(), name) for name in empty})


@given(orders)
def test_an_order_survives_its_link(order):
    assert Order.from_query(order.to_query()) == same_but_for_empty_texts(order)


@given(orders)
def test_an_order_survives_json(order):
    assert Order.from_dict(json.loads(json.dumps(order.to_dict()))) == order


def test_a_link_is_read_from_a_mapping_too_with_gradios_own_keys_passed_over():
    values = {"steps": "8", "control": ["length=5", "infill=a ___ ."], "__theme": "dark", "eta": "0.5"}
    assert Order.from_query(values) == Order(steps=8, eta=0.5, controls=("length=5", "infill=a ___ ."))


def test_a_link_with_a_question_mark_is_the_same_link():
    assert Order.from_query("?seed=3") == Order.from_query("seed=3") == Order(seed=3)


def test_a_repeated_key_of_a_starlette_mapping_gives_all_its_values():
    params = QueryParams("control=length%3D5&control=label%3Da:b&seed=2")
    assert Order.from_query(params) == Order(seed=2, controls=("length=5", "label=a:b"))


def test_sample_i_has_the_seed_plus_i():
    assert Order(seed=7, samples=4).seeds == (7, 8, 9, 10)


def test_whatever_an_order_allows_the_loop_allows():
    assert MAX_STEPS <= loop.MAX_STEPS
    assert MAX_SAMPLES <= loop.MAX_SAMPLES
    assert ("auto", *compute.PATHS) == SPEED_PATHS
    assert max(Order(seed=MAX_SEED, samples=MAX_SAMPLES).seeds) < 2**32


BAD = [
    ({"steps": 0}, "number of steps 0 .* 1 to 2000"),
    ({"steps": -5}, "number of steps -5"),
    ({"steps": 10**9}, "number of steps 1000000000"),
    ({"steps": 10**200}, "number of steps 1000.*…"),
    ({"steps": 10**5000}, "number of steps with more than 300 digits"),
    ({"steps": 2.5}, "number of steps must be a whole number; got 2.5"),
    ({"steps": True}, "whole number; got True"),
    ({"steps": None}, "whole number; got None"),
    ({"samples": 0}, "number of samples 0 .* 1 to 64"),
    ({"samples": 65}, "number of samples 65"),
    ({"seed": -1}, "seed -1"),
    ({"seed": 2**53}, f"seed {2**53}"),
    ({"guidance_scale": math.nan}, "guidance scale nan"),
    ({"guidance_scale": math.inf}, "guidance scale inf"),
    ({"guidance_scale": -0.1}, "guidance scale -0.1 .* 0 to 20"),
    ({"guidance_scale": "2"}, "guidance scale must be a number; got '2'"),
    ({"temperature": 0.0}, "temperature 0.0 .* above 0 and at most 10"),
    ({"clamp": 1.5}, "clamp 1.5"),
    ({"eta": -1.0}, "eta -1.0"),
    ({"paper": 5}, "paper must be text"),
    ({"compute": "x" * (MAX_TEXT + 1)}, f"compute of {MAX_TEXT + 1} characters is too long"),
    ({"controls": ("infill=" + "x" * MAX_TEXT,)}, f"control of {MAX_TEXT + 7} characters is too long"),
    ({"controls": ("infill=caf\udce9 ___",)}, "letters that are not UTF-8"),
    ({"controls": ("  ",)}, "control is empty"),
    ({"controls": "length=5"}, "tuple of texts"),
    ({"controls": (5,)}, "control must be text; got 5"),
    ({"controls": ("length=5",) * (MAX_CONTROLS + 1)}, "17 controls are too many"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "sentence"), BAD, ids=[sentence[:30] for _, sentence in BAD])
def test_an_impossible_value_is_refused_in_a_short_sentence(values, sentence):
    with pytest.raises(StudioError, match=sentence) as caught:
        Order(**values).check()
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("query", "sentence"), [
    ("stepps=3", "no 'stepps'; it has paper"),
    ("steps=many", "number of steps must be a whole number; got 'many'"),
    ("steps=1.5", "whole number; got '1.5'"),
    ("steps=", "whole number; got ''"),
    ("eta=high", "eta must be a number; got 'high'"),
    ("guidance_scale=nan", "guidance scale nan"),
    ("steps=3&steps=4", "'steps' twice"),
    ("controls=length", "each control by itself"),
    ("&".join(["control=a"] * 101), "cannot be read"),
    ("control=" + "a" * (MAX_TEXT + 1), "too long"),
])  # fmt: skip
def test_a_broken_link_is_refused_by_the_name_of_what_is_wrong(query, sentence):
    with pytest.raises(StudioError, match=sentence):
        Order.from_query(query)


def test_an_unknown_key_of_a_file_is_refused_by_name():
    with pytest.raises(StudioError, match="no 'colour'"):
        Order.from_dict({"colour": "red"})


def test_the_defaults_are_possible():
    Order().check()
