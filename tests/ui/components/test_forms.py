"""The form fills from an order and gives the same order back; nonsense in it becomes a sentence."""

import json

import gradio as gr
import pytest

from controllers.strategies import STRATEGIES
from diffusion import PAPERS, SAMPLERS
from diffusion.core.errors import StudioError
from tests.ui.conftest import READERS
from ui.components import cards, forms
from ui.components.forms import SLOTS, Form
from ui.components.glossary import COLUMNS
from ui.components.page import Page
from ui.service.options import OPTIONS, STEERING
from ui.service.run_spec import Order
from ui.service.studio import Studio
from ui.tabs import generate as tab_generate

ORDERS = (
    Order(),
    Order(paper="oracle", sampler="ddim", steps=1000, samples=2, seed=2**31, guidance_scale=12.5, temperature=3.5, clamp=0.25,
          eta=1.0, compute="fp32", controls=("length=6-9", "infill=a = <b> ___", "label=food:Italian", "length=7")),
    Order(controls=("label=area:absent,food:Chinese",)),
    Order(sampler="renoise", mix=0.25, mix_share=0.5),
    Order(paper="sedd", sampler="confidence", strategy="discrete", particles=4, rerank=2, window_until=0.9, controls=("length=5",)),
    *(Order(paper=slug, samples=2, candidates=4, source=source, controls=("length=5", "label=food:Italian"))
      for slug in READERS for source in ("food[Italian], area[riverside]", "a cheap <b> place", "food[Thai]")),
)


@pytest.fixture
def form(studio):
    """A form on the tiny checkpoints, with the page that it was built into."""
    with gr.Blocks() as blocks:
        built = Form(studio)
    built.blocks = blocks
    return built


def shown(form, order):
    """What the widgets hold after an order was filled in."""
    updates = form.fill(order)[: len(form.inputs)]
    return [update["value"] if isinstance(update, dict) else getattr(update, "value", update) for update in updates]


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_survives_the_form(form, order):
    back = form.read(shown(form, order))
    assert back.controls == order.controls
    named = {"sampler": order.sampler or PAPERS[order.paper].samplers[0],
             "temperature": order.temperature or form.papers[order.paper].temperature}
    assert back.to_dict() == {**order.to_dict(), **named}             # what was left open is the paper's own


def test_sliders_reach_as_far_as_the_order_that_they_show(form):
    steps = form.fill(ORDERS[1])[form.inputs.index(form.steps)]
    assert steps["maximum"] == 1000


def change(form, paper, source=""):
    """What each widget becomes when a paper is chosen."""
    (dependency,) = [fn for fn in form.blocks.fns.values() if fn.fn == form._change_paper]
    return dict(zip(dependency.outputs, form._change_paper(paper, source), strict=True))


def test_only_papers_that_can_run_are_offered(form, tmp_path):
    assert [slug for _, slug in form.paper.choices] == list(PAPERS)
    with gr.Blocks():
        bare = Form(Studio(checkpoints=tmp_path))
    assert [slug for _, slug in bare.paper.choices] == [slug for slug, kind in PAPERS.items() if kind.weightless]
    assert bare.read(shown(bare, bare.start)).paper == bare.start.paper


@pytest.mark.parametrize("paper", PAPERS)
def test_choosing_a_paper_brings_its_samplers_settings_and_captions(form, paper):
    kind, now = PAPERS[paper], change(form, paper)
    assert now[form.sampler]["choices"] == [(SAMPLERS[slug].title, slug) for slug in kind.samplers]
    assert now[form.sampler]["value"] == kind.samplers[0]
    assert now[form.temperature] == kind.temperature
    first = SAMPLERS[kind.samplers[0]]
    assert now[form.steps] == gr.update(value=first.usual_steps, visible=first.heeds_steps)
    assert {name for name, slider in form.options.items() if now[slider]["visible"]} == set(first.options)
    assert now[form.source]["visible"] == now[form.candidates]["visible"] == now[form.menus]["visible"] == kind.source
    assert now[form.preference]["visible"] == (not kind.hard)
    assert first.title in now[form.about]
    labels = [now[menu]["label"] for menu in form.slots if now[menu]["visible"]]
    assert labels == list(form.studio.labels(paper)) and len(form.slots) == SLOTS


@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "dpm-solver++", "renoise"])
def test_choosing_a_sampler_shows_its_options_and_hidden_ones_have_no_say(form, sampler):
    values = shown(form, Order(sampler=sampler))
    for name, slider in form.options.items():
        values[form.inputs.index(slider)] = OPTIONS[name].high
    order = form.read(values)
    assert set(order.given) <= set(SAMPLERS[sampler].options)
    for name in SAMPLERS[sampler].options:
        assert getattr(order, name) == OPTIONS[name].high
    about, _, *sliders = form._change_sampler("diffusion-lm", sampler)
    assert SAMPLERS[sampler].title in about
    visible = [name for name, update in zip(form.options, sliders, strict=True) if update["visible"]]
    assert set(visible) == set(SAMPLERS[sampler].options)


# ---- the source

@pytest.mark.parametrize("paper", READERS)
def test_menus_and_text_of_a_source_follow_each_other_and_the_text_is_what_counts(form, paper):
    area, food = 0, 1                                    # places of the slots in the label set
    text = form._choose_slot(food, paper, "", "Italian")
    text = form._choose_slot(area, paper, text, "riverside")
    assert text == "area[riverside], food[Italian]"
    menus = form._read_source(paper, text)
    assert [menu["value"] for menu in menus[:3]] == ["riverside", "Italian", ""]
    assert [menu["value"] for menu in form._read_source(paper, "a cheap place")[:2]] == ["", ""]
    values = shown(form, Order(paper=paper))
    values[form.inputs.index(form.source)] = text
    order = form.read(values)
    assert (order.source, order.controls) == (text, ())


def test_menus_of_a_paper_without_source_leave_the_source_alone_and_what_was_typed_waits(form):
    assert form._choose_slot(1, "diffusion-lm", "food[Italian]", "Chinese") == gr.skip()
    values = shown(form, Order())
    for widget, value in ((form.source, "food[Italian]"), (form.candidates, 5)):
        values[form.inputs.index(widget)] = value
    assert form.read(values) == form.read(shown(form, Order()))
    menus = [change(form, READERS[0], "food[Italian]")[menu] for menu in form.slots[:2]]
    assert [menu["value"] for menu in menus] == ["", "Italian"]


@pytest.mark.parametrize("paper", PAPERS)
def test_a_link_is_refused_before_the_form_shows_it_where_its_sampler_does_not_read_an_option(studio, tmp_path, paper):
    with gr.Blocks():
        tab = tab_generate.build(Page(studio, tmp_path / "none.json"))
    *skipped, player, key, told = tab.follow(f"paper={paper}&clamp=0.5&mix=0.5&eta=0.5&revise=1", 0)
    assert "does not read" in json.loads(player)["sentence"]
    assert all(update == gr.skip() for update in (*skipped, key, told))


@pytest.mark.parametrize(("widget", "value", "named"), [
    ("steps", 0, "number of steps"), ("samples", None, "number of samples"), ("seed", -1, "seed"),
    ("temperature", 0, "temperature"), ("guidance", float("nan"), "guidance scale"),
    ("controls", json.dumps(["infill=" + "x" * 3000]), "too long")])
def test_nonsense_becomes_a_sentence_that_names_it(form, widget, value, named):
    values = shown(form, Order())
    values[form.inputs.index(getattr(form, widget))] = value
    with pytest.raises(StudioError, match=named):
        form.read(values)


def test_generate_is_the_only_named_endpoint(studio, tmp_path):
    with gr.Blocks() as blocks:
        tab_generate.build(Page(studio, tmp_path / "none.json"))
    public = [fn.api_name for fn in blocks.fns.values() if fn.api_visibility == "public"]
    assert public == ["generate"]


def test_a_program_gets_the_same_run_as_the_page(studio, tmp_path):
    with gr.Blocks():
        tab = tab_generate.build(Page(studio, tmp_path / "none.json"))
    order = Order(paper="oracle", samples=2, steps=8, seed=3, controls=("length=6-9",))
    *_, last = tab.generate("oracle", steps=8, samples=2, seed=3, controls=["length=6-9"])
    *_, (shown_last, *_) = tab.run("", *shown(tab.form, order))
    texts = [[result["text"] for result in json.loads(text)["trace"]["info"]["results"]] for text in (last, shown_last)]
    assert texts[0] == texts[1]


def test_every_example_can_be_read_back_from_its_link(studio, tmp_path):
    with gr.Blocks():
        tab = tab_generate.build(Page(studio, tmp_path / "none.json"))
    assert len(tab.examples) >= 6
    for _, order in tab.examples:
        assert Order.from_query(order.to_query()) == order


# ---- the panel of controls

def test_the_panel_offers_every_kind_of_control_with_what_a_card_needs(form):
    from controllers import CONTROLLERS

    kinds = {kind["slug"]: kind for kind in form.studio.kinds("diffusion-lm")}
    assert list(kinds) == list(CONTROLLERS)
    assert kinds["label"]["form"] == "slots" and kinds["label"]["choices"]["area"] == ["centre", "riverside", "absent"]
    assert all(kind["title"] and kind["caption"] and kind["example"] for kind in kinds.values())
    assert all(("nats" in kinds[slug]) == kind.has_strength for slug, kind in CONTROLLERS.items())
    assert json.loads(json.dumps(list(kinds.values()))) == list(kinds.values())


@pytest.mark.parametrize(("controls", "named"), [
    (["length=5", "length=6"], "contradict"), (["length=3", "infill=the a is near ___"], "contradict"),
    (["infill=the xyzzy ___"], "xyzzy"), (["lenght=5"], "length"), (["label=food:Italian"], ""), ([], "")])
def test_what_speaks_against_controls_is_said_before_the_run_and_without_loading_the_model(form, controls, named):
    said, guidance = form._change_controls("diffusion-lm", json.dumps(controls))
    assert (named in said["value"]) if named else not said["visible"]
    assert guidance["visible"] == any(control.startswith("label") for control in controls)
    assert not form.studio.is_loaded("diffusion-lm")


@pytest.mark.parametrize("value", [None, "", "no json", "{}", "[1, null, \" \"]"])
def test_a_panel_value_of_another_form_asks_for_nothing(value):
    assert cards.controls_of(value) == ()


def test_a_kind_that_takes_no_target_from_a_sentence_says_so(form):
    assert "takes no target" in json.loads(form._read_sentence("infill", "the a is near", "diffusion-lm"))["sentence"]
    assert "control" in json.loads(form._read_sentence("nonsense", "the a is near", "diffusion-lm"))["sentence"]
    assert json.loads(form._read_sentence("length", "The food is near.", "diffusion-lm")) == {"target": "5"}


# ---- the way of steering

@pytest.mark.parametrize(("paper", "strategy"), [("diffusion-lm", "langevin"), ("seqdiffuseq", "langevin-denoiser"),
                                                 ("sedd", "discrete"), ("oracle", "absorb")])
def test_the_form_shows_a_strategy_with_the_options_that_it_reads_and_reads_them_back(form, paper, strategy):
    options = {name: STEERING[name].high for name in STRATEGIES[strategy].options if name not in ("particles", "rerank")}
    order = Order(paper=paper, strategy=strategy, controls=("length=5",), **options)
    values = shown(form, order)
    for name in set(STEERING) - set(STRATEGIES[strategy].options):
        values[form.inputs.index(form.steering[name])] = STEERING[name].high
    read = form.read(values)
    assert read.strategy == strategy and {name: getattr(read, name) for name in options} == options
    assert all(getattr(read, name) == STEERING[name].default for name in set(STEERING) - set(options))
    changed = zip(form.steering, form._change_strategy(paper, strategy), strict=True)
    visible = [name for name, update in changed if update["visible"]]
    assert set(visible) == set(STRATEGIES[strategy].options)


def test_another_paper_brings_its_own_ways_of_steering(form):
    now = change(form, "sedd")
    assert [slug for _, slug in now[form.strategy]["choices"]] == ["absorb", "discrete"]
    assert now[form.strategy]["value"] == "absorb"


def test_the_measured_line_explains_its_terms(studio):
    paper = next(paper for paper in studio.papers() if paper.slug == "sedd")
    shown = forms.about_html(paper, paper.samplers[0], "2.58 bits per token")
    assert "2.58 bits per token" in shown and f'perplexity / human: {COLUMNS["perplexity / human"]}' in shown


def test_a_sampler_of_the_paper_before_is_no_error_of_the_server(form):
    assert form.sampler.preprocess("no-such-sampler") == "no-such-sampler"
    values = [getattr(widget, "value", None) for widget in form.inputs]
    values[form.inputs.index(form.sampler)] = "no-such-sampler"
    advice, take = form._advise(*values)
    assert not advice["visible"] and not take["visible"]
