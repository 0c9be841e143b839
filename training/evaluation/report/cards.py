"""Copies the headline numbers of the domain's results into the cards of the checkpoints that they measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diffusion.core import checkpoint, model_card
from training.evaluation.likelihood.measure import BITS, NO_BOUND
from training.evaluation.quality.measure import HUMAN
from training.evaluation.report import table
from training.evaluation.report.results import BARS, Value, cell


def measured(slug: str, results: dict[str, dict[str, Any]]) -> dict[str, Value]:
    """What result files say about a checkpoint: its bars and its bits; for the judge, how it reads human text.

    What was chosen on the rows for tuning is not reported on them.

    Args:
        slug: of the checkpoint.
        results: contents of the result files by name.
    """
    found: dict[str, Value] = {}
    for result in (result for result in results.values() if not table.tuned(result)):
        given = [row for each in result["tables"] if each["caption"] == BARS for row in each["rows"]]
        if result["paper"] == slug:
            found |= {row["what"]: f"{cell(row['value'])} (bar: {row['bar']})" for row in given}
        if slug == "judge" and result["what"] == "quality, free":
            found |= {f"perplexity of {row.get('texts', '')} human texts".replace("  ", " "): row["perplexity"]
                      for row in result["tables"][0]["rows"] if row["sampler"] == HUMAN}
    for row in table.rows(results, "likelihood", slug):
        for name in (BITS, NO_BOUND):
            if name in row:
                found[f"{name}, slots {row['slots']}, {row['texts']} texts"] = f"{cell(row[name])} ± {cell(row['± (95%)'])}"
    return found


def fill(folder: Path, results: dict[str, dict[str, Any]]) -> bool:
    """Draws the card of a checkpoint folder anew with what was measured; returns whether anything changed."""
    opened = checkpoint.read(folder)
    card = {**opened.card, "measured": measured(opened.slug, results)}
    texts = {checkpoint.CARD: json.dumps(card, indent=1, ensure_ascii=False) + "\n",
             "README.md": model_card.render(opened.slug, len(opened.vocab), opened.labels.slots, card)}
    changed = False
    for name, text in texts.items():
        changed |= (folder / name).read_text(encoding="utf-8") != text
        (folder / name).write_text(text, encoding="utf-8")
    return changed
