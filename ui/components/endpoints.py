"""Named endpoints for programs besides `generate`; docs/API.md describes them all, and a test holds their list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import gradio as gr

from ui.components.player import pack
from ui.service import gallery, links, messages, noise
from ui.service.lessons import LESSONS
from ui.service.links import Link
from ui.service.run_spec import Order
from ui.service.studio import Studio

Found = TypeVar("Found")


class Endpoints:
    """The endpoints on one studio; each method is one, and its docstring is its description."""

    def __init__(self, studio: Studio, folder: Path) -> None:
        self.studio, self.folder = studio, folder

    def papers(self) -> list[dict]:
        """Every paper: what it can do, its samplers, the hash of its checkpoint, and what was measured of it in one line."""
        return [{"slug": paper.slug, "title": paper.title, "caption": paper.caption, "available": paper.available,
                 "source": paper.source, "hard": paper.hard, "samplers": [sampler.slug for sampler in paper.samplers],
                 "checkpoint": self.studio.digest(paper.slug), "measured": self.studio.facts(paper.slug),
                 "arxiv": LESSONS[paper.paper].arxiv if paper.paper in LESSONS else ""} for paper in self.studio.papers()]

    def controls(self, paper: str = Order.paper) -> list[dict]:
        """Every kind of control for a paper: caption, an example of a target, and why it cannot steer this paper, if it cannot."""
        shown = ("slug", "title", "caption", "example", "lacks")
        return [{name: kind[name] for name in shown} for kind in told(lambda: self.studio.kinds(paper))]

    def noise(self, text: str, seed: int = 0) -> dict:
        """A sentence under the noise of every paper at many times: the likeliest word at each place, and how likely it is."""
        return told(lambda: noise.shown(self.studio, text, seed))

    def trace(self, name: str, request: gr.Request) -> str:
        """A whole run as the player takes it, as JSON text: a stored one by its name, or one's own by the id in its messages.

        `link` is the address that plays or orders it again. (As text, because programs take an object with a `path`, such as the
        speed path of a run, for a file to download.)
        """
        stored = name in gallery.names(self.folder)
        trace = told(lambda: self.studio.open(gallery.path_of(name, self.folder)) if stored else self.studio.traces.get(name))
        message = told(lambda: messages.whole(self.studio, trace, "" if stored else name, stored))
        base = links.base_of(dict(request.headers) if request else None)
        link = links.write(Link(trace=name), base) if stored else base + message["query"]
        return pack({**message, "link": link})


def told(work: Callable[[], Found]) -> Found:
    """What work returns; a user's mistake reaches the program as an error with its sentence."""
    found, sentence = messages.attempt(work)
    if sentence:
        raise gr.Error(sentence, print_exception=False)
    return found


def add(studio: Studio, folder: Path) -> None:
    """Adds all endpoints to the current Blocks."""
    endpoints = Endpoints(studio, folder)
    for name in ("papers", "controls", "noise", "trace"):
        gr.api(getattr(endpoints, name), api_name=name, concurrency_limit=2)
