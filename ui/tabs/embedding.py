"""The embedding space: a model's words as a map, a word's neighbours, and the way of a position from noise to its word."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from ui.components import figure as plots
from ui.components import theme
from ui.components.page import Page
from ui.components.place import MODEL_QUEUE
from ui.service import embedding_maps as atlas
from ui.service import views
from ui.service.messages import attempt
from ui.service.run_queue import Waiting
from ui.service.space import SPECIALS
from ui.service.studio import Studio
from ui.tabs.generate import PRIVATE

VIEWS = (("PCA, 2-D", "pca2"), ("PCA, 3-D", "pca3"), ("UMAP, 2-D", "umap2"), ("UMAP, 3-D", "umap3"), ("t-SNE, 2-D", "tsne2"),
         ("t-SNE, 3-D", "tsne3"), ("Triangle of three words", "triangle"), ("Sphere of digits", "sphere"),
         ("Sentences", "sentences"))
COLOURS = (("part of speech", "tag"), ("slot", "slot"), ("frequency", "frequency"), ("none", "none"))
ABOUT = """<p class="tdl-about">Every point is a word as the model sees it. Click one for its neighbours; a lasso marks its words in
the run, and words of the run that you press are marked in the map. Follow a position from noise to its word: through the words, in
a triangle of three (name them under <i>Find a word</i>), or over RDLM's sphere.</p>"""
SPHERE = "Choose a sample and a position, and press Follow it: the run is made again to record its points."
FLAT = ("pca2", "umap2", "tsne2")    # views of words that a lasso can be dragged in
OF_RUN = ("triangle", "sphere")      # views of a run's position, whatever paper is chosen
MOST_RUNS = 6                        # shown as sentences

INVITATION = '<p class="tdl-about">Click a word, or choose Lasso and drag around some: they are listed here.</p>'


class Embedding:
    """The tab: what is shown above, the map in the middle, neighbours and the rounding of a position below."""

    def __init__(self, page: Page) -> None:
        self.page, self.studio = page, page.studio
        self.atlas = atlas.Atlas(self.studio)
        papers = [(paper.title, paper.slug) for paper in self.studio.papers() if paper.available]
        self.papers = {slug for _, slug in papers}
        gr.HTML(ABOUT)
        with gr.Row(elem_classes=["tdl-row", "tdl-space-form"]):
            menu: dict[str, Any] = {"filterable": False, "min_width": 120}
            self.paper = gr.Dropdown(papers, value=papers[0][1], label="Paper", elem_id="space-paper", **menu)
            self.view = gr.Dropdown(list(VIEWS), value="pca2", label="View", elem_id="space-view", **menu)
            self.colour = gr.Dropdown(list(COLOURS), value="tag", label="Colour", elem_id="space-colour", **menu)
            self.search = gr.Textbox(label="Find a word", lines=1, min_width=120, elem_id="space-search", placeholder="Italian")
            self.sample = gr.Number(1, label="Sample", precision=0, minimum=1, min_width=60, elem_id="space-sample")
            self.position = gr.Number(self._first_position(), label="Position", precision=0, minimum=1, min_width=60,
                                      elem_id="space-position")
            self.follow = gr.Button("Follow it", size="sm", min_width=80, elem_id="space-follow")
        self.runs = gr.State([])                         # ids of this visitor's newest runs
        self.note = gr.HTML("", elem_id="space-note", elem_classes="tdl-about")
        self.words = gr.HTML("", elem_id="space-run", apply_default_css=False)
        self.map = plots.plot("space-map", height=440, value=self._first_map(papers[0][1]), script=theme.parts("space/linked.js"))
        with gr.Row(elem_classes="tdl-columns"):
            self.near = gr.HTML(INVITATION, elem_id="space-near", apply_default_css=False)
            self.rounding = gr.HTML("", elem_id="space-rounding", apply_default_css=False)
        self.clock = gr.Timer(1.0, active=False)         # runs while a map is being computed
        plots.preload()
        self._connect()

    def _first_map(self, paper: str) -> str:
        """The map that the page brings along; empty where none is stored, and the model would have to be loaded for it."""
        stored = self.atlas.stored(paper)
        return self.draw(paper, "pca2", "tag", "", 1, 1, "", ())[0] if stored and stored.projection("pca2") else ""

    def _first_position(self) -> int:
        """The first position of the opening run whose word was not given, counted from 1: there is something to follow."""
        given = (self.page.stored.info.get("pins") or [[]])[0] if self.page.stored else []
        return next(place for place in range(1, len(given) + 2) if place - 1 not in given)

    def _connect(self) -> None:
        from gradio.context import Context

        place = [self.sample, self.position, self.page.key]
        asked = [self.paper, self.view, self.colour, self.search, *place, self.runs]
        shown = [self.map, self.note, self.words, self.clock]
        draw: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "space", "trigger_mode": "always_last", **PRIVATE}
        Context.block.select(self.draw, asked, shown, **draw)
        for widget in (self.paper.input, self.view.input, self.colour.input, self.search.submit):
            widget(self.draw, asked, shown, **draw)
        self.clock.tick(self.draw, asked, shown, **draw)
        self.sample.input(self.written, [self.paper, self.sample, self.page.key], [self.words], queue=False, **PRIVATE)
        self.page.key.change(self.arrived, [self.runs, self.page.key], [self.runs, self.paper], queue=False, **PRIVATE)
        self.map.click(self.click, [self.paper, self.view], [self.near], queue=False, **PRIVATE)
        self.map.select(self.lasso, [self.paper, self.view, self.page.key], [self.near], queue=False, **PRIVATE)
        self.follow.click(self.path, [self.view, self.colour, self.search, *place], [self.map, self.note, self.rounding],
                          **MODEL_QUEUE, **PRIVATE)

    def arrived(self, runs: Sequence[str], key: str) -> list[Any]:
        """The visitor's newest runs with one more, and its paper, whose space the tab then shows."""
        trace, _ = attempt(lambda: self.page.trace(key))
        here = trace is not None and trace.info["paper"] in self.papers
        return [[*runs, key][-MOST_RUNS:], trace.info["paper"] if here else gr.skip()]

    def draw(self, paper: str, view: str, colour: str, search: str, sample: int, position: int, key: str,
             runs: Sequence[str]) -> list[Any]:
        """The map or why there is none, the words of the run, and whether to ask again for a map that is being computed."""
        trace, _ = attempt(lambda: self.page.trace(key))
        rest = [self.written(paper, sample, key), gr.Timer(active=False)]
        if view == "sphere":
            return [gr.skip(), _sentence(SPHERE), *rest]
        if view == "triangle":
            found, wrong = attempt(lambda: views.triangle(trace, sample, position, search or ""))
        elif view == "sentences":
            traces = [kept for kept in (attempt(lambda run=run: self.page.trace(run))[0] for run in runs or [key]) if kept]
            found, wrong = attempt(lambda: views.sentences(self.studio, paper, traces))
        else:
            found, wrong = attempt(lambda: self.atlas.map(paper, view, colour, search or "", trace))
            if found is None and not wrong:
                told, wrong = attempt(lambda: self.atlas.waiting(paper, view))
                return [gr.skip(), _progress(*told) if told else _sentence(wrong), rest[0], gr.Timer(active=not wrong)]
        if found is None:                                # a mistyped search keeps the map; else there is none to keep
            return [gr.skip() if search else "", _sentence(wrong), *rest]
        figure, note = found
        return [plots.pack(figure, note, name=f"words-{paper}-{view}", lasso=view in FLAT, zoom=True,
                           points=f"words of {paper}" if view not in (*OF_RUN, "sentences") else view), "", *rest]

    def written(self, paper: str, sample: int, key: str) -> str:
        """The words of the run's sample, those that the paper knows to be pressed."""
        trace, _ = attempt(lambda: self.page.trace(key))
        if trace is None or not isinstance(sample, int) or not 1 <= sample <= len(trace.ids):
            return ""
        words, _ = attempt(lambda: self.atlas.written(paper, trace, sample - 1))
        return _of_run(words, sample) if words else ""

    def click(self, paper: str, view: str, event: gr.EventData) -> Any:
        """The neighbours of a clicked word."""
        if view in (*OF_RUN, "sentences"):
            return gr.skip()
        index = plots.clicked(event)
        found, wrong = attempt(lambda: self.atlas.near(paper, index if isinstance(index, int) else -1))
        return _neighbours(*found) if found else _sentence(wrong)

    def lasso(self, paper: str, view: str, key: str, event: gr.EventData) -> Any:
        """The words in the lasso, those of the run marked."""
        if view in (*OF_RUN, "sentences"):
            return gr.skip()
        places = [place for place in plots.selected(event) or () if isinstance(place, int)]
        if not places:                                   # the lasso is gone
            return INVITATION
        trace, _ = attempt(lambda: self.page.trace(key))
        found, wrong = attempt(lambda: self.atlas.caught(paper, places, trace))
        return _caught(found) if found is not None else _sentence(wrong)

    def path(self, *asked: Any) -> Iterator[list[Any]]:
        """The way of a position of the newest run, and what it was nearest to at every step; before that the place in the queue."""
        for item in self.studio.line.queued(self._way(*asked)):
            yield [gr.skip(), _sentence(item.sentence), gr.skip()] if isinstance(item, Waiting) else item

    def _way(self, view: str, colour: str, search: str, sample: int, position: int, key: str) -> Iterator[list[Any]]:
        trace, wrong = attempt(lambda: self.page.trace(key))
        if trace is None:
            yield [gr.skip(), _sentence(wrong), ""]
            return
        rows: Sequence[Any] = ()
        if view in OF_RUN:
            found, wrong = attempt(lambda: views.spheres(self.studio, trace, sample, position) if view == "sphere"
                                   else views.triangle(trace, sample, position, search or ""))
        else:
            words = "pca2" if view == "sentences" else view
            told, wrong = attempt(lambda: self.atlas.follow(trace, words, colour, sample, position))
            found, rows = (told[:2], told[2]) if told else (None, ())
        if found is None:
            yield [gr.skip(), _sentence(wrong), ""]
            return
        yield [plots.pack(*found, name=f"path-{view}", zoom=True), "", _rounding(rows) if rows else ""]


def _sentence(text: str) -> str:
    return f'<p class="tdl-note" role="status">{html.escape(text)}</p>' if text else ""


def _progress(text: str, share: float | None) -> str:
    value = "" if share is None else f' value="{share:.2f}"'
    return (f'<p class="tdl-note tdl-waiting-map" role="status"><progress max="1"{value} aria-label="map"></progress>'
            f"{html.escape(text)}</p>")


def _of_run(words: Sequence[tuple[str, int | None]], sample: int) -> str:
    chips = [f'<button type="button" class="tdl-chip tdl-plain" data-word="{place}" aria-pressed="false">{html.escape(word)}'
             "</button>" if place is not None else f'<span class="tdl-chip">{html.escape(word)}</span>'
             for word, place in words if place is None or place >= SPECIALS]
    return f'<div class="tdl-run-words"><span>Sample {sample} of the run</span>{"".join(chips)}</div>'


def _neighbours(word: str, near: Sequence[tuple[str, float]]) -> str:
    rows = "".join(f"<tr><td>{html.escape(other)}</td><td>{far:.2f}</td></tr>" for other, far in near)
    return (f'<h3 class="tdl-board-title">Nearest to {html.escape(word)}</h3><table class="tdl-numbers"><thead><tr><th>word</th>'
            f"<th>distance</th></tr></thead><tbody>{rows}</tbody></table>")


def _caught(words: Sequence[tuple[str, bool]]) -> str:
    chips = " ".join(f'<span class="tdl-chip{" tdl-pinned" if in_run else " tdl-plain"}">{html.escape(word)}</span>'
                     for word, in_run in words)
    return (f'<h3 class="tdl-board-title">In the lasso: {len(words)} words; those of the run are underlined</h3>'
            f'<p class="tdl-words">{chips}</p>')


def _rounding(rows: Sequence[tuple[int, str, float, str, float, bool]]) -> str:
    cells = "".join(f'<tr{" class=tdl-best" if jump else ""}><td>{step}</td><td>{html.escape(noisy)}</td><td>{far:.2f}</td>'
                    f"<td>{html.escape(word)}</td><td>{off:.2f}</td></tr>" for step, noisy, far, word, off, jump in rows)
    return ('<h3 class="tdl-board-title">Rounding: the nearest word at every step; a bar where the prediction jumps</h3>'
            '<div class="tdl-table-box tdl-short"><table class="tdl-numbers"><thead><tr><th>step</th><th>noisy x_t</th>'
            f"<th>distance</th><th>prediction x0_hat</th><th>distance</th></tr></thead><tbody>{cells}</tbody></table></div>")


def build(page: Page) -> Embedding:
    """Builds the tab into the current Blocks."""
    return Embedding(page)


if __name__ == "__main__":
    with gr.Blocks() as demo, gr.Tabs(), gr.Tab("Embedding space"):
        build(Page(Studio()))
    demo.queue().launch(ssr_mode=False, **theme.launch_options())
