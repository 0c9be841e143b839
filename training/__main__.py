"""`python -m training COMMAND`: everything that makes and measures checkpoints.

A command is a row of `COMMANDS`: a module with `add_parser(subparsers)`, whose parser sets `run`, a function of the
parsed arguments that returns the exit code. Only the module of the command that was asked for is imported.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from diffusion.core.errors import StudioError

COMMANDS = {
    "train": ("training.train_cli", "train a model by a recipe"),
    "export": ("training.export", "write a checkpoint from the saved state of a run"),
    "evaluate": ("training.evaluation.cli", "measure a checkpoint"),
    "ablations": ("training.evaluation.ablations.command", "measure what each part of a paper is good for"),
    "controller": ("training.probes.cli", "train the readers that controllers look through"),
    "linguistics": ("training.linguistics.cli", "train and measure taggers and parsers"),
    "gallery": ("training.gallery", "render the stored runs that the lab opens on"),
    "phrases": ("training.probes.phrases_cli", "find the ways of saying each value, for content control"),
    "maps": ("training.maps", "compute the maps of words that the app shows"),
    "characters": ("training.evaluation.likelihood.characters", "measure a model of characters beside n-grams"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 2 with one sentence on standard error for a user's mistake."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog="python -m training", description="Trains and measures checkpoints.")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, about) in COMMANDS.items():
        if argv[:1] == [name]:
            importlib.import_module(module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=about)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except StudioError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. A training goes on from its last saved state with --resume; an evaluation keeps the rows it has written.",
              file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
