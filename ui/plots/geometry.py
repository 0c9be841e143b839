"""Papers in their own geometry: a belief among three words as a way through a triangle, a digit of RDLM as a way over a sphere.

Pure functions; N steps, m digits, b symbols of a digit. Figures are as plotly.js takes them, with a frame a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from diffusion.core.trace import Frame

Array = np.ndarray[Any, np.dtype[Any]]
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])
GREATEST = 16                    # diameter in pixels of a point whose belief lies on the three words alone
DIGITS = ("var(--tdl-c1v)", "var(--tdl-c2v)", "var(--tdl-c3v)", "var(--tdl-c4v)")


def belief(frames: Sequence[Frame], sample: int, position: int, ids: Sequence[int]) -> Array:
    """What a position believed about some words at every step, (N, len(ids)); 0 where a word was not among the stored eight."""
    return np.array([[float((frame.top_probs[sample, position] * (frame.top_ids[sample, position] == word)).sum()) for word in ids]
                     for frame in frames])


def leading(frames: Sequence[Frame], sample: int, position: int, count: int = 3) -> list[int]:
    """The word that a position came to, then those that it believed in most over all steps."""
    total: dict[int, float] = {}
    for frame in frames:
        for word, prob in zip(frame.top_ids[sample, position].tolist(), frame.top_probs[sample, position].tolist(), strict=True):
            total[word] = total.get(word, 0.0) + prob
    last = int(frames[-1].ids[sample, position])
    return [last, *sorted((word for word in total if word != last), key=lambda word: -total[word])][:count]


def barycentric(weights: Array) -> Array:
    """Where weights (N, 3) of the three corners lie in the triangle, (N, 2); the middle where all are 0."""
    total = weights.sum(-1, keepdims=True)
    shares = np.where(total > 0, weights / np.where(total > 0, total, 1), 1 / 3)
    return shares @ CORNERS


def simplex(probs: Array, names: Sequence[str]) -> dict[str, Any]:
    """The way of a belief (N, 3) among three words; a point's size is what the three hold of the whole belief."""
    points, held = barycentric(probs), np.clip(probs.sum(-1), 0, 1)
    sizes = np.maximum(4, GREATEST * np.sqrt(held))
    outline = CORNERS[[0, 1, 2, 0]]
    texts = [f"step {step + 1}: " + ", ".join(f"{name} {100 * prob:.1f} %" for name, prob in zip(names, row, strict=True))
             + f", other words {100 * (1 - share):.1f} %" for step, (row, share) in enumerate(zip(probs, held, strict=True))]
    data = [{"type": "scatter", "mode": "lines", **_flat(outline), "line": {"color": "var(--tdl-soft)", "width": 1},
             "hoverinfo": "skip", "showlegend": False},
            {"type": "scatter", "mode": "markers+text", **_flat(CORNERS), "text": [f"<b>{name}</b>" for name in names],
             "textposition": ["bottom center", "bottom center", "top center"], "textfont": {"size": 14},
             "marker": {"size": 5, "color": "var(--tdl-text)"}, "hoverinfo": "skip", "showlegend": False, "cliponaxis": False},
            {"type": "scatter", "mode": "lines+markers", "name": "belief, step by step", **_flat(points), "text": texts,
             "hovertemplate": "%{text}<extra></extra>", "line": {"color": "var(--tdl-c1v)", "width": 1.5},
             "marker": {"size": sizes.round(1).tolist(), "color": "var(--tdl-c1v)", "opacity": 0.45, "line": {"width": 0}}},
            {"type": "scatter", "mode": "markers", "name": "now", **_flat(points[:1]), "hoverinfo": "skip",
             "marker": {"size": 15, "color": "var(--tdl-c2v)", "symbol": "diamond"}}]
    hidden = {"visible": False, "fixedrange": False}
    layout = {"xaxis": {**hidden, "range": [-0.25, 1.25]}, "yaxis": {**hidden, "range": [-0.12, 1.0], "scaleanchor": "x"}}
    frames = [{"name": text.split(",")[0], "traces": [3], "data": [_flat(points[step:step + 1])]}
              for step, text in enumerate(texts)]
    return {"data": data, "layout": layout, "frames": frames}


def on_sphere(points: Array, symbols: Sequence[int]) -> Array:
    """Points (N, m, b + 1) seen from their digit's symbol, (N, m, 3): along the symbol, along all other symbols together, along
    the mask. The length is kept, so that a point of the sphere stays one, with its angles to symbol and mask."""
    seen = []
    for digit, symbol in enumerate(symbols):
        own, mask = points[:, digit, symbol], points[:, digit, -1]
        rest = np.delete(points[:, digit, :-1], symbol, -1)
        seen.append(np.stack([own, np.linalg.norm(rest, axis=-1), mask], -1))
    return np.stack(seen, 1)


def sphere(points: Array, symbols: Sequence[int], word: str) -> dict[str, Any]:
    """The ways of a word's digits (N, m, b + 1) over the sphere, from the mask to their symbols, with the shortest way between."""
    seen = on_sphere(points, symbols)
    around, up = np.meshgrid(np.linspace(0, np.pi, 25), np.linspace(0, np.pi, 25))
    shell = np.stack([np.cos(around) * np.sin(up), np.sin(around) * np.sin(up), np.cos(up)], -1)
    arc = np.linspace(0, np.pi / 2, 30)
    straight = np.stack([np.sin(arc), np.zeros_like(arc), np.cos(arc)], -1)
    data: list[dict[str, Any]] = [
        {"type": "surface", **{axis: shell[..., place].round(3).tolist() for place, axis in enumerate("xyz")}, "opacity": 0.25,
         "showscale": False, "hoverinfo": "skip", "colorscale": [[0, "var(--tdl-c1v)"], [1, "var(--tdl-c1v)"]]},
        {"type": "scatter3d", "mode": "lines", "name": "shortest way", **_solid(straight), "hoverinfo": "skip",
         "line": {"color": "var(--tdl-soft)", "width": 3, "dash": "dash"}},
        {"type": "scatter3d", "mode": "markers+text", **_solid(np.array([[1.0, 0, 0], [0, 0, 1.0]])), "text": ["symbol", "mask"],
         "textposition": "top center", "marker": {"size": 4, "color": "var(--tdl-text)"}, "hoverinfo": "skip", "showlegend": False}]
    for digit, symbol in enumerate(symbols):
        data.append({"type": "scatter3d", "mode": "lines+markers", "name": f"digit {digit + 1} of '{word}': {symbol}",
                     **_solid(seen[:, digit]), "line": {"color": DIGITS[digit % len(DIGITS)], "width": 4},
                     "marker": {"size": 2.5, "color": DIGITS[digit % len(DIGITS)]},
                     "text": [f"step {step + 1}" for step in range(len(seen))], "hovertemplate": "%{text}<extra></extra>"})
    first = len(data)
    data += [{"type": "scatter3d", "mode": "markers", "showlegend": False, "hoverinfo": "skip", **_solid(seen[:1, digit]),
              "marker": {"size": 8, "color": DIGITS[digit % len(DIGITS)]}} for digit in range(len(symbols))]
    frames = [{"name": f"step {step + 1}", "traces": list(range(first, len(data))),
               "data": [_solid(seen[step:step + 1, digit]) for digit in range(len(symbols))]} for step in range(len(seen))]
    titles = {axis: {"title": {"text": title}, "range": [-1.1, 1.1]} for axis, title in
              (("xaxis", "its symbol"), ("yaxis", "other symbols"), ("zaxis", "mask"))}
    scene = {**titles, "aspectmode": "cube", "camera": {"eye": {"x": 1.2, "y": 1.5, "z": 0.8}}}
    return {"data": data, "layout": {"scene": scene, "margin": {"l": 0, "r": 0, "t": 0, "b": 0}}, "frames": frames}


def _flat(points: Array) -> dict[str, list[float]]:
    return {axis: points[:, place].round(4).tolist() for place, axis in enumerate("xy")}


def _solid(points: Array) -> dict[str, list[float]]:
    return {axis: points[:, place].astype("f8").round(4).tolist() for place, axis in enumerate("xyz")}
