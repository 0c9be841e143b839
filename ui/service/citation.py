"""How a run is cited: a sentence, a BibTeX entry and JSON, each with all that it takes to get the same text again.

`LINK` stands for the link's address until a page or a server that knows its own address puts it there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ui.service.lessons import LESSONS

LINK = "{link}"
_SPECIAL = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "%": r"\%", "&": r"\&", "#": r"\#", "_": r"\_", "$": r"\$",
            "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def cite(info: Mapping[str, Any]) -> dict[str, str]:
    """The citation of a run from its trace's info, as `text`, `bibtex` and `json`."""
    order, seeds = dict(info.get("order", {})), list(info.get("seeds", ()))
    title, lesson = str(info.get("title") or info.get("paper", "")), LESSONS.get(str(info.get("kind") or info.get("paper", "")))
    asked = "; ".join([*(str(control) for control in order.get("controls", ())),
                       *([f"source {info['source']}"] if info.get("source") else [])]) or "no controls"
    facts = {"sampler": f"{info.get('sampler')}, {info.get('steps')} steps", "seeds": _spoken(seeds), "asked for": asked,
             "checkpoint": info.get("checkpoint"), "path": info.get("path"), "torch": info.get("torch"),
             "version": info.get("version")}
    told = [f"{name} {value}" for name, value in facts.items() if name not in ("version", "asked for") and value]
    text = (f"A run of {title} in Text Diffusion Lab {facts['version'] or ''}: {asked}; {', '.join(told)}. {LINK}")
    if lesson and lesson.arxiv:
        text += f" The method: {lesson.paper}, arXiv {lesson.arxiv}."
    note = "; ".join(f"{name}: {value}" for name, value in facts.items() if value)
    bibtex = (f"@misc{{tdl-{_key(info)},\n  title = {{A run of {_latex(title)} in Text Diffusion Lab}},\n"
              f"  note = {{{_latex(note)}}},\n  howpublished = {{\\url{{{LINK}}}}}\n}}")
    values = {"order": order, "seeds": seeds, **{name: info.get(name) for name in (
        "paper", "sampler", "steps", "checkpoint", "path", "torch", "version")}, "link": LINK}
    return {"text": " ".join(text.split()), "bibtex": bibtex, "json": json.dumps(values, ensure_ascii=False, indent=1)}


def _spoken(seeds: list[int]) -> str:
    """Seeds in few words: a range where they are one."""
    if len(seeds) > 1 and seeds == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _key(info: Mapping[str, Any]) -> str:
    seeds = info.get("seeds") or [0]
    return f"{info.get('paper', 'run')}-{info.get('checkpoint', 'none')}-{seeds[0]}"


def _latex(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
