"""The rows that ablations have left: which of an earlier run stay true, what measured them, and how they are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from diffusion.core import checkpoint
from diffusion.core.errors import StudioError
from training.evaluation.ablations.variants import Ablation, ablations
from training.evaluation.report.results import Row, Table, device_name, fingerprint

SHOWN = ("ablation", "variant", "samples", "bits per token", "± (95%)", "perplexity / human", "distinct-4 / human",
         "copied 4-grams %", "human copied 4-grams %", "verbatim %", "human verbatim %", "seconds", "seconds / first",
         "same texts as first")


def here() -> Row:
    """What measures a row now."""
    return {"device": device_name(torch.device("cpu")), "torch": torch.__version__}


def machines(rows: list[Row]) -> str:
    """What measured the rows: one device; or each with its torch and, in brackets, the ablations that it measured."""
    by: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        names = by.setdefault((str(row["device"]), str(row["torch"])), [])
        if row["ablation"] not in names:
            names.append(str(row["ablation"]))
    if len(by) == 1:
        return next(iter(by))[0]
    return "; ".join(f"{device}, torch {version} ({', '.join(names)})" for (device, version), names in sorted(by.items()))


def read(path: Path, data: Mapping[str, str], judge: str) -> dict[str, Any]:
    """The result of an earlier run on the same data by the same judge; without rows where there is none.

    Raises:
        StudioError: the file is not one of this command's.
    """
    if not path.exists():
        return {}
    try:
        old: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        same = old["data"] == data and old["judge"] == judge
        return old if rows_of(old) and same else {}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StudioError(f"'{path}' is not a result of this command ({type(error).__name__}), so no row of it can be kept. "
                          f"Name another file with --json.") from error


def rows_of(old: Mapping[str, Any]) -> list[Row]:
    """The rows of an earlier result, each with what measured it."""
    return [{"device": old["device"], "torch": old["torch"], **row} for row in old["tables"][0]["rows"]] if old else []


def still_true(row: Row, known: Mapping[str, Ablation]) -> bool:
    """Whether a row's ablation still exists, and the checkpoint that it was measured on still ships."""
    ablation = known.get(str(row["ablation"]))
    if ablation is None or ablation.kind == "trained":
        return ablation is not None
    return shipped_hash(str(row["paper"])) == row["weights"]


def shipped_hash(slug: str) -> str | None:
    """The hash of the bundled checkpoint of that name, None where there is none."""
    weights = checkpoint.BUNDLED / slug / checkpoint.WEIGHTS
    return fingerprint(weights) if weights.is_file() else None


def tables(rows: list[Row]) -> list[Table]:
    """All rows in the order of the ablations, and what each ablation is about."""
    known = ablations(1)
    places = {(name, variant.name): place for place, (name, variant) in enumerate(
        (name, variant) for name, ablation in known.items() for variant in ablation.variants)}
    claimed: list[Row] = [{**row, "claim": known[str(row["ablation"])].claim} for row in rows]
    ordered = sorted(claimed, key=lambda row: places.get((row["ablation"], row["variant"]), len(places)))
    show = [name for name in SHOWN if any(name in row for row in ordered)]
    if any(row.get("strict bound") is False for row in ordered):
        show.insert(show.index("± (95%)") + 1, "strict bound")
    claims: list[Row] = [{"ablation": name, "paper": ablation.paper, "claim": ablation.claim, "source": ablation.source}
                         for name, ablation in known.items() if any(row["ablation"] == name for row in ordered)]
    measured = Table.of("What each part is good for: variants that differ in it alone", ordered, show)
    return [measured, Table.of("What the papers say of it", claims)]
