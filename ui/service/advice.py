"""What was found to work best for what a form asks: the chosen settings of `controllers.settings`, taken over into an order."""

from __future__ import annotations

from dataclasses import replace

from controllers import CONTROLLERS
from controllers.parse import with_strength
from controllers.settings import NAMES, Option, Setting, named, setting
from diffusion import SAMPLERS
from ui.service.options import EVERY
from ui.service.run_spec import Order

_LABELS = {"sampler": "sampler", "steps": "steps", "temperature": "temperature", "guidance_scale": "guidance scale",
           **{name: option.title.lower() for name, option in EVERY.items()}}


def chosen(order: Order) -> Setting:
    """The setting that was chosen on held-out rows for what an order asks, by the common strategy; an empty one where none was."""
    return setting(order.paper, _asked(order)) if order.strategy == Order.strategy else Setting()


def advised(order: Order) -> Order:
    """The order with that setting: its sampler, steps and options, and the strengths of its controls."""
    found = chosen(order)
    nats = dict(zip(_asked(order).split("+"), found.nats, strict=True)) if found.nats else {}
    kinds = [NAMES.get(_slug(text), _slug(text)) for text in order.controls]
    controls = tuple(with_strength(text, nats[kind], CONTROLLERS) if kind in nats else text
                     for text, kind in zip(order.controls, kinds, strict=True))
    return replace(order, controls=controls, **dict(found.options))


def advice(order: Order) -> str:
    """One sentence that names what differs in the order from what was found to work best; empty where nothing does."""
    better = advised(order)
    parts = [f"{_LABELS[name]} {_told(name, value)}" for name, value in chosen(order).options if getattr(order, name) != value]
    if order.controls != better.controls:
        parts.append(f"strength {' and '.join(f'{nats:g}' for nats in chosen(order).nats)} nats")
    return f"Found to work best here, on held-out rows: {', '.join(parts)}." if parts else ""


def _told(name: str, value: Option) -> str:
    """A setting's value as the form shows it."""
    return SAMPLERS[str(value)].title if name == "sampler" else str(value)


def _asked(order: Order) -> str:
    return named([_slug(text) for text in order.controls], bool(order.source.strip()))


def _slug(text: str) -> str:
    return text.partition("=")[0].strip()
