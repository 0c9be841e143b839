"""Compare papers: one prompt, several papers, the same seeds, denoising side by side in lockstep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from ui.components import theme
from ui.components.forms import reach
from ui.components.page import Page
from ui.components.place import MODEL_QUEUE, place, told
from ui.components.player import pack
from ui.components.prompt import FOLLOW, Prompt
from ui.plots import tokens
from ui.service import gallery, links, messages
from ui.service import lockstep as race
from ui.service.run_queue import Waiting
from ui.service.run_spec import Order
from ui.service.studio import Studio
from ui.tabs.generate import PRIVATE

SLUG = "compare"
CODE = ("player/tools.js", "player/link.js", "player/picture.js", "player/page.js", "player/trace.js", "player/curves.js",
        "compare/compare.js")
_START = """
const lanes = new Lanes(element.querySelector('.tdl'), {scale: props.colours, inks: props.inks, server});
const refresh = () => { if (props.value) lanes.show(JSON.parse(props.value)); };
watch('value', refresh);
refresh();
"""
STEPS, MOST_STEPS = 32, 128      # of the slider
LEFT_OUT = ("oracle",)           # knows eight sentences; ticked by whoever wants to see it


def page_of(_: str) -> str:
    """An HTML file that plays lanes without a server, still without its runs; the browser puts them in."""
    look = {"scale": tokens.SCALE, "inks": tokens.INKS}
    return tokens.page_without_content("tdl", theme.page_style(), theme.parts(*CODE),
                                       f"new Lanes(box, {json.dumps(look)}).show(data);")


class Compare:
    """The tab: a prompt and ticked papers on the left, a lane for each paper on the right."""

    def __init__(self, page: Page) -> None:
        self.page, self.studio, self.ticket = page, page.studio, gr.State("")
        self.pending = gr.State(0)
        self.papers = {paper.slug: paper for paper in self.studio.papers() if paper.available}

        def stored_runs(_: str) -> str:
            return self.stored()

        ticked = [slug for slug in self.papers if slug not in LEFT_OUT]
        first = Order.paper if Order.paper in self.papers else next(iter(self.papers))
        with gr.Row(elem_classes="tdl-columns", equal_height=False):
            with gr.Column(scale=0, min_width=300, elem_classes="tdl-form"):
                offered = [(paper.title, slug) for slug, paper in self.papers.items()]
                self.chosen = gr.CheckboxGroup(offered, value=ticked, label="Papers", elem_id="compare-papers",
                                               elem_classes="tdl-choice")
                self.steps = gr.Slider(1, MOST_STEPS, STEPS, step=1, label="Steps of each", elem_id="compare-steps", buttons=[])
                self.prompt = Prompt(self.studio, first, "compare", any(paper.source for paper in self.papers.values()))
                with gr.Row(elem_classes="tdl-go"):
                    self.go = gr.Button("Compare", variant="primary", elem_id="compare-go", min_width=120, scale=3)
                    self.stop = gr.Button("Stop", elem_id="compare-stop", min_width=70, scale=1)
            with gr.Column(scale=1, min_width=320, elem_classes="tdl-stage"):
                self.notice = gr.HTML(visible=False, elem_id="compare-notice", elem_classes="tdl-notice", apply_default_css=False)
                self.place = place("compare-place")
                self.lanes = gr.HTML(value=pack({"kind": "empty"}), html_template='<div class="tdl"></div>', elem_id="lanes",
                                     apply_default_css=False, js_on_load=theme.parts(*CODE) + _START + FOLLOW,
                                     server_functions=[page_of, stored_runs], inks=tokens.INKS, colours=tokens.SCALE)
        asked, shown = [self.chosen, self.steps, *self.prompt.inputs], [self.lanes, self.place]
        gr.on([self.go.click, self.pending.change], self.run, [self.ticket, *asked], [*shown, self.ticket], trigger_mode="multiple",
              **MODEL_QUEUE, **PRIVATE)
        self.stop.click(self.end, [self.ticket], shown, queue=False, **PRIVATE)
        self.lanes.follow(self.follow, [self.pending], [*asked, self.pending, self.notice, self.lanes], concurrency_limit=None,
                          **PRIVATE)
        gr.api(self.compare_papers, api_name="compare_papers", **MODEL_QUEUE)

    def stored(self) -> str:
        """What the lanes show before anything was compared here: stored runs of the same order and seeds; empty without them."""
        titles = {slug: paper.title for slug, paper in self.papers.items() if slug not in LEFT_OUT}
        found = race.stored(self.studio, titles, self.page.traces)
        return pack(found) if found else ""

    def run(self, ticket: str, chosen: list[str], steps: float, *values: Any) -> Iterator[list[Any]]:
        """Messages to the lanes as the runs go, and before that their place in the queue with its ticket.

        Args:
            ticket: of what this page compared before, which makes way.
        """
        self.studio.line.end(ticket)
        for item in self._queued(lambda: [self.prompt.read(values, slug, steps=steps) for slug in chosen or []]):
            if isinstance(item, Waiting):
                yield [gr.skip(), told(item), item.ticket]
            else:
                yield [pack(item), "", gr.skip()]

    def end(self, ticket: str) -> list[str]:
        """Ends the runs, or leaves the queue: what the lanes and the line of the place say then."""
        self.studio.line.end(ticket)
        return [pack({"kind": "stopped"}), ""]

    def _queued(self, read: Callable[[], list[Order]]) -> Iterator[messages.Message | Waiting]:
        lanes, wrong = messages.attempt(lambda: self.lanes_of(read()))
        if lanes is None:
            yield {"kind": "error", "sentence": wrong}
            return
        yield from self.studio.line.queued(race.run(self.studio, lanes))

    def lanes_of(self, orders: list[Order]) -> list[race.Lane]:
        """A lane for the order of every ticked paper.

        Raises:
            StudioError: none is ticked.
        """
        if not orders:
            raise messages.mistake("No paper is ticked. Tick one or more.")
        titles = {slug: paper.title for slug, paper in self.papers.items()}
        return [race.Lane(order.paper, titles.get(order.paper, order.paper), order) for order in orders]

    def follow(self, count: int, event: gr.EventData) -> list[Any]:
        """What a page opened by a link to this tab does: the form filled and the papers started; or a sentence."""
        done, sentence = messages.attempt(lambda: self._followed(event.query, count))
        untouched = [gr.skip()] * (len(self.prompt.inputs) + 4)
        return done or [*untouched, pack({"kind": "error", "sentence": sentence}) if sentence else gr.skip()]

    def _followed(self, query: str, count: int) -> list[Any]:
        """The updates that a link asks for; empty where it asks for no comparison of papers.

        Raises:
            StudioError: the link cannot be read, or asks for what is not here.
        """
        link = links.comparison(query, SLUG, gallery.names(self.page.traces))
        orders = link.compared
        if count or not orders:
            return []
        for order in orders:
            if order.paper not in self.papers:
                self.studio.labels(order.paper)          # says what is missing
        told = links.about_path(link, self.studio.speed_paths(orders))
        return [[order.paper for order in orders], reach(orders[0].steps, MOST_STEPS), *self.prompt.fill(orders), count + 1,
                gr.update(value=told, visible=bool(told)), gr.skip()]

    def compare_papers(self, papers: list[str], steps: int = STEPS, samples: int = 2, seed: int = 0, guidance_scale: float = 1.0,
                       source: str = "", controls: list[str] | None = None) -> Iterator[str]:
        """Runs one prompt through several papers in lockstep, for programs: yields messages as JSON text, at last a table."""
        values = {"steps": steps, "samples": samples, "seed": seed, "guidance_scale": guidance_scale, "source": source,
                  "controls": controls or []}
        for item in self._queued(lambda: [replace(Order.from_dict(values), paper=slug) for slug in papers]):
            yield pack(item.message() if isinstance(item, Waiting) else item)


def build(page: Page) -> Compare:
    """Builds the tab into the current Blocks."""
    return Compare(page)


if __name__ == "__main__":
    with gr.Blocks() as demo:
        build(Page(Studio()))
    demo.queue().launch(ssr_mode=False, **theme.launch_options())
