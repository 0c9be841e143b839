"""Compare papers: one prompt, several papers, the same seeds, denoising side by side in lockstep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from ui import messages, race, theme, tokens
from ui.line import Waiting
from ui.order import Order
from ui.page import Page
from ui.place import MODEL_QUEUE, place, told
from ui.player import pack
from ui.prompt import Prompt
from ui.studio import Studio
from ui.tab_generate import PRIVATE

CODE = ("player/tools.js", "player/trace.js", "player/curves.js", "compare/compare.js")
_START = """
const lanes = new Lanes(element.querySelector('.tdl'), {scale: props.colours, inks: props.inks});
const refresh = () => { if (props.value) lanes.show(JSON.parse(props.value)); };
watch('value', refresh);
refresh();
"""
STEPS = 32
LEFT_OUT = ("oracle",)           # knows eight sentences; ticked by whoever wants to see it


class Compare:
    """The tab: a prompt and ticked papers on the left, a lane for each paper on the right."""

    def __init__(self, page: Page) -> None:
        self.studio, self.ticket = page.studio, gr.State("")
        self.papers = {paper.slug: paper for paper in self.studio.papers() if paper.available}
        ticked = [slug for slug in self.papers if slug not in LEFT_OUT]
        first = Order.paper if Order.paper in self.papers else next(iter(self.papers))
        with gr.Row(elem_classes="tdl-columns", equal_height=False):
            with gr.Column(scale=0, min_width=300, elem_classes="tdl-form"):
                offered = [(paper.title, slug) for slug, paper in self.papers.items()]
                self.chosen = gr.CheckboxGroup(offered, value=ticked, label="Papers", elem_id="compare-papers",
                                               elem_classes="tdl-choice")
                self.steps = gr.Slider(1, 128, STEPS, step=1, label="Steps of each", elem_id="compare-steps", buttons=[])
                self.prompt = Prompt(self.studio, first, "compare", any(paper.source for paper in self.papers.values()))
                with gr.Row(elem_classes="tdl-go"):
                    self.go = gr.Button("Compare", variant="primary", elem_id="compare-go", min_width=120, scale=3)
                    self.stop = gr.Button("Stop", elem_id="compare-stop", min_width=70, scale=1)
            with gr.Column(scale=1, min_width=320, elem_classes="tdl-stage"):
                self.place = place("compare-place")
                self.lanes = gr.HTML(value=pack({"kind": "empty"}), html_template='<div class="tdl"></div>', elem_id="lanes",
                                     apply_default_css=False, js_on_load=theme.parts(*CODE) + _START, inks=tokens.INKS,
                                     colours=tokens.SCALE)
        shown = [self.lanes, self.place]
        self.go.click(self.run, [self.ticket, self.chosen, self.steps, *self.prompt.inputs], [*shown, self.ticket],
                      trigger_mode="multiple", **MODEL_QUEUE, **PRIVATE)
        self.stop.click(self.end, [self.ticket], shown, queue=False, **PRIVATE)
        gr.api(self.compare_papers, api_name="compare_papers", **MODEL_QUEUE)

    def run(self, ticket: str, chosen: list[str], steps: float, *values: Any) -> Iterator[list[Any]]:
        """Messages to the lanes as the runs go, and before that their place in the queue with its ticket.

        Args:
            ticket: of what this page compared before, which makes way.
        """
        self.studio.line.end(ticket)
        base, sentence = messages.attempt(lambda: self.prompt.read(values, steps=steps))
        lanes, wrong = messages.attempt(lambda: self.lanes_of(chosen or [], base)) if base else (None, sentence)
        if lanes is None:
            yield [pack({"kind": "error", "sentence": wrong}), "", gr.skip()]
            return
        for item in self.studio.line.queued(race.run(self.studio, lanes)):
            yield [gr.skip(), told(item), item.ticket] if isinstance(item, Waiting) else [pack(item), gr.skip(), gr.skip()]

    def end(self, ticket: str) -> list[str]:
        """Ends the runs, or leaves the queue: what the lanes and the line of the place say then."""
        self.studio.line.end(ticket)
        return [pack({"kind": "stopped"}), ""]

    def lanes_of(self, chosen: list[str], base: Order) -> list[race.Lane]:
        """A lane for every ticked paper.

        Raises:
            StudioError: none is ticked.
        """
        if not chosen:
            raise messages.mistake("No paper is ticked. Tick one or more.")
        titles = {slug: paper.title for slug, paper in self.papers.items()}
        return [race.Lane(slug, titles.get(slug, slug), replace(base, paper=slug)) for slug in chosen]

    def compare_papers(self, papers: list[str], steps: int = STEPS, samples: int = 2, seed: int = 0, guidance_scale: float = 1.0,
                       source: str = "", controls: list[str] | None = None) -> Iterator[str]:
        """Runs one prompt through several papers in lockstep, for programs: yields messages as JSON text, at last a table."""
        values = {"steps": steps, "samples": samples, "seed": seed, "guidance_scale": guidance_scale, "source": source,
                  "controls": controls or []}
        lanes, wrong = messages.attempt(lambda: self.lanes_of(papers, Order.from_dict(values)))
        if lanes is None:
            yield pack({"kind": "error", "sentence": wrong})
            return
        for item in self.studio.line.queued(race.run(self.studio, lanes)):
            yield pack(item.message() if isinstance(item, Waiting) else item)


def build(page: Page) -> Compare:
    """Builds the tab into the current Blocks."""
    return Compare(page)


if __name__ == "__main__":
    with gr.Blocks() as demo:
        build(Page(Studio()))
    demo.queue().launch(ssr_mode=False, **theme.launch_options())
