"""Links of the lab: what the address of a page asks for, and the address that asks for it.

A link lives in the address alone, so it outlasts the server. Its keys are the fields of an order (`control` once for each
control), `tab`, which tab is shown, and `trace`, a stored run to play instead of an order; where the tab compares runs, the keys
that differ stand once for each value, see `ui.service.comparisons`.
In the page links begin with `window.location`: on a Space the lab
runs in a frame whose own address is USER-NAME.hf.space, and that address is the one that opens the lab without the frame. What
the server writes takes the same address from `SPACE_HOST`, or from the request.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from urllib.parse import quote, urlencode

from ui.service import comparisons
from ui.service.run_spec import Order, brief, mistake, pairs

TAB, TRACE = "tab", "trace"
REFERENCE = "fp32"              # the speed path that gives the same text on every machine, up to its arithmetic
KEYS = (*(field.name for field in dataclasses.fields(Order) if field.name != "controls"), "control", TAB, TRACE)


@dataclass(frozen=True)
class Link:
    """What an address asks for.

    Attributes:
        order: a run to start; None where the address names none.
        tab: slug of the tab to show; empty for the first.
        trace: name of a stored run to play; empty for none.
        compared: the runs that the tab compares, in place of one order; empty where it is to wait.
    """

    order: Order | None = None
    tab: str = ""
    trace: str = ""
    compared: tuple[Order, ...] = ()

    @property
    def orders(self) -> tuple[Order, ...]:
        """All runs that the link starts."""
        return self.compared or ((self.order,) if self.order else ())


def read(query: str | Mapping[str, object], tabs: Sequence[str], traces: Sequence[str]) -> Link:
    """What a query asks for; keys that begin with two underscores belong to Gradio and are passed over.

    Args:
        tabs, traces: slugs of the tabs, and names of the stored runs.

    Raises:
        StudioError: a key is unknown or stands twice, or a value is not possible; it is named.
    """
    from diffusion.core.errors import known_or_raise, nearest

    given = [(key, text) for key, text in pairs(query) if not key.startswith("__")]
    found = {}
    for name, known in ((TAB, tabs), (TRACE, traces)):
        values = [text for key, text in given if key == name]
        if len(values) > 1:
            raise mistake(f"The link names {brief(name)} twice; give it once.")
        found[name] = known_or_raise("stored run" if name == TRACE else name, values[0], known) if values else ""
    tab, trace = found[TAB], found[TRACE]
    keys = (*comparisons.KEYS[tab], TAB, TRACE) if tab in comparisons.KEYS else KEYS
    for key, _ in given:
        if key not in (*keys, "controls"):                   # an order says itself what is wrong with `controls`
            raise mistake(f"A link{f' with tab={tab}' if keys is not KEYS else ''} has no {brief(key)}. "
                          f"The nearest it has: {nearest(key, keys)}.")
    rest = [(key, text) for key, text in given if key not in (TAB, TRACE)]
    if rest and trace:
        raise mistake("The link names a stored run and orders a new one. Leave out 'trace', or everything else.")
    if rest and tab in comparisons.KEYS:
        return Link(tab=tab, compared=comparisons.from_query(rest, tab))
    return Link(Order.from_query(urlencode(rest)) if rest else None, tab, trace)


def comparison(query: str, tab: str, traces: Sequence[str]) -> Link:
    """What a query asks a comparing tab for; an empty link where it is another tab's, or asks for no comparison.

    Raises:
        StudioError: as `read`.
    """
    found = read(query, [tab], traces) if tab_of(query, [tab]) == tab else Link()
    return found if found.compared else Link()


def tab_of(query: str, tabs: Sequence[str]) -> str:
    """The tab that a query names, whatever else it asks for; empty where it names none that is known.

    Raises:
        StudioError: the query cannot be read.
    """
    return next((text for key, text in pairs(query) if key == TAB and text in tabs), "")


def write(link: Link, base: str = "") -> str:
    """The address that asks for a link's content; without a base it is the query alone, with its question mark."""
    runs = comparisons.to_query(link.compared, link.tab) if link.compared else link.order.to_query() if link.order else ""
    parts = [runs, *(f"{name}={quote(value)}" for name, value in ((TAB, link.tab), (TRACE, link.trace)) if value)]
    query = "&".join(part for part in parts if part)
    return f"{base}?{query}" if query else base


def about_path(link: Link, own: Mapping[str, str]) -> str:
    """A notice as HTML for a link made on another speed path than the one that this lab takes; empty where they are the same.

    Args:
        own: the path that the lab takes for each paper where an order names none.
    """
    other = {order.paper: order.compute for order in link.orders if order.compute not in ("", "auto", own.get(order.paper))}
    if not other:
        return ""
    if len(kinds := {(path, own[paper]) for paper, path in other.items()}) == 1:
        (theirs, here), = kinds
        told = f"This link was made on the speed path {escape(theirs)}; the one in use here is {escape(here)}."
    else:
        each = "; ".join(f"{escape(paper)}: {escape(path)}, here {escape(own[paper])}" for paper, path in other.items())
        told = f"This link was made on other speed paths than those in use here ({each})."
    offer = "" if set(other.values()) == {REFERENCE} else (
        f' <a href="{escape(write(_on_reference(link)))}">Run it on {REFERENCE}, the reference</a>')
    return (f"{told} The run takes the link's path, so that its text is the same; on another kind of processor a word may still "
            f"differ.{offer}")


def _on_reference(link: Link) -> Link:
    moved = partial(dataclasses.replace, compute=REFERENCE)
    return dataclasses.replace(link, order=link.order and moved(link.order), compared=tuple(map(moved, link.compared)))


def base_of(headers: Mapping[str, str] | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """The lab's own address with its final slash, as a browser outside any frame would open it; empty where it is not known.

    Args:
        headers: of the request that asks, by lower-case names; those that a proxy adds go before its own.
    """
    if host := environment.get("SPACE_HOST", "").split(",")[0].strip():
        return f"https://{host}/"
    headers = headers or {}
    host = (headers.get("x-forwarded-host") or headers.get("host") or "").split(",")[0].strip()
    scheme = (headers.get("x-forwarded-proto") or "http").split(",")[0].strip()
    return f"{scheme}://{host}/" if host else ""
