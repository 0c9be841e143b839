"""The form fills from an order and gives the same order back; nonsense in it becomes a sentence."""

import json

import gradio as gr
import pytest

from diffusion.core.errors import StudioError
from ui import tab_generate
from ui.forms import SLOTS, Form
from ui.order import Order

ORDERS = (
    Order(),
    Order(paper="oracle", sampler="ddim", steps=1000, samples=2, seed=2**31, guidance_scale=12.5, temperature=3.5, clamp=0.25,
          eta=1.0, compute="fp32", controls=("length=6-9", "infill=a = <b> ___", "label=food:Italian", "length=7")),
    Order(controls=("label=area:absent,food:Chinese",)),
)


@pytest.fixture
def form(studio):
    """A form on the tiny checkpoints."""
    with gr.Blocks():
        return Form(studio)


def shown(form, order):
    """What the widgets hold after an order was filled in."""
    return [value["value"] if isinstance(value, dict) else value for value in form.fill(order)]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_survives_the_form(form, order):
    back = form.read(shown(form, order))
    assert back.controls == order.controls
    named = {"sampler": order.sampler or "ancestral", "temperature": order.temperature or form.papers[order.paper].temperature}
    assert back.to_dict() == {**order.to_dict(), **named}             # what was left open is the paper's own


def test_sliders_reach_as_far_as_the_order_that_they_show(form):
    steps = form.fill(ORDERS[1])[form.inputs.index(form.steps)]
    assert steps["maximum"] == 1000


def test_the_menus_of_the_slots_follow_the_paper(form):
    _, _, _, *menus = form._change_paper("oracle")
    labels = [menu["label"] for menu in menus if menu["visible"]]
    assert labels == list(form.studio.labels("oracle"))
    assert len(menus) == SLOTS


@pytest.mark.parametrize(("widget", "value", "named"), [
    ("steps", 0, "number of steps"), ("samples", None, "number of samples"), ("seed", -1, "seed"),
    ("temperature", 0, "temperature"), ("guidance", float("nan"), "guidance scale"), ("infill", "x" * 3000, "too long")])
def test_nonsense_becomes_a_sentence_that_names_it(form, widget, value, named):
    values = shown(form, Order())
    values[form.inputs.index(getattr(form, widget))] = value
    with pytest.raises(StudioError, match=named):
        form.read(values)


def test_generate_is_the_only_named_endpoint(studio, tmp_path):
    with gr.Blocks() as blocks:
        tab_generate.build(studio, tmp_path / "none.json")
    public = [fn.api_name for fn in blocks.fns.values() if fn.api_visibility == "public"]
    assert public == ["generate"]


def test_a_program_gets_the_same_run_as_the_page(studio, tmp_path):
    with gr.Blocks():
        tab = tab_generate.build(studio, tmp_path / "none.json")
    order = Order(paper="oracle", samples=2, steps=8, seed=3, controls=("length=6-9",))
    *_, last = tab.generate("oracle", steps=8, samples=2, seed=3, controls=["length=6-9"])
    *_, (shown_last, _) = tab.run(*shown(tab.form, order))
    texts = [[result["text"] for result in json.loads(text)["trace"]["info"]["results"]] for text in (last, shown_last)]
    assert texts[0] == texts[1]


def test_every_example_can_be_read_back_from_its_link(studio, tmp_path):
    with gr.Blocks():
        tab = tab_generate.build(studio, tmp_path / "none.json")
    assert len(tab.examples) >= 6
    for _, order in tab.examples:
        assert Order.from_query(order.to_query()) == order
