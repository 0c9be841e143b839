"""What is known and was measured of a checkpoint: its card, the result files that are about it, the cards of judges."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ui.service import assets, facts
from ui.service.facts import RESULTS

BARS = "What it has to reach"    # caption of the tables of bars in result files
TRAINED = {                      # folders of cards besides those of checkpoints, each with the command that fills it
    "Taggers and parsers": (assets.ASSETS / "linguistics", "python -m training linguistics"),
    "Trained controllers": (assets.PROBES, "python -m training controller"),
}
ABLATIONS = "python -m training ablations --data FOLDER"
_FACTS = {"recipe": "Recipe", "dataset": "Data", "rows": "Training texts", "held_out": "Held out for tuning", "steps": "Steps",
          "batch": "Texts a step", "minutes": "Minutes of training", "hardware": "On", "parameters": "Parameters",
          "weights": "Weights", "seed": "Seed", "torch": "torch", "commit": "Commit", "licence_of_data": "Licence of the data"}


@dataclass(frozen=True)
class Table:
    """A table of a result file: caption, the columns worth showing, rows of plain values."""

    caption: str
    show: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Measurement:
    """A result file.

    Attributes:
        file: its name in the domain's results.
        command: what makes it again.
        where: device, speed path, torch and commit, in one line.
        tuned: it served to choose a setting, on rows held out for that, and is not what is reported.
    """

    file: str
    what: str
    command: str
    where: str
    tuned: bool
    tables: Sequence[Table]

    @classmethod
    def of(cls, name: str, result: Mapping[str, Any]) -> Measurement:
        """The measurement of a result file's content."""
        tables = [Table(table["caption"], table["show"], table["rows"]) for table in result["tables"]]
        where = [result["device"], f"path {result['path']}", f"torch {result['torch']}", f"commit {result['commit']}"]
        return cls(name, result["what"], result["command"], " · ".join(where),
                   result.get("options", {}).get("rows", facts.REPORTED) != facts.REPORTED, tables)


def results(folder: Path = RESULTS) -> dict[str, Mapping[str, Any]]:
    """All result files by name, in alphabetical order."""
    return dict(zip((path.stem for path in sorted(folder.glob("*.json"))), facts.read(folder), strict=True))


def of_checkpoint(slug: str, digest: str, folder: Path = RESULTS) -> list[Measurement]:
    """The measurements of one paper's checkpoint: reported ones first. What was measured of other weights does not count."""
    found = [Measurement.of(name, result) for name, result in results(folder).items()
             if result["paper"] == slug and result["checkpoints"].get(slug) == digest]
    return sorted(found, key=lambda measurement: measurement.tuned)


def of_kind(what: str, folder: Path = RESULTS) -> list[Measurement]:
    """All measurements of one kind, whatever they are about."""
    return [Measurement.of(name, result) for name, result in results(folder).items() if result["what"] == what]


def ablations(slug: str, folder: Path = RESULTS) -> list[tuple[Mapping[str, Any], Table, Measurement]]:
    """The measured ablations of a paper: each claim (`ablation`, `claim`, `source`), its rows, and where they come from."""
    found = []
    for measurement in of_kind("ablations", folder):
        rows, claims = measurement.tables[0], measurement.tables[1].rows
        for claim in (claim for claim in claims if claim["paper"] == slug):
            own = [row for row in rows.rows if row["ablation"] == claim["ablation"]]
            shown = [name for name in rows.show if name != "ablation" and any(row.get(name) is not None for row in own)]
            found.append((claim, Table(claim["claim"], shown, own), measurement))
    return found


def card_facts(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a card tells of how a checkpoint came to be, for people."""
    return [(title, plain(card[key])) for key, title in _FACTS.items() if card.get(key) is not None]


def plain(value: Any) -> str:
    """A value of a card or a table as text: numbers with four digits, thousands set apart, nothing where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def trained(folder: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The cards of what was trained besides papers: name and content."""
    return [(path.parent.name, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*/card.json"))]


def scores(card: Mapping[str, Any]) -> Table | None:
    """What a card says was measured: a row for each number, or the card's own rows; None where it says nothing."""
    told = card.get("measured", {})
    if isinstance(told, list):
        columns = list(dict.fromkeys(name for row in told for name in row))
        return Table("On held-out text", columns, told) if told else None
    rows = []
    for part, values in told.items():
        pairs = values.items() if isinstance(values, Mapping) else [("", values)]
        rows += [{"on": part, "measure": name, "value": value} for name, value in pairs]
    if not rows:
        return None
    return Table("On held-out text", [name for name in ("on", "measure", "value") if any(row[name] != "" for row in rows)], rows)
