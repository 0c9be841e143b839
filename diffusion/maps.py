"""Maps of a model's words: their vectors brought into the plane or into space by PCA, UMAP and t-SNE, and kept in a small file.

V words, D width of their vectors, K dimensions of a map.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from diffusion.core.errors import StudioError
from diffusion.text import domain

if TYPE_CHECKING:
    from diffusion.core.model import DiffusionModel

BUNDLED = domain.bundled().maps
METHODS = {"umap": "UMAP", "tsne": "t-SNE"}
SEED = 42
DIGITS = 3                       # decimal places of the largest extent that a file keeps: a thousandth of it is under a pixel
Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Projection:
    """Points (V, K) of the words; `centre` (D,) and `axes` (D, K) of a linear one, which also places vectors that are no word's.

    Attributes:
        told: share of the variance that each axis tells; empty for maps that are not linear.
    """

    points: Array
    centre: Array | None = None
    axes: Array | None = None
    told: tuple[float, ...] = ()

    def place(self, vectors: Array, nearest: Array) -> Array:
        """Where vectors (N, D) lie: by the axes, or where a map has none at their nearest words, given as (N,) places."""
        return self.points[nearest] if self.axes is None else (vectors - self.centre) @ self.axes


def vectors_of(model: DiffusionModel) -> tuple[Array, bool]:
    """The vectors of a model's words (V, D), and whether its noisy states are vectors of their space.

    Raises:
        StudioError: it has none.
    """
    count = len(model.vocab)
    with torch.no_grad():
        if callable(getattr(model, "table", None)):
            return model.table().float().cpu().numpy(), True
        weight = getattr(getattr(model, "embedding", None), "weight", None)
        if weight is not None and count <= len(weight) <= count + 1:
            return weight[:count].float().cpu().numpy(), False
    raise StudioError(f"{model.title} keeps no vector for a single word, so there is no map of its words. "
                      f"Choose Diffusion-LM, SeqDiffuSeq or SEDD.")


def pca(vectors: Array, count: int) -> Projection:
    """The axes of largest variance, each with the sign that makes its largest entry positive."""
    centre = vectors.mean(0)
    _, sizes, rows = np.linalg.svd(vectors - centre, full_matrices=False)
    axes = rows[:count].T
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    return Projection((vectors - centre) @ axes, centre, axes, tuple(float(size) for size in (sizes**2 / (sizes**2).sum())[:count]))


def fit(vectors: Array, name: str, progress: Callable[[float], None] | None = None) -> Array:
    """A map that is not linear, (V, K), always the same for the same vectors.

    Args:
        name: of method and dimensions: "umap2", "umap3", "tsne2" or "tsne3".
        progress: told the share of the epochs that is done, by UMAP; t-SNE tells none.
    """
    method, dimensions, count = name[:-1], int(name[-1]), len(vectors)
    if method == "tsne":
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):                       # threads that wait for each other take minutes on a busy machine
            return TSNE(dimensions, random_state=SEED, init="pca", perplexity=min(20, (count - 1) / 3)).fit_transform(vectors)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "numba"))
    from umap import UMAP

    loud = {"verbose": True, "tqdm_kwds": {"file": _Epochs(progress), "bar_format": "{percentage}"}} if progress else {}
    few = {"init": "random"} if count < 32 else {}       # its spectral start needs more words than axes, by a margin
    return UMAP(n_components=dimensions, random_state=SEED, n_neighbors=min(12, count - 1), min_dist=0.15, **few,
                **loud).fit_transform(vectors)


class _Epochs:
    """What tqdm takes for a file: it hands on the share that the bar writes."""

    def __init__(self, told: Callable[[float], None]) -> None:
        self._told = told

    def write(self, text: str) -> None:
        try:
            self._told(float(text) / 100)
        except ValueError:
            return                                       # a line's end

    def flush(self) -> None:
        """Nothing waits to be written."""


@dataclass(frozen=True)
class WordMaps:
    """What is kept of a checkpoint's words, so that their map is shown before the model is loaded.

    Attributes:
        checkpoint: hash of the weights that the maps are of.
        vocab: fingerprint of the words.
        diffuses: the paper's noisy states are vectors of this space.
        maps: points by name: "pca3", whose first two axes are those of the plane, "umap2", "umap3", "tsne2", "tsne3".
        told: share of the variance that each axis of PCA tells.
        counts: how often each word stands in the training texts; empty where it was not counted.
    """

    checkpoint: str
    vocab: str
    diffuses: bool
    maps: dict[str, Array]
    told: tuple[float, ...] = ()
    counts: tuple[int, ...] = field(default=())

    def projection(self, name: str) -> Projection | None:
        """A map by its name; None where it is not kept."""
        if name.startswith("pca"):
            count, points = int(name[-1]), self.maps.get("pca3")
            return None if points is None else Projection(points[:, :count], told=self.told[:count])
        return Projection(self.maps[name]) if name in self.maps else None

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        value = {"checkpoint": self.checkpoint, "vocab": self.vocab, "diffuses": self.diffuses, "seed": SEED,
                 "told": [round(share, 4) for share in self.told], "counts": self.counts,
                 "maps": {name: _rounded(points) for name, points in self.maps.items()}}
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")
        partial.replace(path)


def read(path: Path, checkpoint: str | None = None) -> WordMaps | None:
    """The maps in a file; None where there is none, it cannot be read, or it is of another checkpoint than the one named."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        maps = {name: np.asarray(points, "f4") for name, points in value["maps"].items()}
        found = WordMaps(value["checkpoint"], value["vocab"], value["diffuses"], maps, tuple(value["told"]), tuple(value["counts"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return found if checkpoint in (None, found.checkpoint) else None


def counts(vocab: str, folder: Path = BUNDLED) -> tuple[int, ...]:
    """How often each word of a vocabulary stands in the training texts, from the maps of any checkpoint of it; else empty."""
    found = (read(path) for path in sorted(folder.glob("*.json")))
    return next((maps.counts for maps in found if maps and maps.vocab == vocab and maps.counts), ())


def _rounded(points: Array) -> list[list[float]]:
    places = max(0, DIGITS - math.ceil(math.log10(max(float(np.ptp(points, axis=0).max()), 1e-6))))
    return [[round(float(value), places) if places else round(float(value)) for value in row] for row in points]
