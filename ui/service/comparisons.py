"""Runs that a tab compares, as the query of a link: an order's keys, those that differ from run to run once for each value.

The grid of samplers holds every sampler at every number of steps. Papers have a speed path each, so a link to compare them names
`compute` once for all papers, or once for each in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from urllib.parse import urlencode

from ui.service.run_spec import SPEED_PATHS, Order, brief, mistake, pairs

VARIED = {"samplers": ("sampler", "steps"), "compare": ("paper",)}      # by the slug of the tab that compares
_SHARED = ("samples", "seed", "guidance_scale", "source", "control", "compute")
KEYS = {"samplers": ("paper", *VARIED["samplers"], *_SHARED), "compare": (*VARIED["compare"], "steps", *_SHARED)}


def from_query(given: Sequence[tuple[str, str]], tab: str) -> tuple[Order, ...]:
    """The runs that a link to a tab compares, in the order of its keys and values.

    Raises:
        StudioError: a key that differs is missing, a value stands twice or is not possible; it is named.
    """
    texts = {key: [text for name, text in given if name == key] for key in (*VARIED[tab], "compute")}
    for key in VARIED[tab]:
        if not texts[key]:
            raise mistake(f"The link names no {key} to compare. Add {key}=…, once for each, or leave out everything but 'tab'.")
        twice = next((text for text in texts[key] if texts[key].count(text) > 1), None)
        if twice is not None:
            raise mistake(f"The link names the {key} {brief(twice)} twice; give it once.")
    paths = texts.pop("compute")
    shared = {name: [text for key, text in given if key == name] for name, _ in given if name not in (*texts, "compute")}
    runs = list(product(*texts.values()))
    return tuple(Order.from_query({**shared, **dict(zip(texts, run, strict=True)), "compute": path})
                 for run, path in zip(runs, _path_of_each(paths, len(runs), tab), strict=True))


def _path_of_each(paths: Sequence[str], runs: int, tab: str) -> Sequence[str]:
    """The speed path of each run, from those that a link names."""
    strange = next((path for path in paths if path not in SPEED_PATHS), None)
    if strange is not None:
        raise mistake(f"There is no speed path {brief(strange)}. Choose one of {', '.join(SPEED_PATHS)}.")
    if len(paths) > 1 and (tab != "compare" or len(paths) != runs):
        each = f", or one for each of the {runs} papers" if tab == "compare" else ""
        raise mistake(f"The link names {len(paths)} speed paths. Name one 'compute'{each}.")
    return paths if len(paths) == runs else [*paths, ""][:1] * runs


def to_query(orders: Sequence[Order], tab: str) -> str:
    """The inverse of `from_query`, without a question mark; of the orders only what the tab has a widget for."""
    varied = [(key, value) for key in VARIED[tab] for value in dict.fromkeys(getattr(order, key) for order in orders)]
    shared = [(key, text) for key, text in pairs(orders[0].to_query()) if key in KEYS[tab] and key not in (*VARIED[tab], "compute")]
    paths = [order.compute or "auto" for order in orders]
    named = paths[:1] if len(set(paths)) == 1 else paths
    return urlencode([*varied, *shared, *(("compute", path) for path in named if named != ["auto"])])
