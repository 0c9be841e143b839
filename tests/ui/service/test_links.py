"""What an address asks for, and the way back; the lab's own address, in a Space's frame and behind a proxy."""

import html

import pytest

from diffusion.core.errors import StudioError
from ui.service import links
from ui.service.links import Link
from ui.service.run_spec import Order

TABS, TRACES = ("generate", "models"), ("opening", "free sedd")
ORDER = Order(paper="sedd", steps=16, seed=9, controls=("length=12", "infill=a ___ & b"), compute="bf16")


@pytest.mark.parametrize("link", [
    Link(), Link(ORDER), Link(Order()), Link(ORDER, "models"), Link(None, "models"), Link(None, "generate", "free sedd")])
def test_what_is_written_is_read_again(link):
    assert links.read(links.write(link), TABS, TRACES) == link
    assert links.write(link, "https://lab/").startswith("https://lab/")
    assert links.read(links.write(link, "https://lab/").partition("?")[2], TABS, TRACES) == link


def test_what_gradio_and_the_hub_add_is_passed_over():
    assert links.read("?__theme=dark&__sign=abc&tab=models", TABS, TRACES) == Link(None, "models")


@pytest.mark.parametrize(("query", "named"), [
    ("?stepz=3", ["'stepz'", "'steps'"]), ("?tab=modells", ["tab", "'models'"]), ("?trace=opening2", ["stored run", "'opening'"]),
    ("?tab=models&tab=models", ["'tab' twice"]), ("?trace=opening&steps=3", ["trace"]), ("?steps=0", ["steps"]),
    ("?steps=x", ["whole number"]), ("?controls=length%3D3", ["control="]), ("?<b>=1", ["'<b>'"])])
def test_a_link_that_cannot_be_followed_is_one_sentence_that_names_the_key(query, named):
    with pytest.raises(StudioError) as refused:
        links.read(query, TABS, TRACES)
    assert all(part in str(refused.value) for part in named)


def test_the_tab_is_found_beside_whatever_else_is_wrong():
    assert links.tab_of("?tab=models&steps=x", TABS) == "models"
    assert links.tab_of("?tab=none", TABS) == links.tab_of("", TABS) == ""


def test_the_lab_knows_its_own_address():
    assert links.base_of({}, {"SPACE_HOST": "me-lab.hf.space"}) == "https://me-lab.hf.space/"
    assert links.base_of({"host": "127.0.0.1:7860"}, {}) == "http://127.0.0.1:7860/"
    behind = {"host": "10.0.0.1", "x-forwarded-host": "lab.org, 10.0.0.1", "x-forwarded-proto": "https,http"}
    assert links.base_of(behind, {}) == "https://lab.org/"
    assert links.base_of(behind, {"SPACE_HOST": "me-lab.hf.space"}) == "https://me-lab.hf.space/"
    assert links.base_of({}, {}) == links.base_of(None, {}) == ""


def test_a_link_of_another_speed_path_says_so_and_offers_the_reference():
    told = links.about_path(Link(ORDER), {"sedd": "onednn"})
    assert "bf16" in told and "onednn" in told
    offered = html.unescape(told.split('href="')[1].split('"')[0])
    order = links.read(offered, TABS, TRACES).order
    assert (order.compute, order.controls, order.seed) == ("fp32", ORDER.controls, ORDER.seed)
    assert links.about_path(Link(ORDER), {"sedd": "bf16"}) == links.about_path(Link(Order()), {}) == ""
    assert "href" not in links.about_path(Link(Order(compute="fp32")), {"diffusion-lm": "onednn"})
