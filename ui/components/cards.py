"""The control panel as a Gradio component: its value is the order's controls as JSON text, drawn as cards by assets/cards."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from ui.components import theme

_START = """
const box = element.querySelector('.tdl-panel-cards');
const cards = new ControlCards(box, {kinds: props.kinds,
  emit: text => { props.value = text; trigger('input'); },
  fromSentence: (slug, sentence) => server.from_sentence(JSON.stringify([slug, sentence, cards.paper ?? '']))});
const refresh = () => cards.set(props.value ?? '[]');
watch('value', refresh);
watch('kinds', () => { cards.paper = props.paper; cards.setKinds(props.kinds); });
cards.paper = props.paper;
refresh();
"""


def cards(kinds: Sequence[dict[str, Any]], paper: str, read_sentence: Callable[[str, str, str], str],
          elem_id: str = "controls") -> gr.HTML:
    """The panel of controls. Its value is a JSON list of controls, `["length=12"]`.

    Args:
        kinds: what can be added, see `ui.service.wishes.kinds`.
        paper: slug of the paper that `kinds` are of.
        read_sentence: gives the target that a sentence has, from a control's slug, the sentence and the paper; as JSON text with
            `target`, or `sentence` about what is wrong.
    """
    def from_sentence(asked: str) -> str:                # Gradio hands one argument on
        return read_sentence(*json.loads(asked))

    code = theme.parts("player/tools.js", "player/trees.js", "cards/cards.js") + _START
    return gr.HTML(value="[]", html_template='<div class="tdl-panel-cards"></div>', apply_default_css=False, elem_id=elem_id,
                   js_on_load=code, server_functions=[from_sentence], kinds=list(kinds), paper=paper)


def controls_of(value: object) -> tuple[str, ...]:
    """The controls of the panel's value; what is not of its form counts as none."""
    try:
        found = json.loads(value) if isinstance(value, str) else []
    except ValueError:
        return ()
    return tuple(text for text in found if isinstance(text, str) and text.strip()) if isinstance(found, list) else ()


def value_of(controls: Sequence[str]) -> str:
    """The panel's value that shows these controls."""
    return json.dumps(list(controls), ensure_ascii=False)
