"""Diffusion language models of several papers behind one port, the belief; and the way to sample from them."""

from __future__ import annotations

from collections.abc import Iterator
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


def stream(model: DiffusionModel, request: Request, strategy: Strategy | None = None) -> Iterator[Step]:
    """Samples step by step: live tensors for researchers; `generate` records them.

    Raises:
        StudioError: the request cannot be run; the sentence says why and what can.
    """
    request = loop.resolved(model, request)
    known_or_raise("sampler", request.sampler, SAMPLERS)
    return loop.sample(model, SAMPLERS[request.sampler](request), request, strategy)


def generate(model: DiffusionModel, request: Request, strategy: Strategy | None = None,
             info: dict[str, Any] | None = None) -> Trace:
    """A run that records itself: iterate over it for frames as they come, or call `run()`.

    Raises:
        StudioError: the request cannot be run; the sentence says why and what can.
    """
    request = loop.resolved(model, request)
    about = {"paper": model.slug, "sampler": request.sampler, "steps": request.steps, "temperature": request.temperature,
             "strategy": "" if strategy is None else strategy.slug,
             "seeds": list(request.seeds), "words": list(model.vocab.words), **(info or {})}
    return Trace(about, running=stream(model, request, strategy))
