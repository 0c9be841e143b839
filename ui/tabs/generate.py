"""The first tab: order a run, watch it, read it step by step. Thin handlers; the studio runs, the player draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr
from gradio.context import Context

from ui.components import cards, theme
from ui.components.forms import Form
from ui.components.page import Page
from ui.components.place import MODEL_QUEUE, place, told
from ui.components.player import pack, player
from ui.service import comparisons, gallery, links, messages
from ui.service.advice import advised
from ui.service.run_queue import Waiting
from ui.service.run_spec import MAX_TEXT, Order
from ui.service.studio import Studio
from ui.tabs.registry import TABS

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
QUERY = "(query, count) => [window.location.search, count]"
EXAMPLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Free", {"seed": 3}),
    ("12 words", {"seed": 7, "controls": ("length=12",)}),
    ("Fill the blanks", {"seed": 11, "controls": ("infill=The Vaults is a ___ near Café Rouge .",)}),
    ("Italian, riverside", {"seed": 5, "guidance_scale": 2.0, "controls": ("label=food:Italian,area:riverside",)}),
    ("All together", {"seed": 21, "guidance_scale": 2.0,
                      "controls": ("length=14-18", "infill=The Vaults ___", "label=food:Italian,area:riverside")}),
    ("Content", {"seed": 2, "controls": ("semantic=food:Japanese,area:riverside",)}),
    ("Parts of speech", {"seed": 3, "controls": ("pos=DET PROPN AUX DET ADJ NOUN ADP PROPN PROPN PUNCT",)}),
    ("Syntax tree", {"seed": 3, "controls": ("tree=(S (NP 2) (VP (VBZ) (NP (DT) (JJ) (NN))) (.))",)}),
    ("Span", {"seed": 4, "controls": ("span=PP@4-6",)}),
    ("Content and tree", {"seed": 6, "controls": ("semantic=food:Italian", "tree=(S (NP 2) (VP (VBZ) (NP (DT) (JJ) (NN))) (.))")}),
    ("Content and tags", {"seed": 8, "controls": ("semantic=area:riverside", "pos=DET PROPN ... PUNCT")}),
    ("16 fast steps", {"seed": 2, "steps": 16, "sampler": "dpm-solver++"}),
)
FROM_SOURCE = ("From a source", {"seed": 4, "samples": 2, "candidates": 3,
                                 "source": "name[The Vaults], eatType[pub], food[Italian], area[riverside]"})


class Generate:
    """The tab: the form on the left, the player on the right; its methods are the handlers of its events."""

    def __init__(self, page: Page) -> None:
        self.page, self.studio, self.key = page, page.studio, page.key
        self.pending, self.open, self.ticket = gr.State(0), gr.State(False), gr.State("")
        self.query = gr.Textbox(visible=False, elem_id="query")
        with gr.Row(elem_classes="tdl-columns", equal_height=False):
            with gr.Column(scale=0, min_width=300, elem_classes="tdl-form"):
                self.form = Form(self.studio)
                with gr.Row(elem_classes="tdl-go"):
                    self.form.advice.render()
                    self.form.take.render()
                    self.go = gr.Button("Generate", variant="primary", elem_id="generate", min_width=120, scale=3)
                    self.stop = gr.Button("Stop", elem_id="stop", min_width=70, scale=1)
            with gr.Column(scale=1, min_width=320, elem_classes="tdl-stage"):
                self.examples = self._build_examples()
                self.notice = gr.HTML(visible=False, elem_id="notice", elem_classes="tdl-notice", apply_default_css=False)
                self.place = place("place")
                self.player = player(self.page.first, self.save_page)
                self._build_figures()
        self._connect_run()
        self._connect_figures()

    def _build_examples(self) -> list[tuple[gr.Button, Order]]:
        offered = [(title, advised(replace(self.form.start, **changes))) for title, changes in EXAMPLES]
        readers = [slug for slug, paper in self.form.papers.items() if paper.source]
        if readers:
            title, changes = FROM_SOURCE
            offered.append((title, advised(Order(paper=readers[0], **changes))))
        with gr.Row(elem_classes="tdl-examples"):
            gr.HTML("Try", elem_classes="tdl-try")
            return [(gr.Button(title, size="sm", min_width=20, scale=0, elem_classes="tdl-example"), order)
                    for title, order in offered]

    def _build_figures(self) -> None:
        with gr.Accordion("Figures: when each word settled", open=False, elem_id="figures") as self.figures:
            self.which = gr.Dropdown([("sample 1", 0)], value=0, label="Sample", filterable=False, elem_id="which")
            self.lifelines = gr.Plot(show_label=False, elem_id="lifelines")
            self.curves = gr.Plot(show_label=False, elem_id="curves")

    # ---- running

    def _connect_run(self) -> None:
        # What fills the form goes through the queue: only there does Gradio tell the page that `pending` changed.
        shown = [*self.form.inputs, *self.form.shown, self.pending]
        asked = [self.go.click, self.form.source.submit, self.pending.change]
        # Not "once": a run that was just stopped still counts as running for a moment. The player lets a run be asked for once.
        self.runs = gr.on(asked, self.run, [self.ticket, *self.form.inputs], [self.player, self.key, self.place, self.ticket],
                          trigger_mode="multiple", **MODEL_QUEUE, **PRIVATE)
        gr.api(self.generate, api_name="generate", **MODEL_QUEUE)
        # A run that has begun ends by itself, its last message says where, and one that waits leaves the line. Gradio's `cancels`
        # would close the very stream on which a run that is asked for right after it is to arrive; it is for runs of which
        # nothing has been heard.
        self.stop.click(self.end, [self.key, self.ticket], [self.place], queue=False, **PRIVATE)
        self.player.withdraw(None, cancels=[self.runs], queue=False, **PRIVATE)
        self.player.pin(self.pin, [self.form.controls], [self.form.controls], queue=False, **PRIVATE)
        for button, order in self.examples:
            button.click(partial(self.choose, order), [self.pending], shown, concurrency_limit=None, **PRIVATE)
        Context.root_block.load(self.follow, [self.query, self.pending], [*shown, self.player, self.key, self.notice], js=QUERY,
                                concurrency_limit=None, **PRIVATE)

    def run(self, ticket: str, *values: Any) -> Iterator[list[Any]]:
        """Messages to the player as the run goes, each with the run's id; before that its place in the queue and its ticket.

        Args:
            ticket: of the page's run before. Where it still waits it makes way: a page waits for its newest order only.
        """
        self.studio.line.leave(ticket)
        for item in messages.queued(self.studio, lambda: self.form.read(values)):
            if isinstance(item, Waiting):
                yield [gr.skip(), gr.skip(), told(item), item.ticket]
            else:
                key, message = item
                yield [pack(message), key, gr.skip(), gr.skip()]

    def generate(self, paper: str = Order.paper, sampler: str = "", steps: int = Order.steps, samples: int = Order.samples,  # noqa: PLR0913
                 seed: int = 0, guidance_scale: float = 1.0, temperature: float | None = Order.temperature,
                 clamp: float = Order.clamp, eta: float = Order.eta, mix: float = Order.mix, mix_share: float = Order.mix_share,
                 revise: int = Order.revise, source: str = "", candidates: int = Order.candidates, strategy: str = Order.strategy,
                 inner_steps: int = Order.inner_steps, fluency: float = Order.fluency, window_from: float = Order.window_from,
                 window_until: float = Order.window_until, particles: int = Order.particles, rerank: int = Order.rerank,
                 controls: list[str] | None = None, compute: str = "") -> Iterator[str]:
        """Runs an order, as the command line does, for programs: yields messages as JSON text, at last the whole trace.

        Args:
            controls: as on the command line, ["length=12", "label=food:Italian"].
        """
        values = {"paper": paper, "sampler": sampler, "steps": steps, "samples": samples, "seed": seed,
                  "guidance_scale": guidance_scale, "temperature": temperature, "clamp": clamp, "eta": eta, "mix": mix,
                  "mix_share": mix_share, "revise": revise, "source": source, "candidates": candidates,
                  "strategy": strategy, "inner_steps": inner_steps, "fluency": fluency, "window_from": window_from,
                  "window_until": window_until, "particles": particles, "rerank": rerank,
                  "controls": controls or [], "compute": compute}
        for item in messages.queued(self.studio, lambda: Order.from_dict(values)):
            yield pack(item.message() if isinstance(item, Waiting) else item[1])

    def end(self, key: str, ticket: str) -> str:
        """Ends a run, at once or after the step that is being computed; its stream then tells the player how far it came.

        An order that waits gives up its place. Returns what the line of the place says then: nothing.
        """
        self.studio.line.leave(ticket)
        trace, _ = messages.attempt(lambda: self.studio.traces.get(key))
        if trace is not None:
            self.studio.stop(trace)
        return ""

    def pin(self, controls: str, event: gr.EventData) -> str:
        """Puts words that were pinned by a click into the panel of controls, as its infill; the other controls stay."""
        others = [control for control in cards.controls_of(controls) if not control.startswith("infill=")]
        pinned = [f"infill={event.pattern}"[:MAX_TEXT]] if event.pattern else []
        return cards.value_of([*others, *pinned])

    def choose(self, order: Order, count: int) -> list[Any]:
        """Shows an order in the form and has it run."""
        return [*self.form.fill(order), count + 1]

    def follow(self, query: str, count: int) -> list[Any]:
        """What a page opened by a link does: a stored run played, or the form filled and the run started; or a sentence."""
        done, sentence = messages.attempt(lambda: self._followed(query or "", count))
        elsewhere, _ = messages.attempt(lambda: links.tab_of(query or "", tuple(comparisons.KEYS)))
        sentence = "" if elsewhere else sentence         # a tab that compares runs says itself what is wrong with its link
        untouched = [gr.skip()] * (len(self.form.inputs) + len(self.form.shown) + 1)
        return done or [*untouched, pack({"kind": "error", "sentence": sentence}) if sentence else gr.skip(), gr.skip(), gr.skip()]

    def _followed(self, query: str, count: int) -> list[Any]:
        """The updates that a link asks for; empty where it asks for no run.

        Raises:
            StudioError: the link cannot be read, or asks for what is not here.
        """
        link = links.read(query, [tab.slug for tab in TABS], gallery.names(self.page.traces))
        untouched = [gr.skip()] * (len(self.form.inputs) + len(self.form.shown) + 1)
        if link.trace:
            trace = self.studio.open(gallery.path_of(link.trace, self.page.traces))
            key = self.studio.traces.put(trace)
            return [*untouched, pack(messages.whole(self.studio, trace, key, stored=True)), key, gr.skip()]
        if link.order is None:
            return []
        self.studio.refuse(link.order)
        if link.order.paper not in self.form.papers:
            self.studio.labels(link.order.paper)         # says what is missing
        told = links.about_path(link, self.studio.speed_paths(link.orders))
        return [*self.choose(link.order, count), gr.skip(), gr.skip(), gr.update(value=told, visible=bool(told))]

    def save_page(self, key: str) -> str:
        """A run as one HTML file; empty where it is no longer kept."""
        page, _ = messages.attempt(lambda: messages.page(self.studio, self.page.trace(key), theme.page_style(), theme.script()))
        return page or ""

    # ---- figures

    def _connect_figures(self) -> None:
        inputs, outputs = [self.key, self.which, self.open], [self.which, self.lifelines, self.curves]
        self.figures.expand(lambda: True, None, self.open, queue=False, **PRIVATE).then(
            self.draw, inputs, outputs, queue=False, **PRIVATE)
        self.figures.collapse(lambda: False, None, self.open, queue=False, **PRIVATE)
        self.which.input(self.draw, inputs, outputs, queue=False, **PRIVATE)
        self.runs.then(self.draw, inputs, outputs, queue=False, **PRIVATE)

    def draw(self, key: str, which: int, is_open: bool) -> list[Any]:
        """The figures of a run, where they can be seen and there is a run."""
        from ui.plots import figures  # plotly takes a second to import; the page need not wait for it

        trace, _ = messages.attempt(lambda: self.page.trace(key))
        if not is_open or trace is None or not trace.frames:
            return [gr.skip()] * 3
        frames, seeds = list(trace.frames), trace.info["seeds"]
        sample = which if isinstance(which, int) and 0 <= which < len(seeds) else 0
        choices = [(f"sample {place + 1}, seed {seed}", place) for place, seed in enumerate(seeds)]
        return [gr.update(choices=choices, value=sample), figures.lifelines(frames, trace.info["words"], sample),
                figures.curves(frames)]


def build(page: Page) -> Generate:
    """Builds the tab into the current Blocks."""
    return Generate(page)


if __name__ == "__main__":
    with gr.Blocks() as demo:
        build(Page(Studio()))
    demo.queue().launch(ssr_mode=False, **theme.launch_options())
