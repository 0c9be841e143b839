"""The tabs of the lab, in order: one tab is one file with `build(page)`, and one row here."""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import gradio as gr
from gradio.context import Context

from ui.components.page import Page
from ui.service import links, messages

TITLE = """<div class="tdl-title"><h1>Text Diffusion Lab</h1>
<p>A diffusion model writes all words at once, out of noise. Watch it grow sure of them, and steer it.</p></div>"""


class Tab(NamedTuple):
    """A tab: its id in addresses, its title, and the module whose `build(page)` fills it."""

    slug: str
    title: str
    module: str


TABS = (
    Tab("generate", "Generate", "ui.tabs.generate"),
    Tab("trajectory", "Trajectory", "ui.tabs.trajectory"),
    Tab("space", "Embedding space", "ui.tabs.embedding"),
    Tab("samplers", "Compare samplers", "ui.tabs.samplers"),
    Tab("compare", "Compare papers", "ui.tabs.compare"),
    Tab("models", "Papers and models", "ui.tabs.models"),
)


def build(page: Page) -> dict[str, Any]:
    """Builds all tabs into the current Blocks and returns what each `build` returned, by slug."""
    gr.HTML(TITLE, elem_classes="tdl-head")
    built: dict[str, Any] = {}
    query = gr.Textbox(visible=False)
    with gr.Tabs(elem_id="tabs") as shown:
        for tab in TABS:
            with gr.Tab(tab.title, id=tab.slug, elem_id=f"tab-{tab.slug}"):
                built[tab.slug] = importlib.import_module(tab.module).build(page)
    Context.root_block.load(chosen, [query], [shown], js="() => [window.location.search]", queue=False, show_progress="hidden",
                            api_visibility="private")
    return built


def chosen(query: str) -> Any:
    """Shows the tab that the page's address names; the first tab says what is wrong with an address."""
    slug, _ = messages.attempt(lambda: links.tab_of(query or "", [tab.slug for tab in TABS]))
    return gr.Tabs(selected=slug) if slug else gr.skip()
