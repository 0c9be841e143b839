"""What a text can be asked for: the kinds of controls, as the panel of cards shows them, and what speaks against an order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controllers.base import Context


def kinds(context: Context) -> list[dict[str, Any]]:
    """Every kind of control for a model, in the order of the table: names, caption, example, and how its target is edited.

    `nats` is the strength where none is given and `most` the largest, for kinds that have one; `lacks` says why a kind cannot steer
    this model; `choices` are the values of each slot, for targets of the form slot:value.
    """
    from controllers import CONTROLLERS
    from controllers.base import MAX_NATS
    from ui.service.catalogue import caption

    found = []
    for slug, kind in CONTROLLERS.items():
        entry = {"slug": slug, "title": kind.title, "caption": caption(kind), "example": kind.example, "repeats": kind.repeats,
                 "form": kind.editor, "sentence": kind.reads_sentences, "palette": [list(pair) for pair in kind.palette],
                 "words": kind.free_words, "lacks": kind.lacks(context) or "", "at": kind.at}
        if kind.has_strength:
            entry |= {"nats": kind.nats, "most": MAX_NATS}
        if kind.editor == "slots":
            entry["choices"] = {slot: list(values) for slot, values in kind.choices(context).items()}
        found.append(entry)
    return found


def objection(controls: Sequence[str], seeds: Sequence[int], context: Context) -> str:
    """What speaks against these controls together, as a sentence, seen without a model: empty where nothing does."""
    from controllers import parse_controls
    from controllers.combine import combine_masks, combine_requests, refuse_impossible
    from diffusion.core.errors import StudioError
    from diffusion.core.types import Request

    try:
        parsed = [control.controller for control in parse_controls(controls, context)]
        request = combine_requests(parsed, Request(length=context.length, seeds=tuple(seeds)))
        masks = [(str(controller), mask) for controller in parsed if (mask := controller.allowed(context, request)) is not None]
        combine_masks(masks)
        refuse_impossible(parsed, masks)
    except StudioError as error:
        return str(error)
    return ""


def target_of(slug: str, sentence: str, context: Context) -> str:
    """The target of a kind of control that a sentence has: its tags, its tree, its length.

    Raises:
        StudioError: there is no such kind, it takes no target from a sentence, or the sentence cannot be read.
    """
    from controllers import CONTROLLERS
    from diffusion.core.errors import known_or_raise

    return CONTROLLERS[known_or_raise("control", slug, CONTROLLERS)].of_sentence(sentence, context)
