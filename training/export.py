"""Writes a checkpoint from the saved state of a run, with its EMA weights."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from diffusion.core import checkpoint
from training.arguments import add_recipe, recipe_and_data
from training.card import card
from training.data.corpus import Corpus
from training.loop import Options, start
from training.run import Run


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `export` to the training commands."""
    parser = subparsers.add_parser("export", help="write a checkpoint from a run's saved state", description=__doc__)
    parser.add_argument("--run", required=True, type=Path, metavar="FOLDER", dest="folder", help="the run's folder")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER", help="the checkpoint's folder")
    add_recipe(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exports the newest state of a run."""
    chosen, data = recipe_and_data(args)
    found = start(chosen, data, Options(args.folder, threads=torch.get_num_threads()))
    found.restore(args.folder)
    print(write(found, data, args.recipe, args.output))
    return 0


def write(found: Run, data: Corpus, name: str, folder: Path) -> Path:
    """Writes the EMA weights of a run, with its card, as a checkpoint folder, and returns the folder."""
    checkpoint.write(folder, found.model, found.ema, card(found, data, name))
    return folder
