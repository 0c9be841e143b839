"""Measures a model of characters beside n-grams: bits per character on the same text, as text8 is reported.

    python -m training train --recipe rdlm-characters-small --data FOLDER
    python -m training characters --data FOLDER --json assets/domains/NAME/results/characters.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

import diffusion
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.types import Request
from diffusion.text.vocab import PAD
from training.arguments import at_least
from training.data import source
from training.data.corpus import Corpus, load_corpus
from training.evaluation import common as evaluation
from training.evaluation.ablations import measures as ablation_measures
from training.evaluation.likelihood import measure as likelihood
from training.evaluation.quality import measure as quality
from training.evaluation.quality.metrics import bits_per_token
from training.evaluation.quality.ngrams import WittenBell
from training.evaluation.report.results import Result, Row, Table, command_line, device_name, fingerprint
from training.recipes import recipe

RECIPE = "rdlm-characters-small"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `characters` to the training commands."""
    parser = subparsers.add_parser("characters", help="bits per character of a model of characters, beside n-grams",
                                   description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DATA", help="a folder with train.csv and valid.csv, or a Hub name")
    parser.add_argument("--paper", default=f"runs/{RECIPE}/checkpoint", metavar="CHECKPOINT",
                        help="a model that was trained with --vocab characters (default: %(default)s)")
    parser.add_argument("--rows", type=at_least(2), default=1000, help="held-out texts (default: %(default)s)")
    parser.add_argument("--draws", type=at_least(1), default=4, help="times drawn for each text (default: %(default)s)")
    parser.add_argument("--order", type=at_least(1), default=8, help="greatest n of the n-grams (default: %(default)s)")
    parser.add_argument("--threads", type=at_least(1), default=1, help="threads of torch (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measures, prints, and writes the result where a file was named.

    Raises:
        StudioError: the model is not one of characters, or the data are not to be had.
    """
    torch.set_num_threads(args.threads)
    model = diffusion.load(args.paper).eval()
    if model.vocab.kind != "characters":
        raise StudioError(f"'{args.paper}' is a model of {model.vocab.kind}. Give one that was trained with "
                          f"--vocab characters: python -m training train --recipe {RECIPE}.")
    data = load_corpus(args.data, recipe(RECIPE), model.length)
    order = torch.randperm(len(data.valid.tokens), generator=torch.Generator().manual_seed(quality.ROW_SEED))
    tokens = data.valid.tokens[order[:args.rows]]
    rows = [measured(model, tokens, args.draws), *counted(data, tokens, args.order)]
    caption = f"Bits per character, spaces and END counted, of {len(tokens)} held-out texts in text8's form"
    table = Table.of(caption, rows, ["model", "bits per character", "± (95%)", "kind"])
    files = source.locate(args.data)
    result = Result("characters", model.slug, command_line(sys.argv[2:], "characters"),
                    {"rows": quality.ROW_SEED, "times": likelihood.SEED}, device_name(model.device), model.path.name, {},
                    [table], {"checkpoint": model.hash, "recipe": model.card.get("recipe"), "steps": model.card.get("steps"),
                              "length": model.length, "left out": data.valid.left_out},
                    {path.name: fingerprint(path) for path in (*files.train, *files.valid)})
    evaluation.publish(result, args.json)
    print("\nFree texts:", *written(model), sep="\n  ")
    return 0


def measured(model: DiffusionModel, tokens: torch.Tensor, draws: int) -> Row:
    """The model's bound on rows (N, L), with every slot unknown."""
    bits, interval = ablation_measures.bits(model, tokens, draws)
    strict = getattr(model, "bound_is_strict", True)
    return {"model": f"{model.title}, {sum(weight.numel() for weight in model.parameters()):,} weights",
            "bits per character": bits, "± (95%)": interval, "kind": "upper bound" if strict else "not a bound",
            "texts": len(tokens), "characters": int((tokens != PAD).sum()), "draws": draws}


def counted(data: Corpus, tokens: torch.Tensor, greatest: int) -> list[Row]:
    """n-grams up to the greatest order, counted on the rows that the model was trained on."""
    rows: list[Row] = []
    characters = (tokens != PAD).sum(1)
    for order in range(1, greatest + 1):
        bits, interval = bits_per_token(WittenBell(data.train.tokens, order, len(data.vocab)).nats(tokens), characters)
        rows.append({"model": f"{order}-gram, Witten-Bell", "bits per character": bits, "± (95%)": interval,
                     "kind": "exact", "texts": len(tokens), "characters": int(characters.sum())})
    return rows


def written(model: DiffusionModel) -> list[str]:
    """Three free texts, to look at."""
    request = Request(length=model.length, seeds=(0, 1, 2), steps=64)
    return [model.vocab.text(row) for row in diffusion.generate(model, request).run().ids]
