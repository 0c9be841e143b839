"""A visitor's place in the queue as a line of the page: there while a run waits, gone as soon as it begins."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from ui.service.run_queue import MOST, Waiting

# Events that sample share one of Gradio's queues, in which nobody is told anything. So all of them leave it at once for the
# studio's own line, which tells every one its place, or that it is full; each that stands there holds one of the server's threads.
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": MOST + 20}
THREADS = MODEL_QUEUE["concurrency_limit"] + 40          # 40 are Gradio's own number, for all else that a page asks


def place(name: str) -> gr.HTML:
    """An empty line with this id."""
    return gr.HTML("", elem_id=name, elem_classes="tdl-place-box", apply_default_css=False, padding=False)


def told(waiting: Waiting) -> str:
    """The line for a place, or that there is none; empty once there is nothing to wait for."""
    if not waiting.sentence:
        return ""
    if waiting.refused:
        return f'<p class="tdl-alert" role="alert">{html.escape(waiting.sentence)}</p>'
    return f'<p class="tdl-place" role="status">{html.escape(waiting.sentence)} It begins by itself; Stop leaves the queue.</p>'
