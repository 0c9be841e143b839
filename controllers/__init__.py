"""Steering: controllers that read beliefs and ask for a change of them, and the strategies that bring it about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from controllers.base import Context, Controlled, Controller
from controllers.classifier import Classifier
from controllers.infill import Infill
from controllers.label import Label
from controllers.length import Length
from controllers.parse import parse_all
from controllers.pos import PartsOfSpeech
from controllers.semantic import Semantic
from controllers.span import Span
from controllers.tree import SyntaxTree
from diffusion.core.errors import StudioError, known_or_raise

if TYPE_CHECKING:
    from controllers.strategies.base import Steering
    from diffusion.core.model import DiffusionModel

CONTROLLERS: dict[str, type[Controller]] = {kind.slug: kind for kind in (
    Length, Infill, Label, Classifier, Semantic, PartsOfSpeech, SyntaxTree, Span)}

__all__ = ["CONTROLLERS", "Context", "Controlled", "Controller", "parse_controls", "steer"]


def parse_controls(texts: Sequence[str], context: Context) -> list[Controlled]:
    """The controllers of texts as on the command line: ``length=10-14``, ``infill=...``, ``label=slot:value,...``.

    A strength in nats may follow, ``@2``, where a controller has one.

    Raises:
        StudioError: a control, slot, value or word is not known (the nearest known are named), or a form is not met.
    """
    return parse_all(texts, context, CONTROLLERS)


def steer(model: DiffusionModel, *controls: str, strategy: str = "absorb") -> Steering:
    """What steers a run of a model by controls, for `diffusion.generate(model, strategy=...)`.

    Args:
        controls: as on the command line, ``"length=12"``, ``"infill=The ___ is cheap ."``.
        strategy: slug of the way of steering.

    Raises:
        StudioError: there is no control, or a control, its target or the strategy is not possible for the model.
    """
    from controllers.base import foreign, why_not
    from controllers.strategies import STRATEGIES

    if not controls or not all(isinstance(control, str) for control in controls):
        raise StudioError("Controls are texts, each an argument: steer(model, 'length=12', 'infill=The ___ is cheap .').")
    kind = STRATEGIES[known_or_raise("strategy", strategy, STRATEGIES)]
    parsed = parse_controls(controls, Context.of(model))
    steering = kind(parsed)
    for reason in (foreign(kind, model), *(why_not(model, control.controller, steering) for control in parsed)):
        if reason is not None:
            raise StudioError(reason)
    return steering
