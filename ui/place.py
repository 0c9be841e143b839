"""A visitor's place in the queue as a line of the page: there while a run waits, gone as soon as it begins."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from ui.line import Waiting

# Events that sample share one of Gradio's queues. More than one may be under way, since all but the first of them wait in the
# studio's own line, which tells them their place; each holds a thread, of which Gradio has 40.
MODEL_QUEUE: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 20}


def place(name: str) -> gr.HTML:
    """An empty line with this id."""
    return gr.HTML("", elem_id=name, elem_classes="tdl-place-box", apply_default_css=False, padding=False)


def told(waiting: Waiting) -> str:
    """The line for a place; empty once there is nothing to wait for."""
    if not waiting.sentence:
        return ""
    return f'<p class="tdl-place" role="status">{html.escape(waiting.sentence)} It begins by itself; Stop leaves the queue.</p>'
