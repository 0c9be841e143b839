"""Several controllers at once: their requests and masks are merged, in any order, and contradictions are named."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from controllers.base import Controller
from diffusion.core.errors import StudioError
from diffusion.core.types import Request
from diffusion.text.labels import UNKNOWN

_WAY_OUT = "Change or remove one of them."


def combine_requests(controllers: Sequence[Controller], request: Request) -> Request:
    """The request with every controller's part in it; the order of the controllers does not matter.

    Numbers of words are intersected, labels merged slot by slot; any other field may have one value only. Each check is
    between two parts, which is enough: intervals that meet in pairs have a common point.

    Raises:
        StudioError: two controllers contradict each other, or two of a kind that can be there once; both are named.
    """
    _refuse_repeats(controllers)
    _refuse_contrary_claims(controllers)
    untouched = request.with_(words=None, label=None)
    asked: dict[str, list[tuple[str, Any]]] = {}
    for name in ("words", "label"):
        if getattr(request, name) is not None:
            asked[name] = [("the request itself", getattr(request, name))]
    for controller in controllers:
        part = controller.request(untouched)
        for field in dataclasses.fields(Request):
            value = getattr(part, field.name)
            if value is not getattr(untouched, field.name):
                asked.setdefault(field.name, []).append((str(controller), value))
    return request.with_(**{field: _merged(field, parts) for field, parts in asked.items()})


def _refuse_repeats(controllers: Sequence[Controller]) -> None:
    seen: dict[str, Controller] = {}
    for index, controller in enumerate(controllers):
        for other in controllers[:index]:
            if why := controller.contradicts(other):
                raise StudioError(f"'{other}' and '{controller}' contradict each other: {why}. {_WAY_OUT}")
        if not controller.repeats and controller.slug in seen:
            raise StudioError(f"'{seen[controller.slug]}' and '{controller}' cannot steer one text together: "
                              f"'{controller.slug}' can be given once. Write both into one.")
        seen[controller.slug] = controller


def _refuse_contrary_claims(controllers: Sequence[Controller]) -> None:
    told: dict[str, tuple[str, Controller]] = {}
    for controller in controllers:
        for slot, value in controller.claims().items():
            earlier, other = told.setdefault(slot, (value, controller))
            if earlier != value:
                raise StudioError(f"'{other}' and '{controller}' contradict each other: one wants the slot '{slot}' to be "
                                  f"'{earlier}', the other '{value}'. {_WAY_OUT}")


def _merged(field: str, parts: Sequence[tuple[str, Any]]) -> Any:
    """One value of a request's field from what each part asks for."""
    merge = {"words": _common_words, "label": _common_label}.get(field, _same)
    for index, (name, value) in enumerate(parts):
        for other, earlier in parts[:index]:
            if merge(earlier, value) is None:
                raise StudioError(f"'{other}' and '{name}' contradict each other"
                                  f"{_about(field, earlier, value)}. {_WAY_OUT}")
    combined = parts[0][1]
    for _, value in parts[1:]:
        combined = merge(combined, value)
    return combined


def _common_words(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int] | None:
    fewest, most = max(one[0], other[0]), min(one[1], other[1])
    return (fewest, most) if fewest <= most else None


def _common_label(one: Tensor, other: Tensor) -> Tensor | None:
    """Slots (S,) or (B, S) that either tells; None where both tell different values."""
    clash = (one != UNKNOWN) & (other != UNKNOWN) & (one != other)
    return None if bool(clash.any()) else torch.where(one == UNKNOWN, other, one)


def _same(one: Any, other: Any) -> Any:
    return one if one == other else None


def _about(field: str, one: Any, other: Any) -> str:
    """What two parts of a field disagree about."""
    if field == "words":
        return f": the first asks for {_words(one)}, the second for {_words(other)}"
    return ": one slot cannot have two values" if field == "label" else f" about '{field}'"


def _words(span: tuple[int, int]) -> str:
    fewest, most = span
    return f"{fewest} to {most} words" if fewest != most else f"{fewest} word{'s' if fewest > 1 else ''}"


def combine_masks(parts: Sequence[tuple[str, Tensor]]) -> Tensor | None:
    """All masks and-ed, (L, V) or (B, L, V); None when there are none.

    Args:
        parts: for each mask, bool and true where a word may stand, the name of who asks for it.

    Raises:
        StudioError: no word is left at a position; those that exclude each other there are named.
    """
    combined: Tensor | None = None
    for index, (name, mask) in enumerate(parts):
        both = mask if combined is None else combined & mask
        empty = ~both.any(-1)
        if bool(empty.any()):
            position = int(empty.nonzero()[0, -1])
            guilty = [other for other, earlier in parts[:index] if not _meet(earlier, mask, position)]
            others = guilty or [other for other, _ in parts[:index]]
            if not others:
                raise StudioError(f"'{name}' leaves no word that can stand at position {position + 1}. "
                                  f"Change or remove it.")
            named = " and ".join(f"'{other}'" for other in [*others, name])
            raise StudioError(f"{named} contradict each other: no word can stand at position {position + 1}. "
                              f"{_WAY_OUT}")
        combined = both
    return combined


def refuse_impossible(controllers: Sequence[Controller], parts: Sequence[tuple[str, Tensor]]) -> None:
    """Checks that what every controller wants said has a place under all masks.

    Args:
        parts: as in `combine_masks`, which leave a word at every position together.

    Raises:
        StudioError: it has none; the controller is named with those whose masks leave no place.
    """
    if not parts:
        return
    combined = functools.reduce(torch.logical_and, [mask for _, mask in parts])
    for controller in controllers:
        lost = controller.impossible(combined)
        if lost is not None:
            guilty = [name for name, mask in parts if controller.impossible(mask) is not None]
            named = " and ".join(f"'{name}'" for name in [str(controller), *(guilty or [name for name, _ in parts])])
            raise StudioError(f"{named} contradict each other: no place is left where '{lost}' can stand. {_WAY_OUT}")


def _meet(one: Tensor, other: Tensor, position: int) -> bool:
    """Whether two masks leave a word at a position, in every row of the batch."""
    return bool((one[..., position, :] & other[..., position, :]).any(-1).all())
