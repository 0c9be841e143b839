"""The second tab: every word's life-line, one run as a board or two in step. Thin handlers; the browser draws."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import gradio as gr

from ui.components import theme
from ui.components.board import board
from ui.components.page import Page
from ui.components.place import MODEL_QUEUE
from ui.components.player import pack
from ui.plots import gif
from ui.service import messages, runs
from ui.service.run_queue import Waiting
from ui.service.studio import Studio
from ui.tabs.generate import PRIVATE


class Trajectory:
    """The tab; its methods are the handlers of its events, and what its component asks of the server."""

    def __init__(self, page: Page) -> None:
        self.page, self.studio = page, page.studio
        self.stored = runs.stored(page.opening.parent)

        def run_of(key: str) -> str:
            return pack(self.message(key))

        def stored_run(name: str) -> str:
            return pack(runs.message_of_file(self.studio, self.stored, name))

        def gif_of(values: list[Any]) -> str:
            return self.picture(*values)

        def end_run(key: str) -> str:
            self.studio.line.leave(key)
            messages.stopped(self.studio, key)
            return ""

        self.board = board({"kind": "player"}, [(name, title) for name, (_, title) in self.stored.items()],
                           [run_of, stored_run, gif_of, end_run])
        page.key.change(self.newest, [page.key], [self.board], queue=False, **PRIVATE)
        self.board.compare(self.compare, None, [self.board], **MODEL_QUEUE, **PRIVATE)

    def message(self, key: str) -> messages.Message:
        """The run of an id, or the opening run for the empty one; a sentence where it is not kept."""
        if not key:
            return self.page.first
        found, sentence = messages.attempt(lambda: messages.whole(self.studio, self.studio.traces.get(key), key))
        return found or {"kind": "error", "sentence": sentence}

    def newest(self, key: str) -> str:
        """Points the board to a run that has ended; one that is running comes from the page's player, which gets it whole."""
        trace, _ = messages.attempt(lambda: self.studio.traces.get(key))
        ended = trace is not None and trace.running is None and bool(trace.frames)
        return pack({"kind": "key", "key": key} if ended else {"kind": "player"})

    def compare(self, event: gr.EventData) -> Iterator[str]:
        """Runs the order shown without its controls: the same seeds, so the same noise."""
        for item in messages.queued(self.studio, lambda: runs.uncontrolled(event.order)):
            yield pack({"kind": "second", "message": item.message() if isinstance(item, Waiting) else item[1]})

    def picture(self, key: str, sample: int, text: str) -> str:
        """A run as a GIF in a data URL, or a sentence why there is none.

        Args:
            key: its id; empty for the trace that `text` holds as JSON.
        """
        def work() -> bytes:
            return gif.draw(self.studio.traces.get(key) if key else runs.read(self.studio, text), sample)

        made, sentence = messages.attempt(work)
        return sentence if made is None else f"data:image/gif;base64,{base64.b64encode(made).decode('ascii')}"


def build(page: Page) -> Trajectory:
    """Builds the tab into the current Blocks."""
    return Trajectory(page)


if __name__ == "__main__":
    with gr.Blocks() as demo:
        build(Page(Studio()))
    demo.queue().launch(ssr_mode=False, **theme.launch_options())
