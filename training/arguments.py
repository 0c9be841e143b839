"""Command-line arguments that say what is trained: a recipe, its data, and what may be changed in a recipe."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable

import torch

from diffusion.core.errors import StudioError
from diffusion.text.vocab import KINDS
from training.data.corpus import Corpus, load_corpus
from training.recipes import Recipe, recipe
from training.stages import latent


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Adds --recipe, --data, --steps, --seed and --vocab."""
    parser.add_argument("--recipe", required=True, metavar="NAME", help="a row of training/recipes.py")
    parser.add_argument("--data", required=True, metavar="FOLDER",
                        help="train.csv and valid.csv with the columns mr,ref; or a Hub data set: tuetschek/e2e_nlg")
    parser.add_argument("--steps", type=at_least(1), help="instead of the recipe's")
    parser.add_argument("--seed", type=at_least(0), help="instead of the recipe's")
    parser.add_argument("--language-model", metavar="NAME",
                        help="an encoder-decoder from the Hub or a folder, for LD4LG instead of the bundled one")
    parser.add_argument("--vocab", choices=tuple(KINDS), help="what texts are made of, instead of the recipe's choice")


def at_least(low: float, kind: Callable[[str], float] = int) -> Callable[[str], float]:
    """A reader of numbers for argparse that refuses those below `low`."""
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not value >= low:
            raise argparse.ArgumentTypeError(f"'{text}' is not a {'whole ' if kind is int else ''}number from {low} on")
        return value
    return read


def on_device(name: str) -> torch.device:
    """The device of that name, once a tensor could be made there.

    Raises:
        StudioError: it is not to be had here.
    """
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:      # torch without CUDA asserts
        raise StudioError(f"The device '{name}' cannot be used ({' '.join(str(error).split())[:200]}). "
                          f"Give cpu, cuda or mps.") from error


def recipe_and_data(args: argparse.Namespace) -> tuple[Recipe, Corpus]:
    """The recipe with what the arguments change in it, and its data.

    Raises:
        StudioError: there is no such recipe, or the data cannot be used.
    """
    chosen = recipe(args.recipe)
    changes = {name: value for name in ("steps", "seed", "vocab") if (value := getattr(args, name)) is not None}
    chosen = dataclasses.replace(chosen, **changes)
    length = getattr(chosen.config, "backbone", chosen.config).length
    if args.language_model:
        chosen = dataclasses.replace(chosen, config=latent.around(chosen.config, args.language_model))
    return chosen, load_corpus(args.data, chosen, length)
