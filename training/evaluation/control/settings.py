"""Ways to bring a control about, varied for comparison, and how a command line writes them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from controllers.settings import Option, Setting
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.types import Request

FIXED = ("length", "seeds", "source", "label", "words")                      # of a request; not for a setting to choose


def varied(chosen: Setting, parts: int, nats: Sequence[float] | None, options: Mapping[str, Sequence[Option]]) -> list[Setting]:
    """All settings with each of these strengths for all parts and each value of each option, the rest as chosen."""
    strengths = [(each,) * parts for each in nats] if nats else [chosen.nats]
    made = []
    for strength, *values in itertools.product(strengths, *options.values()):
        changed = {**dict(chosen.options), **dict(zip(options, values, strict=True))}
        made.append(Setting(strength, tuple(changed.items())))
    return made


def option(text: str) -> tuple[str, list[Option]]:
    """``inner_steps=1,3`` as a field of a request with its values.

    Raises:
        StudioError: there is no such field, or a value is not of its kind.
    """
    name, _, values = text.partition("=")
    fields = {field.name: field.default for field in dataclasses.fields(Request) if field.name not in FIXED}
    usual: Any = fields[known_or_raise("option", name.strip(), fields)]
    kind = float if usual is None else type(usual)
    try:
        return name.strip(), [kind(value.strip()) for value in values.split(",")]
    except ValueError as error:
        raise StudioError(f"'{text}' does not give '{name}' values of its kind ({error}). Write it like "
                          f"--option steps=32,64.") from error
