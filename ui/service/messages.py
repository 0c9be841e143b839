"""Runs as a stream of messages to the player: where it stands while it runs, the whole trace at its end. No gradio here.

A message is a JSON object with a `kind`: `start` (what will run), `live` (a thin frame), `trace` (a whole run), `empty` and
`error` (a sentence). Each stands for itself, so that a browser may skip any of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ui.plots import tokens
from ui.service import assets
from ui.service.citation import cite
from ui.service.run_spec import Order, mistake

if TYPE_CHECKING:
    from diffusion import Trace
    from ui.service.run_queue import Waiting
    from ui.service.studio import Studio

OPENING = assets.TRACES / "opening.json"
PAUSE = 1 / 15                   # seconds between two messages of a running sample, at least; steps between are skipped
_SHOWN = ("title", "paper", "sampler", "steps", "path", "checkpoint", "pins", "pinned", "source", "candidates", "hard", "notes")
Message = dict[str, Any]
Found = TypeVar("Found")


def attempt(work: Callable[[], Found]) -> tuple[Found | None, str]:
    """What work returns, or the sentence about the user's mistake that it found."""
    from diffusion.core.errors import StudioError

    try:
        return work(), ""
    except StudioError as error:
        return None, str(error)


def run(studio: Studio, read: Callable[[], Order]) -> Iterator[tuple[str, Message]]:
    """Runs the order that `read` returns: the run's id (empty until it has one) and a message whenever there is news.

    Closing the iterator ends the run. A mistake of the user becomes an `error` message.
    """
    from diffusion.core.errors import StudioError

    trace = None
    try:
        order = read()
        studio.refuse(order)
        if not studio.is_loaded(order.paper, order.compute):
            yield "", {"kind": "start", "id": "", "seeds": list(order.seeds), "steps": order.steps, "note": loading(studio, order),
                       "info": {"source": " ".join(order.source.split()), "candidates": order.candidates}}
        trace = studio.start(order)
        key = studio.traces.put(trace)
        yield from ((key, message) for message in _live(trace, key))
        yield key, whole(studio, trace, key)
    except StudioError as error:
        yield "", {"kind": "error", "sentence": str(error)}
    finally:
        if trace is not None:
            studio.stop(trace)


def queued(studio: Studio, read: Callable[[], Order]) -> Iterator[Waiting | tuple[str, Message]]:
    """What `run` gives once it is this run's turn, and before that its place in the queue. What is refused does not wait for it."""
    _, refused = attempt(lambda: studio.refuse(read()))
    return run(studio, read) if refused else studio.line.queued(run(studio, read))


def loading(studio: Studio, order: Order) -> str:
    """What the page says while a model is being loaded."""
    paper = next(paper for paper in studio.papers() if paper.slug == order.paper)
    return f"Loading {paper.title} ({paper.megabytes:.0f} MB) …" if paper.megabytes >= 0.5 else f"Loading {paper.title} …"


def _live(trace: Trace, key: str) -> Iterator[Message]:
    """The first frame at once, then one whenever `PAUSE` has passed; the last is left to the whole trace."""
    about = {"id": key, "seeds": trace.info["seeds"], "info": {name: trace.info[name] for name in _SHOWN}}
    words, steps, sent = trace.info["words"], trace.info["steps"], -PAUSE
    for frame in trace:
        now = time.monotonic()
        if now - sent >= PAUSE and frame.s > 0:
            sent = now
            yield {**tokens.live(frame, words, steps), **about}


def whole(studio: Studio, trace: Trace, key: str = "", stored: bool = False) -> Message:
    """A run with all its frames, its verdicts, and the query of the link that runs it again.

    Raises:
        StudioError: the run has no frames, or its order or results cannot be read.
    """
    from diffusion import Trace

    if not trace.frames:
        raise mistake("This run ended before its first step, so there is nothing to show. Run it again.")
    still = Trace(dict(trace.info), list(trace.frames))             # a step that ends just now must not come in between
    still.info["results"] = [asdict(result) for result in studio.results(trace)]
    order = trace.info.get("order")
    query = studio.link(Order.from_dict(order), "") if order else ""
    return {"kind": "trace", "id": key, "stored": stored, "query": query, "cite": cite(trace.info) if order else {},
            "trace": still.to_dict()}


def stopped(studio: Studio, key: str) -> Message | None:
    """Ends a run and returns what it has so far; None where there is nothing to show."""
    trace, _ = attempt(lambda: studio.traces.get(key))
    if trace is None:
        return None
    studio.stop(trace)
    return attempt(lambda: whole(studio, trace, key))[0]


def opening(studio: Studio, path: Path = OPENING) -> tuple[Trace | None, Message]:
    """The stored run that the page opens on with its message, or a sentence where there is none."""
    if not path.is_file():
        return None, {"kind": "empty", "sentence": "Press Generate: words appear here as the model grows sure of them."}
    trace, sentence = attempt(lambda: studio.open(path))
    message, sentence = attempt(lambda: whole(studio, trace, stored=True)) if trace else (None, sentence)
    return (trace, message) if message else (None, {"kind": "error", "sentence": sentence})


def page(studio: Studio, trace: Trace, style: str, script: str) -> str:
    """A run as one HTML file that needs no server."""
    info = trace.info
    still = tokens.frame_html(trace.frames[-1], info["words"], info["seeds"], info.get("pins", ()))
    return tokens.page({**whole(studio, trace), "query": "", "cite": {}}, still, style, script)
