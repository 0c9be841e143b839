"""Computes maps of the words of shipped papers, by PCA, UMAP and t-SNE, in two and three dimensions; and counts the words in the
training texts. UMAP and t-SNE take too long for a page; PCA is kept too, so that a map is seen before the model is loaded."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import diffusion
from diffusion import maps
from diffusion.core.model import DiffusionModel
from diffusion.text.vocab import Vocabulary
from training.data import source
from training.data.corpus import read_part
from training.progress import say


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `maps` to the training commands."""
    parser = subparsers.add_parser("maps", help="compute the maps of words that the app shows", description=__doc__)
    parser.add_argument("--paper", required=True, metavar="SLUG,...", help="papers with an embedding of words")
    parser.add_argument("--data", metavar="FOLDER", help="count words in these training texts; without it, counts that are "
                                                         "kept for the same words stay")
    parser.add_argument("--output", type=Path, default=maps.BUNDLED, metavar="FOLDER", help="default: the domain's maps")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes a file for each paper."""
    texts = [row.text for row in read_part(source.locate(args.data).train)] if args.data else []
    for slug in args.paper.split(","):
        model = diffusion.load(slug)
        counted = count(texts, model.vocab) if texts else maps.counts(model.vocab.fingerprint, args.output)
        path = args.output / f"{slug}.json"
        made(model, counted).save(path)
        say(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    return 0


def count(texts: Iterable[str], vocab: Vocabulary) -> tuple[int, ...]:
    """How often each word of a vocabulary stands in texts; what is not in it counts as UNK."""
    found = Counter(index for text in texts for index in vocab.encode(text))
    return tuple(found[index] for index in range(len(vocab)))


def made(model: DiffusionModel, counts: tuple[int, ...] = ()) -> maps.WordMaps:
    """All maps of a model's words.

    Raises:
        StudioError: it keeps no vector for a single word.
    """
    vectors, diffuses = maps.vectors_of(model)
    linear = maps.pca(vectors, 3)
    points = {"pca3": linear.points, **{f"{method}{size}": maps.fit(vectors, f"{method}{size}")
                                       for method in maps.METHODS for size in (2, 3)}}
    return maps.WordMaps(model.hash, model.vocab.fingerprint, diffuses, points, linear.told, counts)
