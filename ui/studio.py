"""The studio: loads models on demand, runs orders, judges finished text. App and command line both stand on it.

What leaves it are traces and plain values. torch is imported when it is first needed, so that a help text does not wait
for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from ui import VERSION
from ui.order import Order, mistake
from ui.results import Result, judge, stored_results
from ui.store import Loaded, ModelStore, Running, TraceStore, device_of

if TYPE_CHECKING:
    from controllers.base import Controlled
    from controllers.strategies.absorb import Absorb
    from diffusion import DiffusionModel, Request, Trace


@dataclass(frozen=True)
class SamplerInfo:
    """A sampler as a menu shows it."""

    slug: str
    title: str
    caption: str


@dataclass(frozen=True)
class PaperInfo:
    """A paper as a menu shows it.

    Attributes:
        hard: masks of allowed words are honoured exactly.
        source: it reads a source text.
        available: its checkpoint is here, or it needs none.
        temperature: what it samples with unless told otherwise.
    """

    slug: str
    title: str
    caption: str
    samplers: tuple[SamplerInfo, ...]
    hard: bool
    source: bool
    available: bool
    temperature: float = 1.0


class Studio:
    """Runs orders on models that it loads when they are first asked for. May be used by several threads.

    Args:
        max_loaded: models kept in memory; the one not used for longest goes first.
        device: "auto", "cpu", "cuda" or "mps".
        compute: speed path of the orders that name none; "auto" is the fastest on this machine.
        checkpoints: folder that holds a checkpoint folder for each slug; None for those that are bundled.
    """

    def __init__(self, max_loaded: int = 8, device: str = "auto", compute: str = "auto",
                 checkpoints: str | Path | None = None) -> None:
        self.device, self.compute, self.traces = device, compute, TraceStore()
        self._checkpoints = None if checkpoints is None else Path(checkpoints)
        self._models = ModelStore(self._load, max_loaded)

    # ---- what there is

    def papers(self) -> list[PaperInfo]:
        """All papers, those without a checkpoint included."""
        from diffusion import PAPERS, SAMPLERS

        samplers = {slug: SamplerInfo(slug, kind.title, caption(kind)) for slug, kind in SAMPLERS.items()}
        return [PaperInfo(slug, kind.title, caption(kind), tuple(samplers[name] for name in kind.samplers), kind.hard,
                          kind.source, kind.weightless or self._folder(slug).is_dir(), kind.temperature)
                for slug, kind in PAPERS.items()]

    def labels(self, slug: str) -> dict[str, tuple[str, ...]]:
        """The slots of a paper's labels with their values, read without loading its weights.

        Raises:
            StudioError: there is no such paper, or its checkpoint is missing or damaged.
        """
        from diffusion.core.checkpoint import LABELS
        from diffusion.core.labels import LabelSet

        if self._paper(slug).weightless or self.is_loaded(slug):
            return dict(self.model(slug).labels.slots)
        return dict(LabelSet.load(self._existing(slug) / LABELS).slots)

    def is_loaded(self, slug: str, compute: str = "") -> bool:
        """Whether a run of this paper would start without loading first."""
        return (slug, compute or self.compute) in self._models

    def model(self, slug: str, compute: str = "") -> DiffusionModel:
        """The model of a paper, loaded if need be.

        Raises:
            StudioError: there is no such paper, its checkpoint is missing or damaged, or it lacks the speed path.
        """
        return self._loaded(slug, compute).model

    # ---- runs

    def start(self, order: Order) -> Trace:
        """A run that is ready to go: iterate over it for frames. All that can be refused is refused here.

        `info` of the trace holds the order and all that its text depends on: paper, sampler, seeds, words, speed path,
        torch's version, the checkpoint's hash. `pins` are, for each sample, the positions whose word was given; `notes`
        are sentences that a person should know, such as that this paper takes masks as a preference.

        Raises:
            StudioError: the order is not possible, or its controls contradict each other.
        """
        import torch

        import diffusion
        from controllers.base import note
        from diffusion.core.loop import check

        order.check()
        loaded = self._loaded(order.paper, order.compute)
        model, controls = loaded.model, parse(order.controls, loaded.model)
        strategy, request = strategy_of(order, controls, model), request_of(order, model)
        asked = strategy.request(request)
        check(model, asked)
        strategy.begin(model, asked)
        info = {"order": order.to_dict(), "title": model.title, "path": loaded.path, "torch": torch.__version__,
                "checkpoint": model.hash, "version": VERSION, "pins": pins(controls, asked),
                "notes": [text for control in controls if (text := note(model, control.controller))]}
        trace = diffusion.generate(model, request, strategy if controls else None, info)
        trace.running = Running(trace.running, loaded.turn)
        return trace

    def stop(self, trace: Trace) -> None:
        """Ends a run, from any thread: at once, or after the step that is being computed."""
        trace.stop()

    def open(self, path: str | Path) -> Trace:
        """A trace from a file that somebody handed us.

        Raises:
            StudioError: it is not a trace of this lab, or its words and samples do not fit together.
        """
        from diffusion import Trace
        from diffusion.core.vocab import Vocabulary

        trace, name = Trace.load(Path(path)), Path(path).name
        words, seeds = trace.info.get("words"), trace.info.get("seeds")
        texts = isinstance(words, list) and all(isinstance(word, str) for word in words)
        counted = isinstance(seeds, list) and [type(seed) for seed in seeds] == [int] * len(trace.ids)
        if not texts or not counted or not isinstance(trace.info.get("order", {}), dict):
            raise mistake(f"'{name}' does not name its words and a seed for each sample. Use a file exported here.")
        size = len(Vocabulary(words))
        if any(((array < 0) | (array >= size)).any() for frame in trace.frames for array in (frame.ids, frame.top_ids)):
            raise mistake(f"'{name}' uses words beyond the {size} that it names. Use a file exported here.")
        return trace

    def results(self, trace: Trace) -> list[Result]:
        """Every sample of a trace with its words and, once it is finished, what became of its controls.

        They are kept in the trace's `info`, so that a stored trace shows them without its model.

        Raises:
            StudioError: the results in a trace file are not of their form, or its model is not here.
        """
        if not trace.frames:
            return []
        if "results" in trace.info:
            return stored_results(trace.info["results"])
        order, finished = Order.from_dict(trace.info.get("order", {})), trace.frames[-1].s == 0
        controls = parse(order.controls, self.model(order.paper, order.compute)) if finished and order.controls else []
        results = judge(trace, controls)
        if finished:
            trace.info["results"] = [asdict(result) for result in results]
        return results

    def link(self, order: Order, base: str) -> str:
        """An address that orders the same run again: `base` with the order as its query.

        Sampler and speed path are named, also where the order left them open.

        Raises:
            StudioError: there is no such paper.
        """
        kind = self._paper(order.paper)
        loaded = self._models.peek((order.paper, order.compute or self.compute))
        named = {**order.to_dict(), "sampler": order.sampler or kind.samplers[0],
                 "compute": loaded.model.path.name if loaded else order.compute}
        return urlunsplit(urlsplit(base)._replace(query=Order.from_dict(named).to_query(), fragment=""))

    # ---- models

    def _loaded(self, slug: str, compute: str) -> Loaded:
        self._paper(slug)
        return self._models.get((slug, compute or self.compute))

    def _load(self, slug: str, compute: str) -> Loaded:
        import diffusion
        from diffusion.core.compute import choose

        model = diffusion.load(slug if self._paper(slug).weightless else str(self._existing(slug)))
        model.to(device_of(self.device))
        return Loaded(model, f"{choose(model, compute)} {model.device.type}")

    def _paper(self, slug: str) -> type[DiffusionModel]:
        from diffusion import PAPERS
        from diffusion.core.errors import known_or_raise

        return PAPERS[known_or_raise("paper", slug, PAPERS)]

    def _folder(self, slug: str) -> Path:
        from diffusion.core import checkpoint

        return (self._checkpoints or checkpoint.BUNDLED) / slug

    def _existing(self, slug: str) -> Path:
        folder = self._folder(slug)
        if not folder.is_dir():
            raise mistake(f"{self._paper(slug).title} has no checkpoint in '{folder.parent}'. Choose another paper, "
                          f"or train it: python -m training train.")
        return folder


def caption(kind: type) -> str:
    """The class's docstring on one line, as visitors read it."""
    return " ".join((inspect.getdoc(kind) or "").split())


def parse(texts: Sequence[str], model: DiffusionModel) -> list[Controlled]:
    """The controllers of an order for a model.

    Raises:
        StudioError: a control, slot, value or word is unknown, or not written in its form.
    """
    from controllers import Context, parse_controls

    return parse_controls(texts, Context.of(model))


def strategy_of(order: Order, controls: Sequence[Controlled], model: DiffusionModel) -> Absorb:
    """The order's way of steering.

    Raises:
        StudioError: there is no such strategy, or it cannot bring a control about in this model.
    """
    from controllers.base import why_not
    from controllers.strategies.absorb import Absorb
    from diffusion.core.errors import known_or_raise

    strategies = {kind.slug: kind for kind in (Absorb,)}
    strategy = strategies[known_or_raise("strategy", order.strategy, strategies)](controls)
    for control in controls:
        if reason := why_not(model, control.controller, strategy):
            raise mistake(reason)
    return strategy


def request_of(order: Order, model: DiffusionModel) -> Request:
    """The order as the sampling loop takes it, its sampler named.

    Raises:
        StudioError: there is no such sampler.
    """
    from diffusion import SAMPLERS, Request
    from diffusion.core.errors import known_or_raise

    sampler = known_or_raise("sampler", order.sampler or model.samplers[0], SAMPLERS)
    return Request(length=model.length, seeds=order.seeds, steps=order.steps, sampler=sampler,
                   guidance_scale=order.guidance_scale, strategy=order.strategy, temperature=order.temperature,
                   clamp=order.clamp, eta=order.eta)


def pins(controls: Sequence[Controlled], request: Request) -> list[list[int]]:
    """For each sample the positions whose word a controller fixed."""
    positions: list[set[int]] = [set() for _ in request.seeds]
    for control in controls:
        if hasattr(control.controller, "pinned"):
            for row, pinned in zip(positions, control.controller.pinned(request), strict=True):
                row.update(pinned.nonzero().flatten().tolist())
    return [sorted(row) for row in positions]
