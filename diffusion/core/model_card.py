"""The README.md of a checkpoint: front-matter for the Hub, and what a reader has to know, drawn from the card."""

from __future__ import annotations

from typing import Any

_FACTS = {"recipe": "recipe", "data": "data", "rows": "training rows", "left_out": "rows left out, too long",
          "held_out": "training rows held out for tuning", "steps": "steps", "batch": "batch", "minutes": "minutes",
          "hardware": "hardware", "torch": "torch", "commit": "commit", "seed": "seed", "parameters": "parameters",
          "weights": "weights", "init_from": "started from"}
_TAGS = ("text-diffusion", "text-generation", "controllable-generation", "data-to-text")


def render(slug: str, words: int, slots: dict[str, tuple[str, ...]], card: dict[str, Any]) -> str:
    """The model card as Markdown.

    Args:
        slug: what kind of model it is.
        words: size of its vocabulary, specials included.
        slots: its slots and their values.
        card: how it was trained; may be empty.
    """
    told = [f"| {title} | {_shown(card[key])} |" for key, title in _FACTS.items() if card.get(key) is not None]
    measured = [f"| {key} | {_shown(value)} |" for key, value in card.get("measured", {}).items()]
    valid = [line["valid"] for line in card.get("curve", ()) if "valid" in line]
    parts = [
        _front_matter(slug, card),
        f"# {slug}, a model of Text Diffusion Lab",
        f"It writes short English texts like those it was trained on, with {words - 3:,} words, and can be told any of "
        f"{len(slots)} slots: {', '.join(slots)}. `card.json` holds all that is below, and the training curve.",
        _use(slug),
        "## How it was trained",
        _table("setting", told) if told else "Nothing is recorded about its training.",
        f"Validation loss of the EMA weights, from first to last: {valid[0]} … {valid[-1]}." if len(valid) > 1 else "",
        "## Measured\n\n" + _table("what", measured) if measured else "",
        "## Limits\n\nIt knows no word outside its vocabulary, no subject but that of its data and no text longer than "
        "its number of positions. What it says is invented: names, ratings and prices are no facts about any place. It "
        "repeats habits of the people who wrote the data, and may leave out or add to what it was told to say.",
        "## Licence and data\n\nCode and weights: Apache-2.0. Data: "
        + (card.get("licence_of_data") or "see the data that it was trained on") + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(slug: str, card: dict[str, Any]) -> str:
    datasets = ["datasets:", f"- {card['dataset']}"] if card.get("dataset") else []
    return "\n".join(["---", "license: apache-2.0", "language: en", "library_name: text-diffusion-lab",
                      "pipeline_tag: text-generation", *datasets, "tags:",
                      *(f"- {tag}" for tag in (*_TAGS, slug)), "---"])


def _use(slug: str) -> str:
    code = "model = diffusion.load('FOLDER')                 # or its name on the Hub\n" \
           "trace = diffusion.generate(model, diffusion.Request(seeds=(1, 2, 3), length=model.length)).run()\n" \
           "print([model.vocab.text(row) for row in trace.ids])"
    if slug == "judge":
        return "It judges how fluent finished texts are; it stands in no comparison and steers nothing."
    return f"```python\nimport diffusion\n\n{code}\n```"


def _table(head: str, lines: list[str]) -> str:
    return "\n".join([f"| {head} | value |", "| --- | --- |", *lines])


def _shown(value: Any) -> str:
    """A value in a cell of a table; separators of the table are taken out."""
    if isinstance(value, dict):
        value = ", ".join(f"started from: {_shown(item)}" if key == "init_from" else f"{key} {item}"
                          for key, item in value.items() if item is not None)
    text = f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)
    return text.replace("|", "/").replace("\n", " ")
