"""Runs to look at beside each other: the counterfactual of an order, stored runs, and traces that a visitor hands us."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ui.service import messages
from ui.service.run_spec import Order, mistake

if TYPE_CHECKING:
    from diffusion import Trace
    from ui.service.studio import Studio

MOST = 40_000_000                # characters of a trace that a visitor hands us
Stored = dict[str, tuple[Path, str]]


def uncontrolled(order: object) -> Order:
    """The same order, given as JSON text, without its controls.

    Raises:
        StudioError: it is no order.
    """
    try:
        values = json.loads(order) if isinstance(order, str) else None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise mistake("This trace does not say how it was ordered, so it cannot be run again. Use one that was saved here.")
    return replace(Order.from_dict(values), controls=())


def stored(folder: Path) -> Stored:
    """The stored runs of a folder by name, each with its file and a title."""
    return {path.stem: (path, path.stem.replace("-", " ")) for path in sorted(folder.glob("*.json"))}


def message_of_file(studio: Studio, files: Stored, name: str) -> messages.Message:
    """A stored run as a message, or a sentence."""
    if name not in files:
        return {"kind": "error", "sentence": f"There is no stored run '{name[:80]}'. Choose one of {', '.join(files)}."}
    path, title = files[name]
    found, sentence = messages.attempt(lambda: messages.whole(studio, studio.open(path), stored=True))
    return {**found, "note": title} if found else {"kind": "error", "sentence": sentence}


def read(studio: Studio, text: str) -> Trace:
    """A trace from its JSON text, checked as a file is.

    Raises:
        StudioError: it is too long, or not a trace of this lab.
    """
    if not isinstance(text, str) or len(text) > MOST:
        raise mistake(f"A trace of more than {MOST // 1_000_000} million characters is too long. Use one that was saved here.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        path.write_text(text, encoding="utf-8")
        return studio.open(path)
