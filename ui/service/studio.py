"""The studio: loads models on demand, runs orders, judges finished text. App and command line both stand on it.

What leaves it are traces and plain values. torch is imported when it is first needed, so that a help text does not wait
for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from ui import VERSION
from ui.service import catalogue, facts, wishes
from ui.service.catalogue import PaperInfo
from ui.service.requests import parse, pins, refuse, request_of, steps_of, strategy_of
from ui.service.results import Result, judge, stored_results
from ui.service.run_queue import Line
from ui.service.run_spec import Order, mistake
from ui.service.store import Loaded, ModelStore, Running, TraceStore, device_of
from ui.service.zerogpu import Decorator, Worker

if TYPE_CHECKING:
    from controllers.base import Context
    from diffusion import DiffusionModel, Trace
    from diffusion.papers.autoregressive import LanguageModel

MAX_LOADED = 8


class Studio:
    """Runs orders on models that it loads when they are first asked for. May be used by several threads.

    Several runs may be started at once and take turns step by step; whoever serves visitors puts them into `line`, one behind
    the other.

    Args:
        max_loaded: models kept in memory; the one not used for longest goes first.
        device: "auto", "cpu", "cuda" or "mps".
        compute: speed path of the orders that name none; "auto" is the fastest on this machine.
        checkpoints: folder that holds a folder for each checkpoint; None for those that are bundled.
        gpu: a decorator like `spaces.GPU`, under which runs are sampled in another process; None to sample in this one.
    """

    def __init__(self, max_loaded: int = MAX_LOADED, device: str = "auto", compute: str = "auto",
                 checkpoints: str | Path | None = None, gpu: Decorator | None = None) -> None:
        self.device, self.compute, self.traces, self.line = device, compute, TraceStore(), Line()
        self._checkpoints = None if checkpoints is None else Path(checkpoints)
        self._models = ModelStore(self._load, max_loaded)
        self._worker = Worker(self._begin, gpu) if gpu is not None else None
        self._contexts: dict[str, Context] = {}
        self._loaded_judge: LanguageModel | None = None

    # ---- what there is

    def papers(self) -> list[PaperInfo]:
        """All papers, those without a checkpoint included."""
        return catalogue.papers(self._folder)

    def facts(self, slug: str) -> str:
        """What was measured of a paper's checkpoint, in one line; empty where nothing was.

        Raises:
            StudioError: there is no such paper.
        """
        kind = self._paper(slug)
        return facts.line(slug, self.digest(slug), kind.samplers[0])

    def digest(self, slug: str) -> str:
        """The hash of a checkpoint's weights as results name it, of a paper or of the judge; empty where there is none."""
        from diffusion.core.checkpoint import WEIGHTS

        return facts.digest(self._folder(slug) / WEIGHTS)

    def card(self, slug: str) -> dict[str, Any]:
        """How a checkpoint came to be, of a paper or of the judge; empty where there is none."""
        from diffusion.core.checkpoint import CARD

        path = self._folder(slug) / CARD
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def labels(self, slug: str) -> dict[str, tuple[str, ...]]:
        """The slots of a paper's labels with their values, read without loading its weights.

        Raises:
            StudioError: there is no such paper, or its checkpoint is missing or damaged.
        """
        from diffusion.core.checkpoint import LABELS
        from diffusion.text.labels import LabelSet

        if self._paper(slug).weightless or self.is_loaded(slug):
            return dict(self.model(slug).labels.slots)
        return dict(LabelSet.load(self._existing(slug) / LABELS).slots)

    def context(self, slug: str) -> Context:
        """What controllers know of a paper's model: words, labels, positions; read without loading its weights.

        Raises:
            StudioError: there is no such paper, or its checkpoint is missing or damaged.
        """
        from controllers.base import Context

        if self._paper(slug).weightless or self.is_loaded(slug):
            return Context.of(self.model(slug))
        if slug not in self._contexts:
            self._contexts[slug] = Context(*catalogue.words_labels_length(self._existing(slug)))
        return self._contexts[slug]

    def kinds(self, slug: str) -> list[dict[str, Any]]:
        """The kinds of controls for a paper, as the panel shows them; none where its checkpoint is missing."""
        return wishes.kinds(self.context(slug)) if self._paper(slug).weightless or self._folder(slug).is_dir() else []

    def objection(self, order: Order) -> str:
        """What speaks against an order's controls, as a sentence, before it is run and without loading a model.

        Raises:
            StudioError: there is no such paper, or its checkpoint is missing or damaged.
        """
        return wishes.objection(order.controls, order.seeds, self.context(order.paper)) if order.controls else ""

    def target_of(self, slug: str, sentence: str, paper: str) -> str:
        """The target of a kind of control that a sentence has, for a paper's words.

        Raises:
            StudioError: there is no such paper or kind, or the sentence cannot be read.
        """
        return wishes.target_of(slug, sentence, self.context(paper))

    def is_loaded(self, slug: str, compute: str = "") -> bool:
        """Whether a run of this paper would start without loading first."""
        return self._key(slug, compute) in self._models

    def model(self, slug: str, compute: str = "") -> DiffusionModel:
        """The model of a paper, loaded if need be.

        Raises:
            StudioError: there is no such paper, its checkpoint is missing or damaged, or it lacks the speed path.
        """
        return self._loaded(slug, compute).model

    def speed_paths(self, orders: Sequence[Order]) -> dict[str, str]:
        """For the papers of orders that name a speed path, the path that they take where none is named; models are loaded for it.

        Raises:
            StudioError: there is no such paper, or its checkpoint is missing or damaged.
        """
        return {order.paper: self.model(order.paper).path.name for order in orders if order.compute}

    # ---- runs

    def start(self, order: Order) -> Trace:
        """A run that is ready to go: iterate over it for frames. All that can be refused is refused here.

        `info` of the trace holds the order and all that its text depends on: paper, sampler, seeds, words, speed path,
        torch's version, the checkpoint's hash. `pins` are, for each text, the positions whose word was given, `pinned` those
        words; `source` is what it was written from; `candidates` is how many texts in a row belong to one sample; `notes` are
        sentences that a person should know, such as that this paper takes masks as a preference.

        Raises:
            StudioError: the order is not possible, or its controls contradict each other.
        """
        trace = self._begin(order)
        if self._worker is not None:
            trace.running = self._worker.run(order)
        return trace

    def _begin(self, order: Order) -> Trace:
        """A run that this very process would sample."""
        import torch

        import diffusion
        from controllers.base import note
        from diffusion.core.loop import check

        self.refuse(order)
        loaded = self._loaded(order.paper, order.compute)
        model, controls = loaded.model, parse(order.controls, loaded.model)
        strategy, request = strategy_of(order, controls, model), request_of(order, model)
        asked = strategy.request(request)
        check(model, asked, diffusion.SAMPLERS[asked.sampler])
        strategy.begin(model, asked)
        pinned = pins(controls, asked)
        info = {"order": order.to_dict(), "paper": order.paper, "kind": model.slug, "title": model.title, "path": loaded.path,
                "torch": torch.__version__, "checkpoint": model.hash, "version": VERSION, "steps": steps_of(model, asked),
                "source": " ".join(order.source.split()), "candidates": order.candidates,
                "pins": [list(row) for row in pinned],
                "pinned": [[model.vocab.words[word] for word in row.values()] for row in pinned],
                "hard": model.hard, "notes": [text] if (text := note(model, *(control.controller for control in controls))) else []}
        trace = diffusion.generate(model, request, strategy if controls else None, info)
        trace.running = Running(trace.running, loaded.turn)
        return trace

    def refuse(self, order: Order) -> None:
        """Refuses what can be seen to be impossible without loading a model.

        Raises:
            StudioError: it is; the sentence says why and what to do.
        """
        order.check()
        refuse(order, self._paper(order.paper))

    def stop(self, trace: Trace) -> None:
        """Ends a run, from any thread: at once, or after the step that is being computed."""
        trace.stop()

    def open(self, path: str | Path) -> Trace:
        """A trace from a file that somebody handed us.

        Raises:
            StudioError: it is not a trace of this lab, or its words and samples do not fit together.
        """
        from diffusion import Trace
        from diffusion.text.vocab import Vocabulary

        trace, name = Trace.load(Path(path)), Path(path).name
        words, seeds = trace.info.get("words"), trace.info.get("seeds")
        texts = isinstance(words, list) and all(isinstance(word, str) for word in words)
        counted = isinstance(seeds, list) and [type(seed) for seed in seeds] == [int] * len(trace.ids)
        if not texts or not counted or not isinstance(trace.info.get("order", {}), dict):
            raise mistake(f"'{name}' does not name its words and a seed for each sample. Use a file exported here.")
        rows = [trace.info.get(key, [[]] * len(seeds)) for key in ("pins", "pinned")]
        whole = all(isinstance(row, list) and list(map(type, row)) == [list] * len(seeds) for row in rows)
        if not whole or type(size := trace.info.get("candidates", 1)) is not int or size < 1:
            raise mistake(f"'{name}' does not name its pinned words and candidates in their form. Use a file exported here.")
        size = len(Vocabulary.of(words))
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

    def perplexity(self, trace: Trace) -> float | None:
        """The judge's perplexity of a trace's texts as they stand; None where no judge is here, or it knows other words.

        The judge is a language model that guides nothing and is compared with nothing.
        """
        from diffusion.core.errors import StudioError
        from diffusion.judging import perplexity, texts_of
        from diffusion.text.vocab import Vocabulary

        judge = self._judge()
        if judge is None or judge.vocab.fingerprint != Vocabulary.of(trace.info["words"]).fingerprint:
            return None
        import torch

        pool = [text for text in texts_of(torch.from_numpy(trace.ids.astype("int64"))) if text]
        try:
            return round(perplexity(judge, pool), 3)
        except StudioError:                              # no text has a word, or one is longer than the judge reads
            return None

    def _judge(self) -> LanguageModel | None:
        """The judge of fluency, loaded once; None where its checkpoint is not here."""
        from diffusion.papers.autoregressive import LanguageModel, load_judge

        if self._loaded_judge is None and self._folder(LanguageModel.slug).is_dir():
            self._loaded_judge = load_judge(str(self._folder(LanguageModel.slug)))
        return self._loaded_judge

    def named(self, order: Order) -> Order:
        """The same order with sampler and speed path named, also where it left them open; the path if its model is loaded.

        Raises:
            StudioError: there is no such paper.
        """
        kind = self._paper(order.paper)
        loaded = self._models.peek((order.paper, order.compute or self.compute))
        return replace(order, sampler=order.sampler or kind.samplers[0],
                       compute=loaded.model.path.name if loaded else order.compute)

    def link(self, order: Order, base: str) -> str:
        """An address that orders the same run again: `base` with the order as its query, sampler and speed path named.

        Raises:
            StudioError: there is no such paper.
        """
        return urlunsplit(urlsplit(base)._replace(query=self.named(order).to_query(), fragment=""))

    # ---- models

    def _loaded(self, slug: str, compute: str) -> Loaded:
        self._paper(slug)
        return self._models.get(self._key(slug, compute))

    def _key(self, slug: str, compute: str) -> tuple[str, str]:
        """Where a model is kept; one that runs on the path already serves, whether or not it was asked for by the path's name."""
        used = self._models.peek((slug, self.compute))
        return (slug, self.compute if used and used.model.path.name == compute else compute or self.compute)

    def _load(self, slug: str, compute: str) -> Loaded:
        import diffusion
        from diffusion.core.compute import choose

        model = diffusion.load(slug if self._paper(slug).weightless else str(self._existing(slug)))
        model.to(device_of(self.device))
        return Loaded(model, f"{choose(model, compute)} {model.device.type}")

    def _paper(self, slug: str) -> type[DiffusionModel]:
        return catalogue.kind_of(slug, self._folder(slug))

    def _folder(self, slug: str) -> Path:
        from diffusion.core import checkpoint

        return (self._checkpoints or checkpoint.BUNDLED) / slug

    def _existing(self, slug: str) -> Path:
        folder = self._folder(slug)
        if not folder.is_dir():
            raise mistake(f"{self._paper(slug).title} has no checkpoint in '{folder.parent}'. Choose another paper, "
                          f"or train it: python -m training train.")
        return folder
