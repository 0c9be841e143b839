"""What the form asks of a text, and the same as controls of an order: two views of one thing, converted both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RICH = ("length", "infill", "label")             # these have widgets of their own; every other control has a text box


@dataclass(frozen=True)
class ControlInfo:
    """A control as the form shows it."""

    slug: str
    title: str
    caption: str
    example: str


@dataclass(frozen=True)
class Wishes:
    """The controls as the form holds them.

    Attributes:
        length: number of words, ``12`` or ``10-14``; empty where it is left open.
        infill: a sentence with blanks; empty for none.
        label: slot to value, for the slots that are asked for.
        own: slug to target, for controls with a text box of their own.
        more: further controls as on the command line: a second of a kind, or one with a strength.
    """

    length: str = ""
    infill: str = ""
    label: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()

    def controls(self) -> tuple[str, ...]:
        """The controls as on the command line."""
        written = [f"{slug}={text.strip()}" for slug, text in (("length", self.length), ("infill", self.infill)) if text.strip()]
        if self.label:
            written.append("label=" + ",".join(f"{slot}:{value}" for slot, value in self.label.items()))
        written += [f"{slug}={target.strip()}" for slug, target in self.own.items() if target.strip()]
        return (*written, *(line.strip() for line in self.more if line.strip()))

    @classmethod
    def of(cls, controls: Sequence[str], slots: Mapping[str, Sequence[str]], boxes: Sequence[str] = ()) -> Wishes:
        """The form of controls; what does not fit its widgets goes to `more`, so that nothing is lost.

        Args:
            slots: the label's slots with their values.
            boxes: slugs of the controls with a text box of their own.
        """
        found: dict[str, object] = {}
        own: dict[str, str] = {}
        more: list[str] = []
        for control in controls:
            slug, _, target = (part.strip() for part in control.partition("="))
            values = _READ[slug](target, slots) if slug in _READ else None
            if values and not set(values) & set(found):
                found.update(values)
            elif slug in boxes and slug not in own:
                own[slug] = target
            else:
                more.append(control)
        return cls(**found, own=own, more=tuple(more))  # type: ignore[arg-type]


def _length(target: str, _: Mapping[str, Sequence[str]]) -> dict[str, object] | None:
    return {"length": target} if target and "\n" not in target else None


def _infill(target: str, _: Mapping[str, Sequence[str]]) -> dict[str, object] | None:
    return {"infill": target} if target and "\n" not in target else None


def _label(target: str, slots: Mapping[str, Sequence[str]]) -> dict[str, object] | None:
    label: dict[str, str] = {}
    for part in target.split(","):
        slot, _, value = (piece.strip() for piece in part.partition(":"))
        if slot in label or value not in (*slots.get(slot, ()), "absent"):
            return None
        label[slot] = value
    return {"label": label} if set(label) <= set(slots) else None


_READ = {"length": _length, "infill": _infill, "label": _label}


def further_controls() -> list[ControlInfo]:
    """Every control that has no widgets of its own, with its caption."""
    from controllers import CONTROLLERS
    from ui.catalogue import caption

    return [ControlInfo(slug, kind.title, caption(kind), kind.example) for slug, kind in CONTROLLERS.items() if slug not in RICH]
