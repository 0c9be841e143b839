"""Rows of a long measurement, written down one by one: an interrupted run keeps what it has, and the next goes on from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusion.core.errors import StudioError
from training.evaluation.report.results import Result, Row, Table, commit, round_off

# What must be the same for a row of an earlier run to stand beside new ones.
SAME = ("what", "paper", "checkpoints", "path", "data", "matcher", "torch")


@dataclass
class Ledger:
    """The rows measured so far. With a path, the result file is written anew after every row.

    Attributes:
        blank: the result without its tables; None where nothing is written.
        tables: the tables of a result from its rows; the first of them holds all rows.
    """

    blank: Result | None = None
    tables: Callable[[list[Row]], list[Table]] | None = None
    path: Path | None = None
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path | None, blank: Result, tables: Callable[[list[Row]], list[Table]], anew: bool) -> Ledger:
        """A ledger that goes on from the rows of the file at `path`, if they are of the same checkpoints, data and path.

        Raises:
            StudioError: the file is not a result file.
        """
        if path is None or anew or not path.exists():
            return cls(blank, tables, path)
        old = _read(path)
        now = blank.to_dict()
        if any(old.get(name) != now[name] for name in SAME) or old["options"].get("rows") != now["options"].get("rows"):
            return cls(blank, tables, path)
        earlier = [*old["options"].get("earlier", ()), old["command"]]
        kept = [{"commit": old["commit"], **row} for row in old["tables"][0]["rows"]]
        others = [command for command in dict.fromkeys(earlier) if command != blank.command]
        return cls(dataclasses.replace(blank, options={**blank.options, "earlier": others}), tables, path, kept)

    def find(self, key: Row) -> Row | None:
        """The row with these values, if it has been measured."""
        wanted = {name: round_off(value) for name, value in key.items()}
        return next((row for row in self.rows
                     if all(name in row and round_off(row[name]) == value for name, value in wanted.items())), None)

    def row(self, key: Row, measure: Callable[[], Row]) -> Row:
        """The row with the values of `key`: the one that is there, else `measure` gives the rest of it and it is written."""
        found = self.find(key)
        if found is None:
            found = {**key, **measure(), "commit": commit()}
            self.rows.append(found)
            if self.path is not None and self.blank is not None and self.tables is not None:
                dataclasses.replace(self.blank, tables=self.tables(self.rows)).save(self.path)
        return found


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value["options"], dict) and isinstance(value["tables"][0]["rows"], list):
            return value
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        pass
    raise StudioError(f"'{path}' is not a result file, so no rows can be kept from it. "
                      f"Name another file with --json, or measure all rows again with --anew.")
