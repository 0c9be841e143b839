"""Views of runs beside the map of words: a belief in a triangle, digits on a sphere, sentences as points. No gradio here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from diffusion import maps
from ui.plots import geometry
from ui.plots.tokens import plain
from ui.service import assets
from ui.service.run_spec import Order, mistake

if TYPE_CHECKING:
    from diffusion import DiffusionModel, Trace
    from diffusion.core.types import Step
    from ui.service.studio import Studio

HUMAN = assets.MAPS / "sentences.txt"
DIFFUSED = "Words are points of this space, and noise moves them: distance is what rounding goes by."
ENTERS = "These are the vectors by which words enter the network; the noisy states of this paper are words, not points."
Taken = TypeVar("Taken")
Drawn = tuple[dict[str, Any], str]


def about(diffuses: bool) -> str:
    """What the points of a map of words are to their paper, whose noisy states are such points or are not."""
    return DIFFUSED if diffuses else ENTERS


def check(trace: Trace | None, sample: object, position: object) -> tuple[Trace, int, int]:
    """The run with places counted from 0, from a sample and a position counted from 1.

    Raises:
        StudioError: there is no run, or it has no such sample or position.
    """
    if trace is None or not trace.frames:
        raise mistake("There is no run to look at yet. Run one in the first tab.")
    samples, length = trace.ids.shape
    if not (isinstance(sample, int) and 1 <= sample <= samples and isinstance(position, int) and 1 <= position <= length):
        raise mistake(f"This run has {samples} samples of {length} positions; got sample {sample}, position {position}.")
    return trace, sample - 1, position - 1


def again(studio: Studio, trace: Trace, sample: int, take: Callable[[Step], Taken]) -> list[Taken]:
    """What is taken of every step of one sample of a run, by running it again with its own seed: frames keep no states.

    Raises:
        StudioError: the order of the run cannot be read or run, or the text came out otherwise.
    """
    order = Order.from_dict(trace.info.get("order", {}))
    run = studio.start(replace(order, seed=trace.info["seeds"][sample], samples=1, candidates=1))
    taken, ids = [], None
    for step in run.running:
        taken.append(take(step))
        ids = step.ids[0].cpu().numpy()
    if not np.array_equal(ids, trace.ids[sample]):
        raise mistake("The run came out otherwise when it was made again: it was recorded on another speed path, or with another "
                      "checkpoint. Run it here, then follow it.")
    return taken


def triangle(trace: Trace | None, sample: object, position: object, wanted: str = "") -> Drawn:
    """The way of a position's belief among three words: those that are named, else those that it believed in most.

    Raises:
        StudioError: there is no such run, sample or position, or a named word is not one of the run's.
    """
    trace, row, place = check(trace, sample, position)
    words, named = trace.info["words"], wanted.replace(",", " ").split()
    unknown = [word for word in named if word not in words]
    if named and (unknown or len(set(named)) != 3):
        told = f"'{unknown[0][:40]}' is no word of this run's model" if unknown else f"{len(set(named))} words were named"
        raise mistake(f"A triangle has three words, as the model writes them; {told}. Name three, or none for the likeliest.")
    chosen = [words.index(word) for word in named] or geometry.leading(trace.frames, row, place)
    if len(chosen) < 3:
        raise mistake("This position never believed in three words. Choose another position.")
    probs = geometry.belief(trace.frames, row, place, chosen)
    caption = (f"{trace.info['title']}, sample {sample}, position {position}: a corner means to be certain of its word among the "
               f"three, the middle not to know. The larger a point, the more of the whole belief the three words hold. "
               f"Of each step the eight likeliest words are kept; others count as 0.")
    return geometry.simplex(probs, [plain(words[word]) for word in chosen]), caption


def spheres(studio: Studio, trace: Trace | None, sample: object, position: object) -> Drawn:
    """The ways of a position's digits over their sphere.

    Raises:
        StudioError: there is no such run, sample or position, or its paper does not walk on spheres.
    """
    trace, row, place = check(trace, sample, position)
    model = studio.model(trace.info["paper"])
    if not hasattr(model, "digits"):
        raise mistake(f"{model.title} does not walk on spheres. Run RDLM, then look here.")
    points = np.stack(again(studio, trace, row, lambda step: step.state[0, place].float().cpu().numpy()))     # (N, m, b + 1)
    word = int(trace.ids[row, place])
    caption = (f"{model.title}, sample {sample}, position {position}: each digit of the word is a point that walks from the mask "
               f"to its symbol. Of the {points.shape[-1]} axes symbol and mask are kept; the third is the length of all others.")
    return geometry.sphere(points, model.digits[word].tolist(), plain(trace.info["words"][word])), caption


def sentences(studio: Studio, slug: str, traces: Sequence[Trace]) -> Drawn:
    """Human sentences and the texts of runs of a paper in one map, on the two axes along which they differ most.

    Raises:
        StudioError: the paper has no checkpoint, or no vectors of words or sentences.
    """
    model = studio.model(slug)
    groups = {"written by people": [line.strip() for line in HUMAN.read_text(encoding="utf-8").splitlines() if line.strip()]}
    for number, trace in enumerate((trace for trace in traces if trace.info["paper"] == slug), 1):
        groups[f"run {number}"] = [model.vocab.text(row) for row in trace.ids]
    texts = [(name, text) for name, rows in groups.items() for text in rows
             if any(word > 2 for word in model.vocab.encode(text)) and model.vocab.row(text, model.length) is not None]
    vectors, about = _of_sentences(model, [text for _, text in texts])
    projection = maps.pca(vectors, 2)
    data = []
    for place, name in enumerate(groups):
        mine = [index for index, (group, _) in enumerate(texts) if group == name]
        if mine:
            data.append({"type": "scatter", "mode": "markers", "name": name, "customdata": mine,
                         "x": projection.points[mine, 0].round(3).tolist(), "y": projection.points[mine, 1].round(3).tolist(),
                         "text": [plain(texts[index][1]) for index in mine], "hovertemplate": "%{text}<extra></extra>",
                         "marker": {"size": 9, "opacity": 0.85, "symbol": ("circle", "diamond", "square", "x")[place % 4],
                                    "color": f"var(--tdl-c{1 + place % 5}v)"}})
    titles = {f"{axis}axis": {"title": {"text": f"axis {place + 1} ({100 * projection.told[place]:.0f} % of variance)"}}
              for place, axis in enumerate("xy")}
    if len(groups) == 1:
        about += f" None of your runs is by {model.title}: make one under Generate, and it stands here too."
    return {"data": data, "layout": {**titles, "showlegend": True}}, about


def _of_sentences(model: DiffusionModel, texts: Sequence[str]) -> tuple[maps.Array, str]:
    """A vector for each text, (N, D), and what it is."""
    import torch

    if hasattr(model, "codec"):
        rows = [model.vocab.row(text, model.length) for text in texts]
        with torch.no_grad():
            latents = torch.stack([model.codec.encode(row[None].to(model.device))[0] for row in rows])
        return latents.flatten(1).float().cpu().numpy(), "A point is a sentence: the latents that its autoencoder packs it into."
    table, _ = maps.vectors_of(model)
    words = [[word for word in model.vocab.encode(text) if word > 2] for text in texts]
    return np.stack([table[row].mean(0) for row in words]), "A point is a sentence: the mean of the vectors of its words."
