"""The boards as a Gradio component: its value is a message to the code in assets/board, which draws them in the browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from ui.components import theme
from ui.components.player import pack
from ui.plots import tokens

_START = """
const box = element.querySelector('.tdl');
const board = new Board(box, {scale: props.colours, inks: props.inks, pressures: props.pressures, pressureInks: props.pressure_inks,
  stored: props.stored, server, ask: order => trigger('compare', order)});
const refresh = () => { if (props.value) board.handle(JSON.parse(props.value)); };
watch('value', refresh);
refresh();
"""


def board(first: Mapping[str, Any], stored: Sequence[tuple[str, str]], functions: Sequence[Callable[..., str]]) -> gr.HTML:
    """A component that shows one run as a board, or two in step; its event `compare` carries the order to run without controls.

    Args:
        first: the message that it opens with.
        stored: name and title of each stored run that can stand beside another.
        functions: what the browser may ask of the server: `run_of`, `stored_run`, `gif_of`, `end_run`.
    """
    def page_of(_: str) -> str:
        return page()

    return gr.HTML(value=pack(first), html_template='<div class="tdl tdl-board"></div>',
                   js_on_load=theme.script(*theme.READER, theme.BOARD) + _START, apply_default_css=False, elem_id="board",
                   server_functions=[*functions, page_of], inks=tokens.INKS, colours=tokens.SCALE, pressures=tokens.PRESSURES,
                   pressure_inks=tokens.PRESSURE_INKS, stored=[list(pair) for pair in stored])


def page() -> str:
    """An HTML file that plays boards without a server, still without its runs; the browser puts them in."""
    look = {"scale": tokens.SCALE, "inks": tokens.INKS, "pressures": tokens.PRESSURES, "pressureInks": tokens.PRESSURE_INKS,
            "stored": []}
    return tokens.page_without_content("tdl tdl-board", theme.page_style(), theme.script(*theme.READER, theme.BOARD),
                                       f"showBoard(new Board(box, {json.dumps(look)}), data);")
