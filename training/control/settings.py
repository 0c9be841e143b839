"""With which strengths and options each control is brought about in each paper: chosen on held-out training rows,
where nothing else is said beside it.

A control that has no row here takes the strengths that its controllers have by themselves, and the common strategy.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.types import Request

Option = float | int | str
FIXED = ("length", "seeds", "source", "label", "words")                      # of a request; not for a setting to choose


@dataclass(frozen=True, slots=True)
class Setting:
    """How a control is brought about.

    Attributes:
        nats: the strength of each of its parts; empty for the controllers' own.
        options: fields of the request that differ from its defaults.
    """

    nats: tuple[float, ...] = ()
    options: tuple[tuple[str, Option], ...] = ()

    def __str__(self) -> str:
        """As it stands in a table: ``nats 4+8, inner_steps 3``."""
        told = [f"nats {'+'.join(f'{nats:g}' for nats in self.nats)}"] if self.nats else []
        return ", ".join([*told, *(f"{name} {value}" for name, value in self.options)]) or "usual"

    def request(self) -> Request:
        """The request with these options, everything else as usual."""
        return Request(**dict(self.options))


# Re-noising forgets what a wish broke: more success at half the perplexity, and 32 steps do as well as 64.
RENOISED: tuple[tuple[str, Option], ...] = (("sampler", "renoise"), ("steps", 32), ("inner_steps", 2))
SETTINGS: dict[tuple[str, str], Setting] = {
    ("diffusion-lm", "class"): Setting(options=(("guidance_scale", 2.0),)),      # chosen with an earlier checkpoint
    ("diffusion-lm", "content"): Setting((16.0,)),
    ("diffusion-lm", "pos"): Setting((3.5,), RENOISED),
    ("diffusion-lm", "tree"): Setting(options=RENOISED),
    ("diffusion-lm", "span"): Setting((50.0,), RENOISED),
    ("diffusion-lm", "infill"): Setting(options=(("sampler", "renoise"), ("steps", 32))),
    ("diffusion-lm", "content+pos"): Setting((12.0, 3.5), RENOISED),
    ("diffusion-lm", "content+tree"): Setting(options=RENOISED),
    ("seqdiffuseq", "pos"): Setting(options=(("inner_steps", 2),)),              # Diffusion-LM's, not tuned for it
    ("sedd", "pos"): Setting((6.5,), (("sampler", "confidence"), ("revise", 2), ("inner_steps", 2), ("temperature", 0.8))),
    ("sedd", "tree"): Setting(options=(("sampler", "confidence"), ("revise", 2), ("inner_steps", 2), ("temperature", 0.9))),
    ("sedd", "span"): Setting((30.0,), (("sampler", "confidence"), ("revise", 2), ("inner_steps", 2), ("temperature", 0.8))),
    ("seqdiffuseq", "tree"): Setting(options=(("inner_steps", 2),)),             # Diffusion-LM's, not tuned for it
    # a belief at temperature 0.3 needs more nats
    ("rdlm", "content"): Setting((12.0,)),
    ("rdlm", "pos"): Setting((24.0,), (("inner_steps", 2),)),
    ("rdlm", "tree"): Setting((24.0,), (("inner_steps", 2),)),
}


def setting(paper: str, control: str) -> Setting:
    """The setting that was chosen for a control of a paper."""
    return SETTINGS.get((paper, control), Setting())


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
