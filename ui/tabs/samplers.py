"""Compare samplers: one paper, a grid of samplers and numbers of steps, the same seeds and controls."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gradio as gr

from ui.components import theme
from ui.components.grid_page import known, plot, table
from ui.components.page import Page
from ui.components.place import MODEL_QUEUE, place, told
from ui.components.player import pack
from ui.components.prompt import FOLLOW, Prompt
from ui.service import facts, gallery, grid, links, messages
from ui.service.links import Link
from ui.service.run_queue import Waiting
from ui.service.run_spec import Order, brief
from ui.service.studio import Studio
from ui.tabs.generate import PRIVATE

SLUG = "samplers"
CODE = ("player/link.js",)
_START = """
element.addEventListener('click', event => {
  const button = event.target.closest('[data-query]');
  if (button) copyText(addressOf(button.dataset.query), button);
});
"""
STEPS = "8, 16, 32, 64"


class Samplers:
    """The tab: the grid's form on the left, cells as they are done on the right."""

    def __init__(self, page: Page) -> None:
        self.page, self.studio, self.ticket = page, page.studio, gr.State("")
        self.pending = gr.State(0)
        self.papers = {paper.slug: paper for paper in self.studio.papers() if paper.available and len(paper.samplers) > 1}
        first = next(iter(self.papers.values()))
        with gr.Row(elem_classes="tdl-columns", equal_height=False):
            with gr.Column(scale=0, min_width=300, elem_classes="tdl-form"):
                offered = [(paper.title, slug) for slug, paper in self.papers.items()]
                self.paper = gr.Dropdown(offered, value=first.slug, label="Paper", filterable=False, elem_id="grid-paper")
                self.samplers = gr.CheckboxGroup(**self._samplers(first.slug), label="Samplers", elem_id="grid-samplers",
                                                 elem_classes="tdl-choice")
                self.steps = gr.Textbox(STEPS, label="Numbers of steps", elem_id="grid-steps", lines=1)
                self.prompt = Prompt(self.studio, first.slug, "grid", any(paper.source for paper in self.papers.values()))
                with gr.Row(elem_classes="tdl-go"):
                    self.go = gr.Button("Fill the grid", variant="primary", elem_id="grid-go", min_width=120, scale=3)
                    self.stop = gr.Button("Stop", elem_id="grid-stop", min_width=70, scale=1)
            with gr.Column(scale=1, min_width=320, elem_classes="tdl-stage"):
                self.notice = gr.HTML(visible=False, elem_id="grid-notice", elem_classes="tdl-notice", apply_default_css=False)
                self.place = place("grid-place")
                self.status = gr.HTML(table([]), elem_id="grid-table", apply_default_css=False,
                                      js_on_load=theme.parts(*CODE) + _START + FOLLOW)
                self.plot = gr.HTML(plot([]), elem_id="grid-plot", apply_default_css=False)
                self.file = gr.DownloadButton("Save CSV", size="sm", visible=False, elem_id="grid-csv")
                self.known = gr.HTML(self._known(first.slug), elem_id="grid-known", apply_default_css=False)
        self.paper.input(lambda slug: gr.update(**self._samplers(slug)), [self.paper], [self.samplers], queue=False, **PRIVATE)
        self.paper.change(self._known, [self.paper], [self.known], queue=False, **PRIVATE)
        asked = [self.paper, self.samplers, self.steps, *self.prompt.inputs]
        gr.on([self.go.click, self.pending.change], self.run, [self.ticket, *asked],
              [self.status, self.plot, self.file, self.place, self.ticket], trigger_mode="multiple", **MODEL_QUEUE, **PRIVATE)
        self.stop.click(self.studio.line.end, [self.ticket], None, queue=False, **PRIVATE)
        self.status.follow(self.follow, [self.pending], [*asked, self.pending, self.notice, self.status], concurrency_limit=None,
                           **PRIVATE)
        gr.api(self.compare_samplers, api_name="compare_samplers", **MODEL_QUEUE)

    def _samplers(self, slug: str) -> dict[str, Any]:
        offered = [(sampler.title, sampler.slug) for sampler in self.papers[slug].samplers]
        return {"choices": offered, "value": [each for _, each in offered[:3]]}

    def _known(self, slug: str) -> str:
        titles = {sampler.slug: sampler.title for sampler in self.papers[slug].samplers}
        return known(facts.quality(slug, self.studio.digest(slug)), titles)

    def run(self, ticket: str, paper: str, samplers: list[str], steps: str, *values: Any) -> Iterator[list[Any]]:
        """Table, plot and file as the cells are done, and before that the place in the queue with its ticket.

        Args:
            ticket: of the grid that this page filled before, which makes way.
        """
        self.studio.line.end(ticket)
        asked, wrong = messages.attempt(lambda: self._asked(paper, samplers or [], steps or "", values))
        if asked is None:
            yield [table([], error=wrong), gr.skip(), gr.skip(), "", gr.skip()]
            return
        for item in self.studio.line.queued(self._filled(paper, asked)):
            yield [*[gr.skip()] * 3, told(item), item.ticket] if isinstance(item, Waiting) else [*item, gr.skip(), gr.skip()]

    def _filled(self, paper: str, asked: list[Order]) -> Iterator[list[Any]]:
        cells: list[grid.Cell] = []
        yield [table([], waiting=asked), plot([]), gr.update(visible=False)]
        for cell in grid.run(self.studio, asked):
            if isinstance(cell, grid.Progress):
                yield [gr.skip()] * 3                    # between two messages a run can be stopped
                continue
            cells.append(cell)
            query = links.write(Link(tab=SLUG, compared=tuple(map(self.studio.named, asked))))
            yield [table(cells, waiting=asked[len(cells):], query=query), plot(cells), gr.skip()]
        yield [gr.skip(), gr.skip(), gr.update(value=self._file(paper, cells), visible=True)]

    def _asked(self, paper: str, samplers: list[str], steps: str, values: Any) -> list[Order]:
        base = self.prompt.read(values, paper)
        return grid.orders(base if self.papers[paper].source else replace(base, source=""), samplers, grid.read_steps(steps))

    def follow(self, count: int, event: gr.EventData) -> list[Any]:
        """What a page opened by a link to this tab does: the form filled and the grid started; or a sentence."""
        done, sentence = messages.attempt(lambda: self._followed(event.query, count))
        untouched = [gr.skip()] * (len(self.prompt.inputs) + 5)
        return done or [*untouched, table([], error=sentence) if sentence else gr.skip()]

    def _followed(self, query: str, count: int) -> list[Any]:
        """The updates that a link asks for; empty where it asks for no comparison of samplers.

        Raises:
            StudioError: the link cannot be read, or asks for what is not here.
        """
        link = links.comparison(query, SLUG, gallery.names(self.page.traces))
        if count or not link.compared:
            return []
        samplers, steps = (list(dict.fromkeys(getattr(order, key) for order in link.compared)) for key in ("sampler", "steps"))
        paper = self._comparable(link.compared[0].paper, samplers)
        self.studio.refuse(link.compared[0])
        told = links.about_path(link, self.studio.speed_paths(link.compared))
        return [paper, gr.update(**{**self._samplers(paper), "value": samplers}), ", ".join(map(str, steps)),
                *self.prompt.fill(link.compared), count + 1, gr.update(value=told, visible=bool(told)), gr.skip()]

    def _comparable(self, paper: str, samplers: list[str]) -> str:
        """The paper, if it has these samplers.

        Raises:
            StudioError: there is no such paper, or it lacks a sampler, or has one alone.
        """
        if paper not in self.papers:
            self.studio.labels(paper)                    # says what is missing
            raise messages.mistake(f"There is one sampler alone for '{paper}', so there is nothing to compare. Choose "
                                   f"{', '.join(self.papers)}.")
        known = [sampler.slug for sampler in self.papers[paper].samplers]
        strange = next((slug for slug in samplers if slug not in known), None)
        if strange is not None:
            raise messages.mistake(f"{self.papers[paper].title} has no sampler {brief(strange)}; it has {', '.join(known)}. Name "
                                   f"some of these in the link.")
        return paper

    def _file(self, paper: str, cells: list[grid.Cell]) -> str:
        path = Path(tempfile.mkdtemp(prefix="text-diffusion-")) / f"samplers-{paper}.csv"
        path.write_text(grid.as_csv(cells), encoding="utf-8")
        return str(path)

    def compare_samplers(self, paper: str, samplers: list[str], steps: list[int], samples: int = 2, seed: int = 0,
                         guidance_scale: float = 1.0, source: str = "", controls: list[str] | None = None) -> Iterator[str]:
        """Fills a grid of samplers and numbers of steps, for programs: yields JSON text, each cell when it is done."""
        values = {"paper": paper, "samples": samples, "seed": seed, "guidance_scale": guidance_scale, "source": source,
                  "controls": controls or []}
        asked, wrong = messages.attempt(lambda: grid.orders(Order.from_dict(values), samplers, steps))
        if asked is None:
            yield pack({"kind": "error", "sentence": wrong})
            return
        for item in self.studio.line.queued(grid.run(self.studio, asked)):
            yield pack(item.message() if isinstance(item, Waiting) else
                       {"kind": "progress" if isinstance(item, grid.Progress) else "cell", **asdict(item)})


def build(page: Page) -> Samplers:
    """Builds the tab into the current Blocks."""
    return Samplers(page)


if __name__ == "__main__":
    with gr.Blocks() as demo:
        build(Page(Studio()))
    demo.queue().launch(ssr_mode=False, **theme.launch_options())
