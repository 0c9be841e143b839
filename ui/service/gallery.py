"""The stored runs that the lab opens on: which there are, how they are made, and how a page lists them.

`python app.py gallery` runs every situation with a fixed seed on the reference path and writes one trace file each, so that
what is shown before a model is loaded is true. A file whose run has not changed stays as it is, to the byte: only how long
the run took differs from time to time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ui.service import assets, noise
from ui.service.run_spec import Order, mistake

if TYPE_CHECKING:
    from ui.service.studio import Studio

TRACES = assets.TRACES
STEPS = 40                       # of all but the opening run: enough to see words settle, few enough to be small
PATH = "fp32"                    # the reference: the same text on every machine
SOURCE = "name[The Vaults], eatType[pub], food[Italian], area[riverside]"
CONTROLS = ("length=14-18", "label=food:Italian,area:riverside")


@dataclass(frozen=True)
class Situation:
    """A stored run: its file's name, its title in the gallery, and what was ordered."""

    name: str
    title: str
    order: Order


def situations(studio: Studio) -> list[Situation]:
    """All that can be rendered with the checkpoints that are here, the page's opening run first."""
    from ui.service.advice import advised  # brings torch along; the command line can be read without

    here = {paper.slug: paper for paper in studio.papers() if paper.available}
    steered = Order(samples=2, seed=5, steps=STEPS, guidance_scale=2.0, controls=CONTROLS, compute=PATH)
    wanted = [
        Situation("opening", "A sentence with a blank", Order(samples=3, seed=5, compute=PATH, controls=(
            "infill=The Vaults is a ___ near Café Rouge .",))),
        Situation("length", "Exactly twelve words", Order(samples=2, seed=7, steps=STEPS, controls=("length=12",), compute=PATH)),
        Situation("label", "Told what to say", Order(samples=2, seed=9, steps=STEPS, guidance_scale=2.0, compute=PATH,
                                                     controls=("label=food:Italian,area:riverside",))),
        Situation("tree", "A syntax tree and its content", advised(Order(samples=2, seed=6, compute=PATH, controls=(
            "semantic=food:Italian", "tree=(S (NP 2) (VP (VBZ) (NP (DT) (JJ) (NN))) (.))")))),
        Situation("pair-steered", "A pair from one noise: steered", steered),
        Situation("pair-free", "A pair from one noise: left alone", Order(samples=2, seed=5, steps=STEPS, compute=PATH)),
    ]
    wanted += [Situation(f"free-{slug}", "Free", Order(paper=slug, samples=2, seed=3, steps=STEPS, compute=PATH)) for slug in here]
    wanted += [Situation(f"source-{slug}", "From a source", advised(Order(paper=slug, samples=1, candidates=3, seed=4, steps=STEPS,
                                                                          source=SOURCE, compute=PATH)))
               for slug, paper in here.items() if paper.source]
    return [situation for situation in wanted if situation.order.paper in here]


def render(studio: Studio, folder: Path = TRACES) -> Iterator[tuple[Path, bool]]:
    """Runs every situation and the playground's example; each file's path, and whether it had to be written.

    Raises:
        StudioError: a run is refused, or a file cannot be written.
    """
    for situation in situations(studio):
        trace = studio.start(situation.order).run()
        studio.results(trace)
        trace.info["stored"] = situation.title
        yield _write(folder / f"{situation.name}.json", trace.to_dict())
    yield _write(folder / noise.STORED.name, noise.shown(studio, noise.SENTENCE))


def _write(path: Path, value: dict[str, Any]) -> tuple[Path, bool]:
    if path.is_file() and timeless(json.loads(path.read_text(encoding="utf-8"))) == timeless(json.loads(json.dumps(value))):
        return path, False
    try:
        path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    except OSError as error:
        raise mistake(f"'{path}' cannot be written ({error.strerror}). Name another folder.") from error
    return path, True


def timeless(value: Any) -> Any:
    """JSON values without what a clock said."""
    if isinstance(value, dict):
        return {name: timeless(item) for name, item in value.items() if name != "seconds"}
    return [timeless(item) for item in value] if isinstance(value, list) else value


# ---- reading

def names(folder: Path = TRACES) -> list[str]:
    """The names of the stored runs of a folder, the opening one first."""
    found = sorted(path.stem for path in folder.glob("*.json") if path.name != noise.STORED.name)
    return sorted(found, key=lambda name: name != "opening")


def path_of(name: str, folder: Path = TRACES) -> Path:
    """The file of a stored run.

    Raises:
        StudioError: there is none of that name.
    """
    from diffusion.core.errors import known_or_raise

    return folder / f"{known_or_raise('stored run', name, names(folder))}.json"


def html(folder: Path = TRACES) -> str:
    """All stored runs of a folder with their texts, each with the link that plays it; every text is escaped."""
    cards = [_card(name, json.loads(path_of(name, folder).read_text(encoding="utf-8"))["info"]) for name in names(folder)]
    return (f'<div class="tdl-sheet"><p class="tdl-where">Recorded with the checkpoints in the box, before you came: nothing is '
            f'loaded to play them.</p><div class="tdl-gallery">{"".join(cards)}</div></div>')


def _card(name: str, info: Mapping[str, Any]) -> str:
    order = info.get("order", {})
    texts = [result["text"] for result in info.get("results", ()) if result.get("rank", 0) == 0]
    asked = [*order.get("controls", ()), *([f"source: {info['source']}"] if info.get("source") else [])]
    return (f'<article><h3>{escape(str(info.get("stored", name)))}</h3><p class="tdl-where">{escape(str(info.get("title", "")))} · '
            f'{escape(str(info.get("sampler", "")))} · {int(info.get("steps", 0))} steps'
            f'{"".join(f" · <code>{escape(item)}</code>" for item in asked)}</p>'
            f'{"".join(f"<blockquote>{escape(text)}</blockquote>" for text in texts)}'
            f'<a href="?trace={quote(name)}">Play this run</a></article>')
