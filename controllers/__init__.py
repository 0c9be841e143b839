"""Steering: controllers that read beliefs and ask for a change of them, and the strategies that bring it about."""

from __future__ import annotations

from collections.abc import Sequence

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

CONTROLLERS: dict[str, type[Controller]] = {kind.slug: kind for kind in (
    Length, Infill, Label, Classifier, Semantic, PartsOfSpeech, SyntaxTree, Span)}

__all__ = ["CONTROLLERS", "Context", "Controlled", "Controller", "parse_controls"]


def parse_controls(texts: Sequence[str], context: Context) -> list[Controlled]:
    """The controllers of texts as on the command line: ``length=10-14``, ``infill=...``, ``label=slot:value,...``.

    A strength in nats may follow, ``@2``, where a controller has one.

    Raises:
        StudioError: a control, slot, value or word is not known (the nearest known are named), or a form is not met.
    """
    return parse_all(texts, context, CONTROLLERS)
