"""The tab of papers and models: each paper's idea and facts, what its noise does to a sentence, the judges, the stored runs."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.components import endpoints, paper_page, theme
from ui.components.page import Page
from ui.components.player import pack
from ui.components.playground import playground
from ui.service import gallery, messages, noise
from ui.service.studio import Studio

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
LATEX = [{"left": "$$", "right": "$$", "display": True}]
JUDGE = "judge"


class Models:
    """The tab; its methods are the handlers of its events."""

    def __init__(self, page: Page) -> None:
        self.page, self.studio = page, page.studio
        self.papers = {paper.slug: paper for paper in self.studio.papers()}
        with gr.Tabs(elem_id="models"):
            with gr.Tab("Papers", id="papers"):
                self._build_papers()
            with gr.Tab("Forward noise", id="noise"):
                playground(self.noise, self.example)
            with gr.Tab("Judges and controllers", id="judges"):
                gr.HTML(paper_page.judges(self.studio.card(JUDGE), self.studio.digest(JUDGE)), apply_default_css=False)
            with gr.Tab("Stored runs", id="stored"):
                gr.HTML(gallery.html(page.traces), apply_default_css=False, elem_id="gallery")
        endpoints.add(self.studio, page.traces)

    def _build_papers(self) -> None:
        first = next((slug for slug, paper in self.papers.items() if paper.available), next(iter(self.papers)))
        self.paper = gr.Radio(paper_page.choices(list(self.papers.values())), value=first, label="Paper", show_label=False,
                              container=False, elem_id="which-paper", elem_classes="tdl-choice")
        title, lesson, training, numbers = self.open(first)
        with gr.Row(elem_classes="tdl-columns"):
            with gr.Column(scale=1, min_width=320):
                self.title = gr.HTML(title, apply_default_css=False)
                self.lesson = gr.Markdown(lesson, latex_delimiters=LATEX, elem_id="lesson", elem_classes="tdl-lesson")
            with gr.Column(scale=1, min_width=320):
                self.training = gr.HTML(training, apply_default_css=False, elem_id="training")
        self.numbers = gr.HTML(numbers, apply_default_css=False, elem_id="numbers")
        self.paper.change(self.open, [self.paper], [self.title, self.lesson, self.training, self.numbers], **PRIVATE)

    def open(self, slug: str) -> tuple[str, str, str, str]:
        """A paper's title, its lesson, how it was trained, and what was measured."""
        paper = self.papers.get(slug) or next(iter(self.papers.values()))
        digest = self.studio.digest(paper.slug)
        return (paper_page.head(paper), paper_page.lesson(paper),
                paper_page.training(paper, self.studio.card(paper.slug), digest), paper_page.numbers(paper, digest))

    def noise(self, text: str, seed: int) -> str:
        """A sentence under every paper's noise, as JSON text; `error` holds a sentence where it cannot be shown."""
        found, sentence = messages.attempt(lambda: noise.shown(self.studio, text, seed))
        return pack({"error": sentence} if found is None else found)

    def example(self) -> str:
        """The example that the playground opens on: the stored one, or one made now."""
        stored = noise.stored(self.page.traces / noise.STORED.name)
        return pack(stored) if stored else self.noise(noise.SENTENCE, 0)


def build(page: Page) -> Models:
    """Builds the tab into the current Blocks."""
    return Models(page)


if __name__ == "__main__":
    with gr.Blocks() as demo:
        build(Page(Studio()))
    demo.queue().launch(ssr_mode=False, **theme.launch_options())
