"""Copies the headline numbers of assets/results into the cards of the checkpoints that they measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diffusion.core import checkpoint, model_card
from training.results import Value, cell


def measured(slug: str, results: dict[str, dict[str, Any]]) -> dict[str, Value]:
    """What result files say about a checkpoint: its bars; for the judge, how it reads human text.

    Args:
        slug: of the checkpoint.
        results: contents of the result files by name.
    """
    found: dict[str, Value] = {}
    for result in results.values():
        last = result["tables"][-1]
        tuned = result["options"].get("rows") == "tuning"        # what was chosen by these rows is not reported on them
        if result["paper"] == slug and "met" in last["show"] and not tuned:
            found |= {row["what"]: f"{cell(row['value'])} (bar: {row['bar']})" for row in last["rows"]}
        if slug == "judge" and "judge" in result["checkpoints"]:
            found |= {f"perplexity of {result['tables'][0]['caption'].split(', and as many ')[-1]}": row["perplexity"]
                      for row in result["tables"][0]["rows"] if row.get("sampler") == "human text"}
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
