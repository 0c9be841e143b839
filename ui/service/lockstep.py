"""Several runs side by side: one generator advances them in turn, so that they do not fight over the processor. No gradio here.

Messages are JSON objects with a `kind`: `lanes` (who takes part, and who cannot and why), `live` (where every lane stands), `done`
(all whole runs with a table of what was measured), `stored` (the same of runs from files). Once all models are loaded they carry
the `query` of the link that compares the same runs again. Each stands for itself, so that a browser may skip any of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ui.plots import tokens
from ui.service import facts, links, messages
from ui.service.links import Link
from ui.service.messages import PAUSE, Message
from ui.service.run_spec import Order

if TYPE_CHECKING:
    from diffusion import Trace
    from diffusion.core.trace import Frame
    from ui.service.studio import Studio


@dataclass
class Lane:
    """One of the runs that are compared.

    Attributes:
        name: tells it from the others; `title` is for people.
        why: why it does not run, as a sentence; empty where it does.
        loading: seconds that it took to load its model; 0 where the model was there.
    """

    name: str
    title: str
    order: Order
    why: str = ""
    trace: Trace | None = None
    key: str = ""
    loading: float = 0.0
    thin: dict[str, Any] = field(default_factory=dict)

    def begin(self, studio: Studio) -> None:
        """Loads the model and starts the run, or takes down why it cannot be."""
        began, cold = time.perf_counter(), not studio.is_loaded(self.order.paper, self.order.compute)
        self.trace, self.why = messages.attempt(lambda: studio.start(self.order))
        self.loading = time.perf_counter() - began if cold and self.trace else 0.0
        if self.trace is not None:
            self.key = studio.traces.put(self.trace)


def in_turn(runs: Mapping[str, Iterator[Frame]]) -> Iterator[tuple[str, Frame]]:
    """One frame of each run after the other, round by round, until all have ended."""
    left = {name: iter(frames) for name, frames in runs.items()}
    while left:
        for name in list(left):
            frame = next(left[name], None)
            if frame is None:
                del left[name]
            else:
                yield name, frame


def run(studio: Studio, lanes: Sequence[Lane]) -> Iterator[Message]:
    """Runs all lanes in turn; closing the iterator ends them all."""
    try:
        for lane in lanes:
            yield _standing(lanes, f"Starting {lane.title} …")
            lane.begin(studio)
        going = {lane.name: lane for lane in lanes if lane.trace is not None}
        query = links.write(Link(tab="compare", compared=tuple(_named(studio, lane) for lane in lanes)))
        yield {**_standing(lanes, ""), "query": query}
        sent = time.monotonic() - PAUSE
        for name, frame in in_turn({name: lane.trace for name, lane in going.items()}):
            lane = going[name]
            lane.thin = tokens.live(frame, lane.trace.info["words"], lane.trace.info["steps"])
            if time.monotonic() - sent >= PAUSE and all(other.thin for other in going.values()):
                sent = time.monotonic()
                yield {"kind": "live", "lanes": {other.name: other.thin for other in going.values()}}
        yield {"kind": "done", "lanes": {lane.name: messages.whole(studio, lane.trace, lane.key) for lane in going.values()},
               "told": _told(lanes), "table": [row(studio, lane) for lane in lanes], "query": query}
    finally:
        for lane in lanes:
            if lane.trace is not None:
                studio.stop(lane.trace)


def stored(studio: Studio, titles: Mapping[str, str], folder: Path) -> Message | None:
    """The papers' stored runs of one order, as `done` gives runs, for a page that has compared nothing yet; no model is loaded.

    Returns:
        None where fewer than two of the papers have one.
    """
    lanes = []
    for slug, title in titles.items():
        path = folder / f"free-{slug}.json"
        trace = messages.attempt(lambda path=path: studio.open(path))[0] if path.is_file() else None
        if trace is not None:
            lanes.append(Lane(slug, title, Order.from_dict(trace.info["order"]), trace=trace))
    if len(lanes) < 2:
        return None
    query = links.write(Link(tab="compare", compared=tuple(lane.order for lane in lanes)))
    return {"kind": "stored", "lanes": {lane.name: messages.whole(studio, lane.trace, stored=True) for lane in lanes},
            "told": _told(lanes), "table": [row(studio, lane, judged=False) for lane in lanes], "query": query}


def _named(studio: Studio, lane: Lane) -> Order:
    return studio.named(lane.order) if lane.trace is not None else lane.order


def _told(lanes: Sequence[Lane]) -> list[dict[str, str]]:
    return [{"name": lane.name, "title": lane.title, "why": lane.why} for lane in lanes]


def _standing(lanes: Sequence[Lane], note: str) -> Message:
    return {"kind": "lanes", "told": _told(lanes), "note": note}


def row(studio: Studio, lane: Lane, judged: bool = True) -> dict[str, Any]:
    """What this run took and reached, beside what was measured of the paper; `why` alone for a lane that did not run.

    Args:
        judged: with the judge's perplexity, for which the judge is loaded.
    """
    if lane.trace is None or not lane.trace.frames:
        return {"paper": lane.title, "why": lane.why or "stopped before its first step"}
    last, results = lane.trace.frames[-1], studio.results(lane.trace)
    scores = [verdict["score"] for result in results for verdict in result.controls]
    digest = studio.digest(lane.order.paper)
    return {"paper": lane.title, "sampler": lane.trace.info["sampler"], "steps": lane.trace.info["steps"], "NFE": last.nfe,
            "seconds": round(last.seconds, 2), "loading s": round(lane.loading, 1) if lane.loading else None,
            "perplexity": studio.perplexity(lane.trace) if judged else None,
            "controls kept %": round(100 * sum(scores) / len(scores)) if scores else None,
            "words": round(sum(len(result.tokens) for result in results) / len(results), 1),
            "bits a token": facts.figure(lane.order.paper, digest, "likelihood", "bits per token", slots="unknown"),
            "megabytes": round(next((paper.megabytes for paper in studio.papers() if paper.slug == lane.order.paper), 0.0), 1)}
