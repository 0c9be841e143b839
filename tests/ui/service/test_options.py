"""Options of samplers: the table says what the code reads, and nothing that is given is passed over."""

import ast
import dataclasses
import inspect
import textwrap

import pytest

from diffusion import PAPERS, SAMPLERS, Request
from diffusion.core.errors import StudioError
from ui.service.options import OPTIONS
from ui.service.requests import refuse, request_of
from ui.service.run_spec import Order

OTHER = {name: option.low if option.default != option.low else option.high for name, option in OPTIONS.items()}


def fields_read(kind):
    """The fields of the request that a sampler's code, or that of the classes and functions beside it, names."""
    found = set()
    for one in kind.__mro__:
        if one.__module__.startswith("diffusion."):
            tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
            found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                      and ast.unparse(node.value).endswith("request")}
    return found


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_names_exactly_the_options_that_its_code_reads(name):
    assert set(SAMPLERS[name].options) == fields_read(SAMPLERS[name]) & set(OPTIONS)


def test_an_order_has_every_option_with_the_default_of_a_request():
    for name, option in OPTIONS.items():
        assert option.default == getattr(Request(), name) == getattr(Order(), name)
        assert option.low <= option.default <= option.high
        assert option.title and option.unit and option.about


@pytest.mark.parametrize("paper", PAPERS)
def test_what_a_sampler_reads_reaches_it_and_what_it_does_not_read_is_refused(studio, paper):
    model = studio.model(paper)
    for slug in PAPERS[paper].samplers:
        for name, value in OTHER.items():
            order = dataclasses.replace(Order(paper=paper, sampler=slug), **{name: value})
            if name in SAMPLERS[slug].options:
                refuse(order, PAPERS[order.paper])
                assert getattr(request_of(order, model), name) == value
            else:
                with pytest.raises(StudioError, match=f"does not read '{name.replace('_', '-')}'"):
                    refuse(order, PAPERS[order.paper])


@pytest.mark.parametrize(("paper", "sampler", "option", "value"), [
    ("diffusion-lm", "ancestral", "clamp", 1.0), ("diffusion-lm", "ddim", "eta", 1.0), ("diffusion-lm", "renoise", "mix", 0.0),
    ("diffusion-lm", "renoise", "mix_share", 0.2), ("sedd", "confidence", "revise", 3)])
def test_every_option_changes_the_text(texts, paper, sampler, option, value):
    order = Order(paper=paper, sampler=sampler, steps=8, samples=4, seed=5)
    assert texts(order) != texts(order, **{option: value})
