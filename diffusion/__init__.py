"""Diffusion language models of several papers behind one port, the belief; and the way to sample from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from diffusion import samplers
from diffusion.core import checkpoint, loop
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.model import DiffusionModel
from diffusion.core.strategy import Strategy
from diffusion.core.trace import Trace
from diffusion.core.types import Request, Step
from diffusion.papers.autoregressive import Autoregressive, LeftToRight
from diffusion.papers.diffusion_lm import DiffusionLM
from diffusion.papers.ld4lg import LD4LG
from diffusion.papers.oracle import Oracle
from diffusion.papers.rdlm import RDLM
from diffusion.papers.sedd import SEDD
from diffusion.papers.seqdiffuseq import SeqDiffuSeq
from diffusion.text import source
from diffusion.text.labels import UNKNOWN

PAPERS: dict[str, type[DiffusionModel]] = {kind.slug: kind for kind in (
    DiffusionLM, SeqDiffuSeq, LD4LG, SEDD, RDLM, Autoregressive, Oracle)}

SAMPLERS = {**samplers.SAMPLERS, LeftToRight.slug: LeftToRight}

__all__ = ["PAPERS", "SAMPLERS", "DiffusionModel", "Request", "StudioError", "Trace", "generate", "load", "stream"]


def load(name: str, revision: str | None = None) -> DiffusionModel:
    """A model ready to sample: a bundled slug, a checkpoint folder, a Hub id, or a paper that needs no weights.

    Raises:
        StudioError: there is no such checkpoint, or it is damaged.
    """
    kind = PAPERS.get(name)
    if kind is not None and kind.weightless:
        return kind.from_nothing()
    opened = checkpoint.read(checkpoint.locate(name, revision))
    return PAPERS[known_or_raise("paper", opened.slug, PAPERS)].from_checkpoint(opened)


def stream(model: DiffusionModel, request: Request | None = None, strategy: Strategy | str | None = None,
           **fields: Any) -> Iterator[Step]:
    """Samples step by step: live tensors for researchers; `generate` records them.

    Args:
        fields: fields of the request, in place of `request` or changing it: ``steps=8, seeds=(1, 2)``. `source` may be text and
            `label` a table from slots to values; both are encoded for the model.

    Raises:
        StudioError: the request cannot be run, or a field is unknown; the sentence says why and what can.
    """
    request, strategy = _asked(model, request, strategy, fields)
    return _stream(model, request, strategy)


def generate(model: DiffusionModel, request: Request | None = None, strategy: Strategy | str | None = None,
             info: dict[str, Any] | None = None, **fields: Any) -> Trace:
    """A run that records itself: iterate over it for frames as they come, or call `run()`; `texts` are the finished texts.

    Args:
        strategy: what steers, as `controllers.steer` makes it; None for a free run.
        info: entries for the trace's own `info`.
        fields: as in `stream`.

    Raises:
        StudioError: the request cannot be run, or a field is unknown; the sentence says why and what can.
    """
    request, strategy = _asked(model, request, strategy, fields)
    about = {"paper": model.slug, "sampler": request.sampler, "steps": request.steps, "temperature": request.temperature,
             "strategy": "" if strategy is None else strategy.slug,
             "seeds": list(request.seeds), "words": list(model.vocab.words), **(info or {})}
    return Trace(about, running=_stream(model, request, strategy))


def _asked(model: DiffusionModel, request: Request | None, strategy: Strategy | str | None,
           fields: dict[str, Any]) -> tuple[Request, Strategy | None]:
    """The whole request, and what steers."""
    if not isinstance(model, DiffusionModel):
        raise StudioError(f"A model is needed first, as load('sedd') gives it; got {type(model).__name__}.")
    if request is not None and not isinstance(request, Request):
        raise StudioError(f"A request is a Request(steps=8, seeds=(1, 2)), or its fields by name: generate(model, steps=8); "
                          f"got {type(request).__name__}.")
    if isinstance(strategy, str):
        raise StudioError(f"A strategy by its name, '{strategy[:60]}', needs controls: "
                          f"strategy=controllers.steer(model, 'length=12', strategy='{strategy[:60]}').")
    known = [field.name for field in dataclasses.fields(Request)]
    for name in fields:
        known_or_raise("field of a request", name, known)
    request = (request or Request()).with_(**fields)
    if isinstance(request.source, str):
        request = request.with_(source=source.encode(request.source, model.vocab, model.labels))
    if isinstance(request.label, Mapping):
        request = request.with_(label=model.labels.encode(request.label, rest=UNKNOWN))
    return loop.resolved(model, request), strategy


def _stream(model: DiffusionModel, request: Request, strategy: Strategy | None) -> Iterator[Step]:
    known_or_raise("sampler", request.sampler, SAMPLERS)
    return loop.sample(model, SAMPLERS[request.sampler](request), request, strategy)
