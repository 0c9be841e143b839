"""The player as a Gradio component: its value is a message to the code in assets/player, which draws it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ui.components import theme
from ui.plots import tokens

_START = """
const box = element.querySelector('.tdl');
const player = new TracePlayer(box, {scale: props.colours, inks: props.inks, savePage: id => server.save_page(id),
  pin: pattern => trigger('pin', {pattern})});
const refresh = () => { if (props.value) player.show(JSON.parse(props.value)); };
watch('value', refresh);
refresh();
let pressed = -Infinity, stopped = false;
player.root.addEventListener('run-shown', () => { pressed = -Infinity; });
document.addEventListener('click', event => {            // Generate counts once a run, and at once after Stop
  if (!player.root.isConnected) return;
  const waits = document.querySelector('#place .tdl-place');           // one whose place is shown leaves the line by itself
  if (event.target.closest('#stop')) {
    stopped = true;
    if (!waits && !(player.run instanceof Running && player.run.id)) trigger('withdraw');
  }
  if (!event.target.closest('#generate')) return;
  const again = performance.now() - pressed < 600 || player.run instanceof Running || waits;
  if (again && !stopped) event.stopPropagation();
  else [pressed, stopped] = [performance.now(), false];
}, true);
"""


def player(first: Mapping[str, Any], make_page: Callable[[str], str]) -> gr.HTML:
    """A component that plays runs in the browser. Its value is one message as JSON text, see `ui.service.messages`.

    Its event `pin` carries the infill pattern of the words that were pinned by a click; `withdraw` says that Stop was pressed
    while no run had begun, and none waited in line.

    Args:
        first: the message that it opens with.
        make_page: makes the HTML file of a run from its id; called when the visitor asks for it.
    """
    def save_page(key: str) -> str:
        return make_page(key)

    return gr.HTML(value=pack(first), html_template='<div class="tdl"></div>', js_on_load=theme.script() + _START,
                   apply_default_css=False, elem_id="player", server_functions=[save_page], inks=tokens.INKS,
                   colours=tokens.SCALE)


def pack(message: Mapping[str, Any]) -> str:
    """A message as the player takes it: one string, which Gradio hands on without walking through it."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
