"""Measures the slot matcher on human text: how often it finds what its labels say, and what else it claims.

    python -m training.evaluation.control.matcher valid.csv
"""

import csv
import json
import re
import sys
from pathlib import Path

from controllers.matchers.slot_matcher import FINGERPRINT, SAME_LEVEL, SLOTS, VALUES, named_values

_PAIR = re.compile(r"([^,\[\]]+)\[([^\]]*)\]")
Row = tuple[dict[str, str], str]  # (slot -> value, human text)


def read_rows(data: Path) -> list[Row]:
    """Rows of a CSV file with the columns `mr` ("slot[value], ...") and `ref` (a human text)."""
    with data.open(encoding="utf-8", newline="") as file:
        return [({slot.strip(): value for slot, value in _PAIR.findall(row["mr"])}, row["ref"])
                for row in csv.DictReader(file)]  # fmt: skip


def percent(part: float, whole: int) -> float | None:
    """A share in percent to two decimals; None where there is nothing to share."""
    return round(100 * part / whole, 2) if whole else None


def measure(rows: list[Row], slot: str) -> dict[str, float | int | None]:
    """Measure one slot.

    Returns:
        rows: how many rows have the slot in their meaning representation; all shares below are in percent.
        recall: of these rows, the share whose value is named in the text.
        recall_level: the same, where the other scale's word for the level counts too ("cheap" for "less than £20").
        wrong_value: over these rows and the slot's other values, the share that is claimed named.
        wrong_level: the same without the other scale's word for the row's own level.
        invented: of the rows without the slot, the share where any of its values is claimed named.
    """
    others = len(VALUES[slot]) - 1
    twins = SAME_LEVEL.get(slot, {})
    twins = twins | {number: word for word, number in twins.items()}
    told = [(mr[slot], set(named_values(text, slot))) for mr, text in rows if slot in mr]
    untold = [named_values(text, slot) for mr, text in rows if slot not in mr]
    pairs = len(told) * others
    return {
        "rows": len(told),
        "recall": percent(sum(value in found for value, found in told), len(told)),
        "recall_level": percent(sum(bool(found & {value, twins.get(value)}) for value, found in told), len(told)),
        "wrong_value": percent(sum(len(found - {value}) for value, found in told), pairs),
        "wrong_level": percent(sum(len(found - {value, twins.get(value)}) for value, found in told), pairs),
        "invented": percent(sum(bool(found) for found in untold), len(untold)),
    }


def run(data: Path) -> dict[str, object]:
    """Measure the matcher on a CSV file of rows; per slot the shares that `measure` explains, in percent."""
    rows = read_rows(data)
    return {
        "matcher": FINGERPRINT,
        "texts": len(rows),
        "slots": {slot: measure(rows, slot) for slot in SLOTS},
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Expected one argument, the CSV file to measure on: python -m training.evaluation.control.matcher valid.csv")
    json.dump(run(Path(sys.argv[1])), sys.stdout, indent=2, ensure_ascii=False)
