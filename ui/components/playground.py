"""The forward-noise playground as a Gradio component: drawn by assets/noise, which asks for frames once for each sentence."""

from __future__ import annotations

import json
from collections.abc import Callable

import gradio as gr

from ui.components import theme
from ui.plots import tokens

_START = """
const box = element.querySelector('.tdl-noise');
new NoisePlayground(box, {scale: props.colours, inks: props.inks, show: (text, seed) => server.show(JSON.stringify([text, seed])),
                          first: () => server.first('')});
"""


def playground(show_noise: Callable[[str, int], str], first_noise: Callable[[], str]) -> gr.HTML:
    """The component. It shows nothing before it can be seen, and then the stored example.

    Args:
        show_noise: the frames of a sentence and a seed as JSON text, see `ui.service.noise.shown`, or `error` with a sentence.
        first_noise: the same for the example that it opens on.
    """
    def show(asked: str) -> str:                         # the page hands a server function one argument only
        text, seed = json.loads(asked)
        return show_noise(text, seed)

    def first(_: str) -> str:
        return first_noise()

    code = theme.parts("player/tools.js") + theme.script(theme.STATIC / "noise") + _START
    return gr.HTML(value="", html_template='<div class="tdl-noise"></div>', js_on_load=code, apply_default_css=False,
                   elem_id="noise", server_functions=[show, first], inks=tokens.INKS, colours=tokens.SCALE)
