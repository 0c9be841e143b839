"""Computes maps of the words of shipped papers by UMAP and t-SNE, which take too long for a page: stored small, with the hash."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import torch

import diffusion
from training.progress import say

OUTPUT = Path(__file__).resolve().parent.parent / "assets" / "maps"
SEED = 42


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `maps` to the training commands."""
    parser = subparsers.add_parser("maps", help="compute the maps of words that the app shows", description=__doc__)
    parser.add_argument("--paper", required=True, metavar="SLUG,...", help="papers with an embedding of words")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FOLDER", help="default: assets/maps")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes a file for each paper."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "numba"))
    from sklearn.manifold import TSNE
    from umap import UMAP

    args.output.mkdir(parents=True, exist_ok=True)
    for slug in args.paper.split(","):
        model = diffusion.load(slug)
        with torch.no_grad():
            table = (model.table() if hasattr(model, "table") else model.embedding.weight[: len(model.vocab)]).float().numpy()
        maps = {"umap": UMAP(random_state=SEED, n_neighbors=12, min_dist=0.15).fit_transform(table),
                "tsne": TSNE(random_state=SEED, init="pca", perplexity=20).fit_transform(table)}
        value = {"checkpoint": model.hash, "seed": SEED,
                 "maps": {name: [[round(float(x), 2), round(float(y), 2)] for x, y in points] for name, points in maps.items()}}
        path = args.output / f"{slug}.json"
        path.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")
        say(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0
