"""Links of the tabs that compare runs: what is written is read again, followed, and refused in one sentence."""

import dataclasses
import html
import json
from types import SimpleNamespace
from urllib.parse import parse_qsl

import gradio as gr
import pytest

from diffusion.core.errors import StudioError
from ui.components.page import Page
from ui.service import grid, links
from ui.service.links import Link
from ui.service.run_spec import Order
from ui.tabs import compare as tab_compare
from ui.tabs import samplers as tab_samplers

TABS = ("generate", "samplers", "compare")
PROMPT = Order(samples=3, seed=9, guidance_scale=2.5, controls=("length=12", "infill=a ___ & b"))
GRID = grid.orders(dataclasses.replace(PROMPT, paper="sedd", compute="bf16"), ["analytic", "euler"], [4, 16])
PAPERS = [dataclasses.replace(PROMPT, paper=paper, steps=20, source="food[French]") for paper in ("sedd", "oracle", "rdlm")]


def with_paths(orders, *paths):
    return tuple(dataclasses.replace(order, compute=path) for order, path in zip(orders, paths, strict=True))


@pytest.mark.parametrize("link", [
    Link(tab="samplers", compared=tuple(GRID)), Link(tab="samplers", compared=(dataclasses.replace(GRID[0], compute=""),)),
    Link(tab="compare", compared=tuple(PAPERS)), Link(tab="compare", compared=with_paths(PAPERS, "fp32", "fp32", "fp32")),
    Link(tab="compare", compared=with_paths(PAPERS, "onednn", "fp32", "auto"))])
def test_what_is_written_is_read_again(link):
    assert links.read(links.write(link), TABS, ()) == link


def test_what_differs_stands_once_for_each_value_and_all_else_once():
    query = links.write(Link(tab="samplers", compared=tuple(GRID)))
    assert query.startswith("?sampler=analytic&sampler=euler&steps=4&steps=16&paper=sedd&samples=3&seed=9&")
    assert query.endswith("&compute=bf16&tab=samplers")
    same = links.write(Link(tab="compare", compared=with_paths(PAPERS, "fp32", "fp32", "fp32")))
    assert [text for key, text in parse_qsl(same[1:]) if key == "compute"] == ["fp32"]


@pytest.mark.parametrize(("query", "named"), [
    ("?tab=samplers&steps=8", ["no sampler", "sampler=…", "'tab'"]), ("?tab=samplers&sampler=a", ["no steps"]),
    ("?tab=compare&seed=3", ["no paper", "paper=…"]), ("?tab=compare&paper=sedd&paper=sedd", ["paper 'sedd' twice"]),
    ("?tab=samplers&sampler=a&steps=8&steps=x", ["number of steps", "'x'"]),
    ("?tab=samplers&sampler=a&steps=8&steps=0", ["number of steps 0", "1 to 2000"]),
    ("?tab=samplers&sampler=a&steps=8&seed=1&seed=2", ["'seed' twice"]),
    ("?tab=compare&paper=sedd&temperature=0.5", ["tab=compare", "'temperature'", "nearest"]),
    ("?tab=compare&paper=sedd&sampler=a", ["'sampler'"]),
    ("?tab=compare&paper=sedd&compute=slow", ["speed path 'slow'", "fp32"]),
    ("?tab=compare&paper=a&paper=b&paper=c&compute=fp32&compute=bf16", ["2 speed paths", "each of the 3 papers"]),
    ("?tab=samplers&sampler=a&sampler=b&steps=8&compute=fp32&compute=bf16", ["2 speed paths", "Name one 'compute'."]),
    ("?tab=compare&paper=sedd&trace=opening", ["trace"]), ("?tab=compare&paper=sedd&controls=x", ["control="]),
    ("?paper=sedd&paper=rdlm", ["'paper' twice"])])
def test_a_link_that_cannot_be_followed_is_one_sentence_that_names_the_key(query, named):
    with pytest.raises(StudioError) as refused:
        links.read(query, TABS, ["opening"])
    assert all(part in str(refused.value) for part in named), str(refused.value)


def test_links_to_these_tabs_that_start_nothing_stay_possible():
    assert links.read("?tab=samplers", TABS, ()) == Link(tab="samplers")
    assert links.read("?tab=compare&trace=opening", TABS, ["opening"]) == Link(tab="compare", trace="opening")


def test_a_link_of_other_speed_paths_says_so_and_offers_the_reference():
    link = Link(tab="compare", compared=with_paths(PAPERS, "onednn", "fp32", "bf16"))
    own = {"sedd": "fp32", "oracle": "fp32", "rdlm": "onednn"}
    told = links.about_path(link, own)
    assert "sedd: onednn, here fp32; rdlm: bf16, here onednn" in told and "oracle" not in told.split(" The run")[0]
    offered = links.read(html.unescape(told.split('href="')[1].split('"')[0]), TABS, ())
    assert offered.compared == with_paths(PAPERS, "fp32", "fp32", "fp32")
    assert links.about_path(link, {"sedd": "onednn", "oracle": "fp32", "rdlm": "bf16"}) == ""
    one = links.about_path(Link(tab="samplers", compared=tuple(GRID)), {"sedd": "onednn"})
    assert "on the speed path bf16; the one in use here is onednn" in one


# ---- the tabs

@pytest.fixture
def tab(studio, tmp_path):
    """Builds one of the tabs alone."""
    def build(module):
        with gr.Blocks():
            return module.build(Page(studio, tmp_path / "none.json"))

    return build


def follow(tab, query, count=0):
    """What a tab answers to the address of its page."""
    return tab.follow(count, SimpleNamespace(query=query))


def values(updates):
    """What widgets hold after these updates."""
    return [update["value"] if isinstance(update, dict) and "value" in update else update for update in updates]


def test_the_link_of_a_grid_fills_the_form_with_which_the_same_grid_is_filled(tab):
    samplers = tab(tab_samplers)
    query = links.write(Link(tab="samplers", compared=tuple(grid.orders(
        Order(paper="sedd", samples=1, seed=9, controls=("length=3",), compute="fp32"), ["euler", "analytic"], [3, 5]))))
    *filled, count, notice, status = follow(samplers, query)
    assert count == 1 and not notice["visible"] and status == gr.skip()
    *_, last, _ = samplers.run("", *values(filled))
    assert html.escape(query) in last[0] and "4 of 4 cells" in last[0]


def test_the_link_of_compared_papers_fills_the_form_with_which_the_same_papers_are_compared(tab):
    compare = tab(tab_compare)
    order = Order(steps=5, samples=1, seed=9, controls=("length=3",), compute="fp32")
    orders = [dataclasses.replace(order, paper=paper) for paper in ("oracle", "sedd")]
    query = links.write(Link(tab="compare", compared=tuple(orders)))
    *filled, count, _, _ = follow(compare, query)
    assert count == 1
    *_, (done, *_) = compare.run("", *values(filled))
    done = json.loads(done)
    assert done["query"] == query and list(done["lanes"]) == ["oracle", "sedd"]
    assert done["lanes"]["sedd"]["trace"]["info"]["order"]["seed"] == 9


def test_a_path_that_a_link_names_is_taken_and_told(tab):
    compare = tab(tab_compare)
    *filled, _, notice, _ = follow(compare, "?tab=compare&paper=sedd&steps=3&samples=1&compute=onednn")
    assert notice["visible"] and "onednn" in notice["value"]
    *_, (done, *_) = compare.run("", *values(filled))
    done = json.loads(done)
    assert done["lanes"]["sedd"]["trace"]["info"]["path"] == "onednn cpu"


@pytest.mark.parametrize(("module", "query", "named"), [
    (tab_samplers, "?tab=samplers&paper=sedd&sampler=ddim&steps=8", ["no sampler 'ddim'", "analytic"]),
    (tab_samplers, "?tab=samplers&paper=seddd&sampler=ddim&steps=8", ["seddd", "sedd"]),
    (tab_samplers, "?tab=samplers&paper=ar&sampler=left-to-right&steps=8", ["ar"]),
    (tab_samplers, "?tab=samplers&paper=sedd&sampler=euler&steps=8&source=x", ["reads no source"]),
    (tab_samplers, "?tab=samplers&sampler=<b>", ["no steps"]), (tab_compare, "?tab=compare&paper=seddd", ["seddd"]),
    (tab_compare, "?tab=compare&paper=sedd&steps=x", ["'x'"])])
def test_a_link_that_asks_for_what_is_not_here_starts_nothing_and_says_why(tab, module, query, named):
    *untouched, told = follow(tab(module), query)
    assert all(update == gr.skip() for update in untouched)
    assert all(part in html.unescape(told) for part in named), told


@pytest.mark.parametrize("query", ["", "?tab=models", "?paper=sedd&steps=4", "?tab=samplers", "?tab=compare", "?tab=none"])
@pytest.mark.parametrize("module", [tab_samplers, tab_compare])
def test_other_links_leave_a_tab_alone(tab, module, query):
    assert all(update == gr.skip() for update in follow(tab(module), query))


@pytest.mark.parametrize(("module", "query"), [(tab_compare, "?tab=compare&paper=sedd"),
                                               (tab_samplers, "?tab=samplers&paper=sedd&sampler=euler&steps=4")])
def test_a_link_is_followed_once(tab, module, query):
    built = tab(module)
    assert follow(built, query)[-3] == 1
    assert all(update == gr.skip() for update in follow(built, query, 1))
