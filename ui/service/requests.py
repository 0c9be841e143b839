"""From an order to what the sampling loop takes: what is refused before a model is loaded, and what needs the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.service.options import OPTIONS, STEERING
from ui.service.run_spec import Order, mistake

if TYPE_CHECKING:
    from controllers.base import Controlled
    from controllers.strategies.base import Steering
    from diffusion import DiffusionModel, Request


def refuse(order: Order, kind: type[DiffusionModel]) -> None:
    """Refuses what can be seen to be impossible without loading a model.

    Raises:
        StudioError: a value, sampler or strategy is not possible, neither sampler nor strategy reads an option that is
            given, or the paper reads no source although one is given.
    """
    from controllers.base import foreign
    from controllers.strategies import STRATEGIES
    from diffusion import PAPERS, SAMPLERS
    from diffusion.core.errors import known_or_raise

    order.check()
    sampler = SAMPLERS[known_or_raise("sampler", order.sampler or kind.samplers[0], SAMPLERS)]
    strategy = STRATEGIES[known_or_raise("strategy", order.strategy, STRATEGIES)]
    if reason := foreign(strategy, kind):
        raise mistake(reason)
    for name in order.given:
        if name in STEERING and name not in strategy.options:
            readers = [slug for slug, other in STRATEGIES.items() if name in other.options and not foreign(other, kind)]
            raise mistake(_unread(name, strategy.slug, readers, kind.title, "strategy"))
        if name in OPTIONS and name not in sampler.options:
            raise mistake(_unread(name, sampler.slug, [other for other in kind.samplers if name in SAMPLERS[other].options],
                                  kind.title))
    if not kind.source and (order.source.strip() or order.candidates > 1):
        readers = [other.title for other in PAPERS.values() if other.source]
        what = "reads no source" if order.source.strip() else "reads no source that candidates could be compared on"
        raise mistake(f"{kind.title} {what}. Choose {' or '.join(readers) or 'nothing'}, or say what the text should tell with "
                      f"a label.")


def _unread(option: str, chosen: str, readers: Sequence[str], paper: str, kind: str = "sampler") -> str:
    name = option.replace("_", "-")
    if readers:
        return f"The {kind} '{chosen}' does not read '{name}'. Leave it out, or choose {' or '.join(readers)}."
    return f"The {kind} '{chosen}' does not read '{name}', nor does any other of {paper}. Leave it out."


def parse(texts: Sequence[str], model: DiffusionModel) -> list[Controlled]:
    """The controllers of an order for a model.

    Raises:
        StudioError: a control, slot, value or word is unknown, or not written in its form.
    """
    from controllers import Context, parse_controls

    return parse_controls(texts, Context.of(model))


def strategy_of(order: Order, controls: Sequence[Controlled], model: DiffusionModel) -> Steering:
    """The order's way of steering.

    Raises:
        StudioError: there is no such strategy, or it cannot bring a control about in this model.
    """
    from controllers.base import why_not
    from controllers.strategies import STRATEGIES
    from diffusion.core.errors import known_or_raise

    strategy = STRATEGIES[known_or_raise("strategy", order.strategy, STRATEGIES)](controls)
    for control in controls:
        if reason := why_not(model, control.controller, strategy):
            raise mistake(reason)
    return strategy


def request_of(order: Order, model: DiffusionModel) -> Request:
    """The order as the sampling loop takes it, its sampler named.

    Raises:
        StudioError: there is no such sampler or strategy, or the source has a slot, value or word that the model does not know.
    """
    from controllers.strategies import STRATEGIES
    from diffusion import SAMPLERS, Request
    from diffusion.core.errors import known_or_raise
    from diffusion.text import source

    sampler = known_or_raise("sampler", order.sampler or model.samplers[0], SAMPLERS)
    steering = STRATEGIES[known_or_raise("strategy", order.strategy, STRATEGIES)].options if order.controls else ()
    options = {name: getattr(order, name) for name in (*SAMPLERS[sampler].options, *steering)}
    row = source.encode(order.source, model.vocab, model.labels) if order.source.strip() else None
    return Request(length=model.length, seeds=order.seeds, steps=order.steps, sampler=sampler, source=row,
                   guidance_scale=order.guidance_scale, strategy=order.strategy, temperature=order.temperature, **options)


def steps_of(model: DiffusionModel, request: Request) -> int:
    """How many steps a run will take; not every sampler heeds what was asked for."""
    from diffusion import SAMPLERS

    return len(SAMPLERS[request.sampler](request).times(model, request.steps)) - 1


def pins(controls: Sequence[Controlled], request: Request) -> list[dict[int, int]]:
    """For each text the positions whose word a controller fixed, with the id of that word."""
    positions: list[dict[int, int]] = [{} for _ in request.seeds]
    for control in controls:
        if hasattr(control.controller, "pinned"):
            pinned, ids = control.controller.pinned(request), control.controller.pins(request)
            for row, places, words in zip(positions, pinned, ids, strict=True):
                row.update({place: int(words[place]) for place in places.nonzero().flatten().tolist()})
    return [dict(sorted(row.items())) for row in positions]
