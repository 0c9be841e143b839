"""The second tab: every word's life-line. A run as a board of positions and steps, alone or beside its counterfactual."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.context import Context

from ui import messages, theme, tokens
from ui.messages import Message
from ui.order import Order
from ui.page import Page
from ui.player import pack
from ui.studio import Studio
from ui.tab_generate import MODEL_QUEUE, PRIVATE

CODE = ("player/tools.js", "player/trace.js", "player/curves.js", "board/lifelines.js", "board/board.js", "board/trajectory.js")
_START = """
const trajectory = new Trajectory(element.querySelector('.tdl'), {scale: props.colours, inks: props.inks,
  makeGif: (key, sample) => server.make_gif(key, sample)});
const refresh = () => { if (props.value) trajectory.show(JSON.parse(props.value)); };
watch('value', refresh);
refresh();
"""
ABOUT = """<p class="tdl-about">Positions run across, steps run down; each cell is the word that stood there and how sure the model
was of it. <b>Compare</b> runs the same noise once more without the controls: what differs is what the controls did.</p>"""


class TrajectoryTab:
    """The tab: it shows the newest run when it is opened, and runs the counterfactual when it is asked to."""

    def __init__(self, page: Page) -> None:
        self.page, self.studio = page, page.studio
        self.shown = gr.State(None)                      # the id of the run that the board shows
        gr.HTML(ABOUT)
        with gr.Row(elem_classes="tdl-examples"):
            self.compare = gr.Button("Compare with the same noise, uncontrolled", size="sm", min_width=20, scale=0,
                                     elem_id="counterfactual", elem_classes="tdl-example")
        self.board = gr.HTML(value="", html_template='<div class="tdl"></div>', js_on_load=theme.parts(*CODE) + _START,
                             apply_default_css=False, elem_id="board", server_functions=[self._gif_function()],
                             inks=tokens.INKS, colours=tokens.SCALE)
        Context.block.select(self.show, [page.key, self.shown], [self.board, self.shown], **PRIVATE)
        self.compare.click(self.counterfactual, [page.key], [self.board, self.shown], concurrency_limit=1,
                           concurrency_id=MODEL_QUEUE, trigger_mode="once", **PRIVATE)

    def _gif_function(self) -> Any:
        def make_gif(key: str, sample: int) -> str:
            return self.gif(key, sample)
        return make_gif

    def show(self, key: str, shown: str | None) -> list[Any]:
        """The newest run, where the board does not show it yet."""
        return [gr.skip(), gr.skip()] if key == shown else [pack(self._message(key)), key]

    def _message(self, key: str) -> Message:
        left, sentence = messages.attempt(lambda: messages.whole(self.studio, self.page.trace(key), key, stored=not key))
        return {"left": left} if left else {"kind": "error", "sentence": sentence}

    def counterfactual(self, key: str) -> Iterator[tuple[str, Any]]:
        """The run beside the same noise without its controls: the same order and seeds, no controllers."""
        left = self._message(key)
        order, sentence = messages.attempt(lambda: self._uncontrolled(key))
        if order is None:
            yield pack({"kind": "error", "sentence": sentence}), gr.skip()
            return
        for _, message in messages.run(self.studio, lambda: order):
            if message["kind"] == "error":
                yield pack(message), gr.skip()
            elif message["kind"] == "trace":
                yield pack({**left, "right": message}), None
            else:
                note = message.get("note") or f"without the controls: step {message.get('index', -1) + 1} of {message['steps']}"
                yield pack({"status": note}), gr.skip()

    def _uncontrolled(self, key: str) -> Order:
        """The order of a run without its controls.

        Raises:
            StudioError: the run is no longer kept, or it has none.
        """
        order = Order.from_dict(self.page.trace(key).info.get("order", {}))
        if not order.controls:
            raise messages.mistake("This run has no controls that could be left out. Add some in Generate, run it, and compare "
                                   "again.")
        return replace(order, controls=(), strategy=Order.strategy)

    def gif(self, key: str, sample: int) -> str:
        """A sample of a run as a GIF, base64; empty where it is no longer kept."""
        from ui import gif

        trace, _ = messages.attempt(lambda: self.page.trace(key))
        row = sample if isinstance(sample, int) and trace and 0 <= sample < len(trace.ids) else 0
        return base64.b64encode(gif.moving(trace.frames, trace.info["words"], row)).decode("ascii") if trace else ""


def build(page: Page) -> TrajectoryTab:
    """Builds the tab into the current Blocks."""
    return TrajectoryTab(page)


if __name__ == "__main__":
    with gr.Blocks() as demo, gr.Tabs(), gr.Tab("Trajectory"):
        build(Page(Studio()))
    demo.queue().launch(ssr_mode=False, **theme.launch_options())
