"""The space that a model's words live in: neighbours, colours, and the path of a position from noise to its word.

Pure functions on arrays; V words, D width, N steps, L positions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffusion.maps import Array, Projection

MOST_GROUPS = 10                 # that get a colour of their own; smaller ones are "other"
SPECIALS = 3                     # PAD, END and UNK come first in every vocabulary
PALETTE = tuple(f"var(--tdl-p{place})" for place in range(MOST_GROUPS))      # colours that the style sheets tell, light and dark
TAGS = {"ADJ": "adjective", "ADP": "preposition", "ADV": "adverb", "AUX": "auxiliary", "CCONJ": "conjunction", "DET": "determiner",
        "INTJ": "interjection", "NOUN": "noun", "NUM": "number", "PART": "particle", "PRON": "pronoun", "PROPN": "name",
        "PUNCT": "punctuation", "SCONJ": "subordinator", "SYM": "symbol", "VERB": "verb", "X": "no class"}
RISING = [[0, "#4a6fb0"], [0.5, "#b0609a"], [1, "#f08c3a"]]     # few to many: read on a light page and on a dark one


@dataclass(frozen=True)
class WordSpace:
    """The vectors of a paper's words.

    Attributes:
        vectors: (V, D).
        about: what these vectors are to the paper, as a sentence.
        diffuses: whether the paper's noisy states are vectors of this space, so that a position has a path through it.
    """

    words: tuple[str, ...]
    vectors: Array
    about: str
    diffuses: bool


def distances(vectors: Array, table: Array) -> Array:
    """Euclidean distances of vectors (N, D) to the words (V, D), (N, V)."""
    squares = (vectors**2).sum(-1, keepdims=True) - 2 * vectors @ table.T + (table**2).sum(-1)
    return np.sqrt(np.clip(squares, 0, None))


def neighbours(space: WordSpace, vector: Array, count: int = 8) -> list[tuple[str, float]]:
    """The nearest words of a vector (D,), with their distances; UNK is none."""
    far = distances(vector[None], space.vectors)[0]
    far[SPECIALS - 1] = np.inf
    return [(space.words[index], float(far[index])) for index in np.argsort(far, kind="stable")[:count]]


@dataclass(frozen=True)
class Course:
    """How the vectors of one sample went: noisy x (N, L, D), predicted x0_hat (N, L, D), words ids (N, L), times t (N,)."""

    x: Array
    x0_hat: Array
    ids: Array
    times: tuple[float, ...] = field(default=())


def journey(space: WordSpace, path: Course, position: int) -> dict[str, Any]:
    """What one position's vectors are nearest to at every step: ids (N,), and distances (N,), of x and of x0_hat."""
    found: dict[str, Any] = {}
    for name, vectors in (("x", path.x), ("x0_hat", path.x0_hat)):
        far = distances(vectors[:, position].astype("f4"), space.vectors)
        far[:, SPECIALS - 1] = np.inf
        found[name] = far.argmin(-1)
        found[f"{name} distance"] = far.min(-1)
    return found


# ---- colours


def by_slot(words: Sequence[str], slots: Mapping[str, Sequence[str]]) -> list[str]:
    """For each word the slot whose values it is part of; empty for none or for several."""
    found: dict[str, set[str]] = {}
    for slot, values in slots.items():
        for value in values:
            for word in value.casefold().split():
                found.setdefault(word, set()).add(slot)
    told = [found.get(word.casefold(), set()) for word in words]
    return [next(iter(slots_)) if len(slots_) == 1 else "" for slots_ in told]


def by_tag(log_lexicon: Array, tags: Sequence[str]) -> list[str]:
    """For each word its most frequent part of speech in plain words, from log p(tag | word) (V, T); specials have none."""
    named = [f"{TAGS[tag]} ({tag})" if tag in TAGS else tag for tag in tags]
    return ["" if index < SPECIALS else named[best] for index, best in enumerate(log_lexicon.argmax(-1).tolist())]


# ---- figures, as plotly.js takes them


def figure(words: Sequence[str], projection: Projection, groups: Sequence[str] = (), counts: Sequence[int] = (),
           chosen: Sequence[int] = (), run: Sequence[int] = ()) -> dict[str, Any]:
    """The map: a point a word; words that were searched are large, words of the run have a ring.

    Args:
        groups: of the words, a colour each.
        counts: of the words, coloured by their logarithm; instead of groups.
    """
    solid = projection.points.shape[1] == 3
    data = _graded(words, projection, counts) if any(counts) else _grouped(words, projection, groups or [""] * len(words))
    ring = {"size": 11, "color": "rgba(0,0,0,0)", "line": {"width": 2, "color": "var(--tdl-pin)"}}
    diamond = {"size": 13, "color": "var(--tdl-no)", "symbol": "diamond"}
    for name, places, marker in (("in the run", run, ring), ("found", chosen, diamond)):
        if places:
            data.append({**_points(words, projection, list(places), name, ""), "marker": marker, "mode": "markers+text",
                         "textposition": "top center"})
    axis = [f"axis {place + 1}" + (f" ({100 * share:.0f} % of variance)" if projection.told else "")
            for place, share in enumerate(projection.told or (0.0,) * projection.points.shape[1])]
    if not solid:
        return {"data": data, "layout": {"margin": {"l": 56, "r": 12, "t": 12, "b": 44}, **{
            f"{key}axis": {"title": {"text": title}, "automargin": False, "range": _span(projection.points[:, place])}
            for place, (key, title) in enumerate(zip("xy", axis, strict=True))}}}
    scene = {**{f"{key}axis": {"title": {"text": title}} for key, title in zip("xyz", axis, strict=True)}, "aspectmode": "cube",
             "camera": {"eye": {"x": 1.6, "y": 1.6, "z": 1.0}, "center": {"x": 0, "y": 0, "z": -0.12}}}
    return {"data": data, "layout": {"scene": scene, "margin": {"l": 0, "r": 0, "t": 0, "b": 0}}}


def _span(values: Array) -> list[float]:
    low, high = float(values.min()), float(values.max())
    room = 0.06 * (high - low)
    return [round(low - room, 3), round(high + room, 3)]


def _grouped(words: Sequence[str], projection: Projection, groups: Sequence[str]) -> list[dict[str, Any]]:
    large = Counter(name for name in groups if name).most_common(MOST_GROUPS)           # colours that can be told apart
    names = sorted(name for name, _ in large)
    groups = [name if name in names else "" for name in groups]
    return [_points(words, projection, [index for index, group in enumerate(groups) if group == name and index != SPECIALS - 1],
                    name or "other", PALETTE[names.index(name) % len(PALETTE)] if name else "var(--tdl-soft)")
            for name in (*names, "")]


def _graded(words: Sequence[str], projection: Projection, counts: Sequence[int]) -> list[dict[str, Any]]:
    places = [index for index in range(len(words)) if index != SPECIALS - 1]
    seen, never = [index for index in places if counts[index]], [index for index in places if not counts[index]]
    top = math.log10(max(counts))
    ticks = list(range(math.floor(top) + 1))
    bar = {"title": {"text": "times in the<br>training texts", "font": {"size": 11, "color": "var(--tdl-soft)"}}, "thickness": 12,
           "len": 0.7, "y": 0, "yanchor": "bottom", "outlinewidth": 0, "tickvals": ticks,
           "ticktext": [f"{10**tick:,}" for tick in ticks], "tickfont": {"size": 11, "color": "var(--tdl-soft)"}}
    drawn = _points(words, projection, seen, "in the training texts", "")
    drawn["marker"] |= {"color": [round(math.log10(counts[index]), 3) for index in seen], "cmin": 0, "cmax": round(top, 3),
                        "colorscale": RISING, "colorbar": bar, "opacity": 0.85}
    drawn |= {"hovertext": [f"{words[index]}: {counts[index]:,} times" for index in seen], "showlegend": False,
              "hovertemplate": "%{hovertext}<extra></extra>"}
    return [drawn, _points(words, projection, never, "never", "var(--tdl-line)")] if never else [drawn]


def _points(words: Sequence[str], projection: Projection, places: list[int], name: str, colour: str) -> dict[str, Any]:
    points = projection.points[places]
    axes, solid = _axes(points), points.shape[1] == 3
    return {"type": "scatter3d" if solid else "scatter", "mode": "markers", "name": name,
            "text": [words[place] for place in places], "customdata": places, "hovertemplate": "%{text}<extra></extra>", **axes,
            "marker": {"size": 3 if solid else 6, "color": colour, "opacity": 0.75}}


def with_path(drawn: dict[str, Any], space: WordSpace, projection: Projection, path: Course, position: int) -> dict[str, Any]:
    """The map with the way of a position: noisy points in grey, predictions in colour, a frame a step for where both stand."""
    told = journey(space, path, position)
    x = projection.place(path.x[:, position].astype("f4"), told["x"])
    predicted = projection.place(path.x0_hat[:, position].astype("f4"), told["x0_hat"])
    kind = "scatter3d" if x.shape[1] == 3 else "scatter"
    lines = [("noisy x_t", x, told["x"], "var(--tdl-soft)"), ("prediction x0_hat", predicted, told["x0_hat"], "var(--tdl-no)")]
    data = [{"type": kind, "mode": "lines+markers", "name": name, "line": {"color": colour, "width": 2},
             "marker": {"size": 3, "color": colour}, "hovertemplate": "%{text}<extra></extra>", **_axes(points),
             "text": [f"step {step + 1}: nearest to {space.words[index]}" for step, index in enumerate(nearest)]}
            for name, points, nearest, colour in lines]
    now = [{"type": kind, "mode": "markers", "showlegend": False, "hoverinfo": "skip", **_axes(points[:1]),
            "marker": {"size": 8 if kind == "scatter3d" else 13, "color": colour}} for _, points, _, colour in lines]
    first = len(drawn["data"]) + len(data)
    frames = [{"name": f"step {step + 1}: {space.words[int(told['x0_hat'][step])]}", "traces": [first, first + 1],
               "data": [_axes(points[step:step + 1]) for _, points, _, _ in lines]} for step in range(len(x))]
    layout = {key: {name: value for name, value in part.items() if name != "range"} for key, part in drawn["layout"].items()}
    return {**drawn, "data": [*drawn["data"], *data, *now], "layout": layout, "frames": frames}         # noise lies far outside


def _axes(points: Array) -> dict[str, Any]:
    return {key: np.round(points[:, axis].astype("f8"), 3).tolist() for axis, key in enumerate("xyz"[: points.shape[1]])}
