"""Trains a model by a recipe; the run can be killed at any moment and goes on with --resume."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from training import export
from training.arguments import add_recipe, at_least, recipe_and_data
from training.data.corpus import Corpus
from training.loop import Options, start, train
from training.progress import say
from training.recipes import Recipe
from training.run import plain


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `train` to the training commands."""
    parser = subparsers.add_parser("train", help="train a model by a recipe", description=__doc__)
    add_recipe(parser)
    parser.add_argument("--output", type=Path, metavar="FOLDER",
                        help="for states, metrics and the checkpoint (default: runs/RECIPE)")
    parser.add_argument("--max-minutes", type=at_least(0.0, float), default=math.inf, metavar="M",
                        help="end after this time")
    parser.add_argument("--resume", action="store_true", help="go on from the newest state in the output folder")
    parser.add_argument("--init-from", metavar="CHECKPOINT",
                        help="start from these weights: a folder, a bundled slug or a Hub id")
    parser.add_argument("--dry-run", action="store_true", help="print the whole configuration as JSON; train nothing")
    parser.add_argument("--compile", action="store_true", help="compile the network with torch.compile")
    parser.add_argument("--threads", type=at_least(1), default=torch.get_num_threads(), metavar="N",
                        help="threads of the processor")
    parser.add_argument("--save-every", type=at_least(1), default=500, metavar="STEPS",
                        help="steps between two resume states")
    parser.add_argument("--look-every", type=at_least(0), default=500, metavar="STEPS",
                        help="steps between two validation losses with a sample; 0 for none")
    parser.add_argument("--below-gate", action="store_true",
                        help="train LD4LG's diffusion although too few texts come back exactly from their latents")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trains, or prints what would be trained."""
    output = args.output or Path("runs") / args.recipe
    options = Options(output, args.max_minutes, args.resume, args.init_from, args.save_every, args.look_every,
                      args.compile, args.threads, args.below_gate)
    chosen, data = recipe_and_data(args)
    if args.dry_run:
        print(json.dumps(configuration(args.recipe, chosen, data, options), indent=1, ensure_ascii=False))
        return 0
    facts = data.facts()
    say(f"{facts['rows']:,} training rows, {facts['held_out']:,} held out, {facts['valid_rows']:,} for validation; "
        f"left out because they do not fit: {facts['left_out']:,} and {facts['valid_left_out']:,}.")
    finished = train(chosen, data, options)
    if finished.step < chosen.steps:
        say(f"The time is over at step {finished.step:,} of {chosen.steps:,}. --resume goes on from there.")
    print(export.write(finished, data, args.recipe, output / "checkpoint"))
    return 0


def configuration(name: str, chosen: Recipe, data: Corpus, options: Options) -> dict[str, Any]:
    """All that a run would be made of, as JSON values; also checks the checkpoint that it would start from.

    Raises:
        StudioError: that checkpoint does not fit.
    """
    fresh = start(chosen, data, options)
    parameters = sum(p.numel() for p in fresh.model.parameters())
    shown = {**dataclasses.asdict(options), "output": str(options.output),
             "max_minutes": None if math.isinf(options.max_minutes) else options.max_minutes}
    return {"name": name, "recipe": plain(dataclasses.replace(chosen, config=fresh.model.config)), "options": shown,
            "data": data.facts(), "slots": {slot: list(values) for slot, values in data.labels.slots.items()},
            "parameters": parameters, "megabytes_in_bf16": round(2 * parameters / 1e6, 2),
            "device": str(Accelerator().device), **fresh.about}
