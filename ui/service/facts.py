"""What was measured of a paper, in one line, from the files in the domain's results. What was not measured is not said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ui.service import assets

RESULTS = assets.RESULTS
STEPS = 64               # the number of steps that quality is quoted for
REPORTED = "valid"       # the part of the data whose numbers are reported; others served to tune


def line(slug: str, digest: str, sampler: str, folder: Path = RESULTS) -> str:
    """Bits per token, the judge's perplexity beside human text's, and seconds; empty where nothing was measured.

    Args:
        digest: hash of the checkpoint; what was measured of another one does not count.
        sampler: slug of the sampler that quality is quoted for.
    """
    found = _reported(slug, digest, folder)
    bits = first(found, "likelihood", "bits per token", slots="unknown")
    ratio = first(found, "quality, free", "perplexity / human", sampler=sampler, steps=STEPS)
    seconds = first(found, "speed", "seconds", chosen=True)
    parts = [f"{bits:.2f} bits per token" if bits is not None else "",
             f"perplexity {ratio:.2f} × human at {STEPS} steps" if ratio is not None else "",
             f"4 texts in {seconds:.1f} s" if seconds is not None else ""]
    return " · ".join(part for part in parts if part)


def figure(slug: str, digest: str, what: str, column: str, folder: Path = RESULTS, **where: object) -> float | None:
    """One reported figure of a checkpoint; None where it was not measured."""
    return first(_reported(slug, digest, folder), what, column, **where)


def quality(slug: str, digest: str, folder: Path = RESULTS) -> list[Mapping[str, Any]]:
    """The reported rows on the quality of a checkpoint's free texts, that of human text among them; none if it was not measured."""
    found = (result for result in _reported(slug, digest, folder) if result["what"] == "quality, free")
    return next((result["tables"][0]["rows"] for result in found), [])


def _reported(slug: str, digest: str, folder: Path) -> list[dict[str, Any]]:
    return [result for result in read(folder) if result.get("paper") == slug and result.get("checkpoints", {}).get(slug) == digest
            and result.get("options", {}).get("rows", REPORTED) == REPORTED]


def first(results: Iterable[Mapping[str, Any]], what: str, column: str, **where: object) -> float | None:
    """A column of the first row that has these values, in measurements of one kind; None where there is no such row."""
    rows = (row for result in results if result["what"] == what for table in result["tables"] for row in table["rows"])
    values = (row.get(column) for row in rows if all(row.get(name) == value for name, value in where.items()))
    return next((value for value in values if value is not None), None)


@cache
def read(folder: Path) -> tuple[dict[str, Any], ...]:
    """Every result file of a folder, in the order of their names; they do not change while the lab runs."""
    return tuple(json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json")))


@cache
def digest(weights: Path) -> str:
    """The hash of a weights file as checkpoints and results name it; empty where there is no file."""
    return hashlib.sha256(weights.read_bytes()).hexdigest()[:12] if weights.is_file() else ""
