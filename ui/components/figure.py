"""Plotly figures that answer: an own component, because gr.Plot drops frames and tells nobody what was clicked.

The figure is drawn by the plotly.js of the plotly package, from the app's own server, fetched when a figure can first be seen.
Colours may name CSS variables, "var(--tdl-c1v)", and then follow the theme; text, grid and background do so by themselves.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context

from ui.components import theme

PLOTS = theme.STATIC / "plots"
FETCH_AHEAD = 1500               # milliseconds after the page is there until it fetches what it does not need yet
_MOST_IDS = 100_000              # of a selection that is believed
_START = """
const box = element.querySelector('.tdl-figure');
const view = new FigureView(box, {source: props.source, height: props.pixels});
box.addEventListener('figure-click', event => trigger('click', event.detail));
box.addEventListener('figure-select', event => trigger('select', {ids: event.detail?.ids ?? null}));
const refresh = () => view.show(props.value ? JSON.parse(props.value) : null);
watch('value', refresh);
"""


def plot(elem_id: str, height: int = 420, value: str = "", script: str = "") -> gr.HTML:
    """A component that shows a figure; its value is the text that `pack` makes, empty for no figure.

    Its `click` hands a point to Python, its `select` what the lasso caught: give the handler a parameter of the type
    `gr.EventData` and read it by `clicked` or `selected`. Hovering and frames are told in the browser only.

    Args:
        height: of the drawing, pixels.
        script: JavaScript of the tab, run once. It may use `box`, which sends the events of
            ui/static/plots/figure.js, `view`, whose
            `frame(index)` shows a frame, and what Gradio hands to `js_on_load`.
    """
    source = plotly_script()
    gr.set_static_paths([source])
    return gr.HTML(value=value, html_template='<div class="tdl-figure" hidden></div>', apply_default_css=False, elem_id=elem_id,
                   js_on_load=theme.script(PLOTS) + _START + script + "\nrefresh();", source=source.as_posix(), pixels=height)


def preload() -> None:
    """Has the page fetch plotly.js soon after it is there, so that the first figure need not wait for the network.

    Not where the visitor's browser asks to save data.
    """
    source = plotly_script()
    gr.set_static_paths([source])
    code = (f"() => {{ {theme.script(PLOTS / 'load.js')}\n"
            f"setTimeout(() => fetchAhead({json.dumps(source.as_posix())}), {FETCH_AHEAD}); }}")
    Context.root_block.load(None, js=code, api_visibility="private")


def plotly_script() -> Path:
    """The file of plotly.js that the plotly package brings; the package itself, slow to import, is not imported."""
    found = importlib.util.find_spec("plotly")
    assert found is not None and found.origin is not None, "plotly is a requirement of the app"
    return Path(found.origin).parent / "package_data" / "plotly.min.js"


def pack(figure: Any, caption: str = "", *, name: str = "figure", label: str = "", lasso: bool = False, zoom: bool = False,
         start: int | None = None, points: str = "") -> str:
    """A figure as the component takes it: one string, with its frames.

    Args:
        figure: a plotly figure, or a mapping with `data`, `layout` and `frames` as plotly.js takes them.
        caption: one or two sentences under it that say what is seen.
        name: of the file that it is saved as, without ending.
        label: what screen readers are told; the caption where it is empty.
        lasso: points can be chosen with a lasso.
        zoom: the wheel zooms.
        start: frame that it opens on; None for the last.
        points: what the ids of the points mean; a lasso stays from figure to figure while they mean the same.
    """
    values = dict(figure) if isinstance(figure, Mapping) else json.loads(figure.to_json())
    layout = {key: value for key, value in values.get("layout", {}).items() if key != "template"}    # its colours hide the page's
    message = {**values, "layout": layout, "caption": caption, "name": name, "label": label, "lasso": lasso, "zoom": zoom,
               "points": points, **({} if start is None else {"start": start})}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def clicked(event: gr.EventData) -> int | str | None:
    """The `customdata` of the clicked point; None where it has none, or where the browser sent something else."""
    found = event._data.get("id") if isinstance(event._data, Mapping) else None
    return found if type(found) in (int, str) else None


def selected(event: gr.EventData) -> list[int | str] | None:
    """The `customdata` of the points in the lasso; None where the selection was cleared, or the browser sent something else."""
    found = event._data.get("ids") if isinstance(event._data, Mapping) else None
    whole = isinstance(found, Sequence) and not isinstance(found, str) and len(found) <= _MOST_IDS
    return list(found) if whole and all(type(item) in (int, str) for item in found) else None
