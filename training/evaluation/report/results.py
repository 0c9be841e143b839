"""Measured results as JSON: what was measured and by what, in tables that the terminal, docs/results and the app show.

A result file names the command, commit, seeds, device, torch, speed path, the hash of every checkpoint that took part,
the slot matcher's fingerprint and the data's; `tables` hold rows of plain values.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from controllers.matchers.slot_matcher import FINGERPRINT
from diffusion.core.compute import processor
from diffusion.text import domain

ROOT = Path(__file__).resolve().parents[3]
RESULTS = domain.bundled().results
BARS = "What it has to reach"            # caption of every table of bars
DIGITS = 4
Value = float | int | str | bool | None
Row = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain values under a caption; `show` names the columns that docs/results and the terminal have room for."""

    caption: str
    rows: list[Row]
    show: list[str]

    @classmethod
    def of(cls, caption: str, rows: Sequence[Row], show: Sequence[str] = ()) -> Table:
        """A table whose numbers are rounded to four significant digits, all columns shown unless some are named."""
        rounded = [{name: round_off(value) for name, value in row.items()} for row in rows]
        return cls(caption, rounded, list(show) or list(rows[0]))


def round_off(value: Value) -> Value:
    """A number to four significant digits; anything else as it is."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that a measured value has to reach; either limit may be open."""

    what: str
    value: float
    low: float | None = None
    high: float | None = None

    def row(self) -> Row:
        """The bar as a row of a table."""
        met = (self.low is None or self.value >= self.low) and (self.high is None or self.value <= self.high)
        limits = [f"at least {self.low:.4g}"] if self.low is not None else []
        limits += [f"at most {self.high:.4g}"] if self.high is not None else []
        return {"what": self.what, "value": self.value, "bar": " and ".join(limits), "met": met}


def bars(*given: Bar) -> Table:
    """The table of all bars of a measurement."""
    return Table.of(BARS, [bar.row() for bar in given])


@dataclass(frozen=True, slots=True)
class Result:
    """A measurement with all that is needed to repeat it.

    Attributes:
        what: the measurement's name; `paper` the slug of the model that was measured.
        seeds: what was drawn by which seeds.
        path: the speed path in use, or all that were compared.
        checkpoints: hash of every checkpoint that took part, by slug; "untrained" for random weights.
    """

    what: str
    paper: str
    command: str
    seeds: dict[str, Value]
    device: str
    path: str
    checkpoints: dict[str, str]
    tables: list[Table]
    options: dict[str, Any] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values, with what is the same for all results of this machine and tree."""
        values = asdict(self)
        tables = values.pop("tables")
        return {**values, "commit": commit(), "date": datetime.now(UTC).date().isoformat(), "torch": torch.__version__,
                "machine": {"processor": processor(), "threads": torch.get_num_threads()},
                "matcher": FINGERPRINT, "judge": self.checkpoints.get("judge"), "tables": tables}

    def save(self, path: Path) -> None:
        """Writes the result as one JSON file, whole or not at all: a run that is killed leaves the file before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        new.replace(path)


def command_line(arguments: Sequence[str], command: str = "evaluate") -> str:
    """The command as a person would type it; of paths only the last part, since folders differ between machines."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in arguments]
    return shlex.join(["python", "-m", "training", command, *words])


def commit() -> str:
    """The commit of the tree, followed by `+changes` where code differs from it; 'unknown' outside a clone."""
    name = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "diffusion", "controllers", "training")
    return (name + ("+changes" if changed else "")) or "unknown"


def _git(*arguments: str) -> str:
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    except OSError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def device_name(device: torch.device) -> str:
    """A device in words: the processor, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type}: {processor()}"


def fingerprint(path: Path) -> str:
    """The first 12 hexadecimal digits of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def load_all(folder: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """All result files of a folder by their name, in alphabetical order."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def cell(value: Value) -> str:
    """A value as it stands in a table."""
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if value is None:
        return "–"
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def markdown(table: dict[str, Any]) -> str:
    """A table of a result file as Markdown."""
    lines = [f"| {' | '.join(table['show'])} |", "|" + " --- |" * len(table["show"])]
    lines += [f"| {' | '.join(cell(row.get(name)) for name in table['show'])} |" for row in table["rows"]]
    return "\n".join([f"**{table['caption']}**", "", *lines])
