"""What a controller is: it reads beliefs and asks for a change of them, in nats, or rules words out."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from diffusion.core.errors import StudioError
from diffusion.core.labels import LabelSet
from diffusion.core.types import Request
from diffusion.core.vocab import Vocabulary


def knob(default: Any, low: float | None = None, high: float | None = None, unit: str = "", about: str = "") -> Any:
    """A field of a controller that a person may turn: its default, range, unit and a line about it."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "unit": unit, "about": about})


@dataclass(frozen=True, slots=True)
class Context:
    """What a controller may know of the model that it steers: words, labels and the number of positions; no paper."""

    vocab: Vocabulary
    labels: LabelSet
    length: int


@dataclass(frozen=True, slots=True)
class Score:
    """How far a finished text does what was asked: success in [0, 1], and a sentence about it."""

    success: float
    detail: str


class Controller(ABC):
    """One wish about the text. The class docstring is its caption; its knobs become widgets.

    Attributes:
        slug, title: its names for the command line and for people.
        example: a target that can be tried at once, in the form of the command line.

    """

    slug: ClassVar[str]
    title: ClassVar[str]
    example: ClassVar[str]
    has_strength: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def parse(cls, text: str, context: Context) -> Controller:
        """The controller of a target written as on the command line, ``length=10-14`` without its ``length=``.

        Raises:
            StudioError: the target is not of the form, or names unknown words or values.
        """

    @property
    @abstractmethod
    def target(self) -> str:
        """The target as it would be written on the command line."""

    def request(self, request: Request) -> Request:
        """The request with this controller's part in it: a label, a guidance scale, a number of words."""
        return request

    def allowed(self, context: Context, request: Request) -> Tensor | None:
        """Words that may stand at each position, bool (L, V) or (B, L, V); None where anything may.

        `request` holds what all controllers asked for, so that an infill knows the number of words.
        """
        return None

    def wish(self, logits: Tensor) -> Tensor | None:
        """Wanted change of the logits (B, L, V) in nats, before it is scaled to the strength; None for none."""
        return None

    @abstractmethod
    def log_prob(self, probs: Tensor) -> Tensor:
        """Log-probability that the wish holds under a belief (B, L, V) -> (B,), differentiable."""

    @abstractmethod
    def score(self, words: list[str]) -> Score:
        """Success of one finished text, judged by something that did not steer."""


@dataclass(frozen=True, slots=True)
class Controlled:
    """A controller with its strength: the largest change of any logit in one step, in nats."""

    controller: Controller
    nats: float = 4.0


def combine_masks(parts: list[tuple[str, Tensor]]) -> Tensor | None:
    """All masks and-ed, (L, V) or (B, L, V).

    Raises:
        StudioError: no word is left at a position; the two controllers that exclude each other are named.
    """
    combined: Tensor | None = None
    names: list[str] = []
    for name, mask in parts:
        both = mask if combined is None else combined & mask
        empty = ~both.any(-1)
        if empty.any():
            position = int(empty.nonzero()[0, -1])
            others = " and ".join(names) or "the model's own rule"
            raise StudioError(f"{others} and {name} contradict each other: no word can stand at position {position + 1}. "
                              f"Change or remove one of them.")
        combined, names = both, [*names, name]
    return combined


def log_mass(probs: Tensor, allowed: Tensor) -> Tensor:
    """Log-probability (B,) that every position of a belief (B, L, V) holds an allowed word."""
    mass = (probs * allowed).sum(-1)
    return torch.log(mass.clamp(min=1e-30)).sum(-1)
