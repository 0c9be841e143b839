"""The only sampling loop: it asks for a belief, lets the strategy steer it, lets the sampler step, and streams."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from diffusion.core.copies import copied, rows
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import Rng
from diffusion.core.sampler import Sampler, why_not
from diffusion.core.strategy import Strategy
from diffusion.core.types import Request, Step

MAX_STEPS, MAX_SAMPLES = 2000, 256


def resolved(model: DiffusionModel, request: Request) -> Request:
    """The request with what it left open filled in: the paper's first sampler, length and default temperature."""
    return request.with_(sampler=request.sampler or model.samplers[0], length=request.length or model.length,
                         temperature=model.temperature if request.temperature is None else request.temperature)


def check(model: DiffusionModel, request: Request, sampler: type[Sampler] | Sampler) -> None:
    """Refuses a request that no run should start from.

    Raises:
        StudioError: steps, seeds, length or sampler are out of range; the rule and a way out are named.
    """
    if not 1 <= request.steps <= MAX_STEPS:
        raise StudioError(f"{request.steps} steps are not possible; choose 1 to {MAX_STEPS}.")
    if not 1 <= len(request.seeds) <= MAX_SAMPLES:
        raise StudioError(f"{len(request.seeds)} samples are not possible; choose 1 to {MAX_SAMPLES}.")
    if not all(0 <= seed < 2**32 for seed in request.seeds):  # torch's CPU generator tells no more apart
        raise StudioError(f"A seed is a whole number from 0 to 2^32 - 1; got {min(request.seeds)} to {max(request.seeds)}.")
    if not 2 <= request.length <= model.length:
        raise StudioError(f"Texts of {request.length} positions are not possible; {model.title} has 2 to {model.length}.")
    if reason := why_not(sampler, model):
        raise StudioError(reason)
    if not 0 <= request.revise < request.length:
        raise StudioError(f"{request.revise} words cannot be revised at every step; choose 0 to {request.length - 1}.")
    if not (0 <= request.mix <= 1 and 0 <= request.mix_share <= 1):
        raise StudioError(f"Re-noising with chance {request.mix} in a share {request.mix_share} of the steps is not possible; "
                          f"choose 0 to 1 for each.")
    if len(request.seeds) * request.copies > MAX_SAMPLES or min(request.particles, request.rerank) < 1:
        raise StudioError(f"{len(request.seeds)} samples with {request.particles} particles in each of {request.rerank} texts to "
                          f"choose from are not possible; at least 1 of each, and together at most {MAX_SAMPLES}, are.")
    if not (0 <= request.window_from <= request.window_until <= 1 and request.inner_steps >= 0 and request.fluency >= 0):
        raise StudioError(f"Wishes from {request.window_from} until {request.window_until} in {request.inner_steps} inner steps "
                          f"with fluency {request.fluency} are not possible; a part of the time lies within 0 to 1, the others "
                          f"are at least 0.")
    if request.source is not None and not model.source:
        raise StudioError(f"{model.title} reads no source. Leave the source out, or choose a paper that reads one.")
    if request.temperature is not None and not 0 < request.temperature <= 10:
        raise StudioError(f"The temperature {request.temperature} is not possible; choose above 0 and at most 10.")
    if not 0 <= request.guidance_scale <= 20:
        raise StudioError(f"The guidance scale {request.guidance_scale} is not possible; choose 0 to 20.")


@torch.no_grad()
def sample(model: DiffusionModel, sampler: Sampler, request: Request, strategy: Strategy | None = None) -> Iterator[Step]:
    """Runs the reverse process from noise to text and yields every step.

    The generator may be closed at any step; nothing is left behind on the model, the sampler or the strategy.

    Raises:
        StudioError: the request is out of range, or two controllers contradict each other.
    """
    if strategy is not None:
        request = strategy.request(request)
    request = resolved(model, request)
    check(model, request, sampler)
    if strategy is not None:
        strategy.begin(model, request)
    elif request.copies > 1:
        raise StudioError("Particles and texts to choose from compete for what controllers wish, and there is no controller. "
                          "Give one, or leave both at 1.")
    began, copies = time.perf_counter(), request.copies
    request = copied(request)
    rng = Rng(request.seeds, model.device)
    state, memory, nfe = model.prior(request, rng), None, 0
    times = sampler.times(model, request.steps)
    for index, (t, s) in enumerate(itertools.pairwise(times)):
        free = model.predict(state, t, request)
        if copies > 1 and (kept := strategy.survivors(free)) is not None:
            state, memory, free = rows((state, memory, free), kept, len(request.seeds))
        steered = free if strategy is None else strategy.before(model, state, free, t, s, rng)
        transition, memory = sampler.advance(model, state, steered, t, s, rng, memory)
        state = transition.state if strategy is None else strategy.after(model, state, transition, t, s, rng)
        last = index == len(times) - 2
        nfe += steered.nfe * copies
        step = Step(
            index=index, steps=len(times) - 1, t=t, s=s, free=free.logits, steered=steered.logits, state=state,
            nfe=nfe, seconds=time.perf_counter() - began, probs=steered.probs,
            text=model.finish(state, steered) if last else None,
            satisfaction={} if strategy is None else strategy.satisfaction(steered.logits))
        yield step if copies == 1 else _of_rows(step, strategy.shown(step.text), len(request.seeds))


def _of_rows(step: Step, index: Tensor, count: int) -> Step:
    """A step of the rows `index` (B,) of `count`; what was the same tensor before and after steering stays the same."""
    part = rows(step, index, count)
    satisfaction = {name: value[index] for name, value in step.satisfaction.items()}
    return dataclasses.replace(part, steered=part.free if step.steered is step.free else part.steered, satisfaction=satisfaction)
