"""Trains and measures the taggers and parsers that label texts and judge them.

    python -m training linguistics tagger --size labeller --seed 1 --data TREEBANK --output assets/linguistics/labeller-tagger
    python -m training linguistics parser --size judge --seed 12 --data TREEBANK --output assets/linguistics/judge-parser
    python -m training linguistics measure --data TREEBANK --tagger labeller --parser labeller

TREEBANK is a folder with train, dev and test, each as trees (PART.trees) and as words with tags (PART.tags.tsv).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from controllers.linguistics.analysis import starts
from controllers.linguistics.parser import Parser
from controllers.linguistics.tagger import Tagger
from diffusion.core.errors import StudioError
from training.arguments import at_least
from training.card import machine
from training.data import treebank
from training.data.treebank import Sentence
from training.evaluation.report.results import Bar, Result, Table, bars, command_line, device_name, fingerprint
from training.linguistics import train as linguistics

CARD, README = "card.json", "README.md"
SEEDS = {("tagger", "labeller"): 1, ("tagger", "judge"): 2, ("parser", "labeller"): 11, ("parser", "judge"): 12}
MINIMUM = {"UPOS": 0.92, "Penn": 0.90, "bracket F1": 0.75}
_TOLD = ("kind", "role", "seed", "epochs", "minutes", "sentences", "left out", "parameters", "bytes", "hardware", "torch",
         "commit")
_DATA = ("Trees and tags: Georgetown University Multilayer corpus (GUM; Zeldes 2017), genres academic, bio, interview, news, "
         "voyage and the OpenStax part of textbook; annotations CC BY 4.0, texts CC BY or CC BY-SA.")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `linguistics` with its commands to the training commands."""
    parser = subparsers.add_parser("linguistics", help="train and measure taggers and parsers", description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(metavar="WHAT", required=True)
    for kind, sizes in (("tagger", linguistics.TAGGERS), ("parser", linguistics.PARSERS)):
        command = commands.add_parser(kind, help=f"train a {kind}")
        command.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where it is written, with its card")
        command.add_argument("--size", choices=tuple(sizes), default="labeller", help="default: %(default)s")
        command.add_argument("--seed", type=at_least(0), help="default: another one for each kind and size")
        command.add_argument("--epochs", type=at_least(1), help="instead of the size's; the rate falls over all of them")
        command.add_argument("--max-minutes", type=at_least(0, float), default=math.inf, metavar="M",
                             help="begin no further epoch after these")
        _shared(command)
        command.set_defaults(run=train, kind=kind)
    command = commands.add_parser("measure", help="measure a tagger and a parser on the treebank's test part")
    command.add_argument("--tagger", default="labeller", metavar="NAME", help="a role, a folder, or a spaCy pipeline")
    command.add_argument("--parser", default="labeller", metavar="NAME", help="a role, a folder, or a model of benepar's")
    command.add_argument("--part", choices=treebank.PARTS, default="test", help="default: %(default)s")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    _shared(command)
    command.set_defaults(run=measure)


def _shared(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, metavar="TREEBANK", help="folder of the treebank")
    command.add_argument("--threads", type=at_least(1), default=1, help="threads of torch (default: %(default)s)")


# ---- training


def train(args: argparse.Namespace) -> int:
    """Trains a tagger or a parser, measures what was written on the test part, and writes its card beside it.

    Raises:
        StudioError: the treebank cannot be read, or the output folder is in use.
    """
    torch.set_num_threads(args.threads)
    if args.output.exists() and (not args.output.is_dir() or any(args.output.iterdir())):
        raise StudioError(f"'{args.output}' is not an empty folder. Remove it, or give another --output.")
    parts = {part: treebank.read(args.data, part) for part in treebank.PARTS}
    seed = SEEDS[args.kind, args.size] if args.seed is None else args.seed
    tagging = args.kind == "tagger"
    size: Any = (linguistics.TAGGERS if tagging else linguistics.PARSERS)[args.size]
    size = dataclasses.replace(size, epochs=args.epochs or size.epochs)
    run: Any = linguistics.train_tagger if tagging else linguistics.train_parser
    working = args.output.with_name(f".{args.output.name}.part")             # whole under its name, or not there
    shutil.rmtree(working, ignore_errors=True)
    try:
        facts = run(size, parts["train"], parts["dev"], seed, args.max_minutes, working, _say)
        measured = {part: _measure(args.kind, working, parts[part]) for part in ("dev", "test")}
        info = {"kind": args.kind, "role": args.size, "seed": seed, "size": dataclasses.asdict(size),
                "sentences": len(parts["train"]), **facts, "bytes": linguistics.size_of(working), "versions": versions(),
                **machine(torch.device("cpu"), args.threads), "command": command_line(sys.argv[2:], "linguistics"),
                "data": hashes(args.data), "measured": measured}
        write_card(working, info)
        if args.output.exists():
            args.output.rmdir()
        working.rename(args.output)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    for part, values in measured.items():
        print(f"{part}: " + ", ".join(f"{name} {100 * value:.2f}" for name, value in values.items()))
    print(f"{args.output}: {info['bytes'] / 1e6:.2f} MB")
    return 0


def _measure(kind: str, folder: Path, sentences: Sequence[Sentence]) -> dict[str, float]:
    """Measures what is written in the folder, as anyone would load it."""
    if kind == "tagger":
        values = linguistics.measure_tagger(Tagger.load(folder), sentences)
    else:
        values = linguistics.measure_parser(Parser.load(folder), sentences)
    return {name: round(value, 4) for name, value in values.items()}


def write_card(folder: Path, info: dict[str, Any]) -> None:
    """Writes card.json and the same for readers as README.md."""
    (folder / CARD).write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    kind, role = info["kind"], info["role"]
    does = ("labels texts, for training controllers and for taking targets from example sentences" if role == "labeller"
            else "scores finished texts; it never steers and labels nothing")
    what = "spaCy pipeline with universal and Penn tags" if kind == "tagger" else "constituency parser, benepar's ChartParser"
    told = [f"| {name} | {info[name]} |" for name in _TOLD if name in info]
    told += [f"| {part}: {name} | {value:.4f} |" for part, values in info["measured"].items() for name, value in values.items()]
    numbers = ", ".join(f"{name} {number}" for name, number in info["versions"].items())
    lines = [f"# {role}-{kind}", "", f"A {what}, of words split by `\\w+|[^\\w\\s]`. It {does}.", "",
             "| what | value |", "| --- | --- |", *told, "",
             ("Bracket F1 leaves out punctuation and the root. " if kind == "parser" else "")
             + f"Made by `{info['command']}` with {numbers}.",
             "", "## Licence and data", "", f"Code and weights: Apache-2.0. {_DATA}", ""]
    (folder / README).write_text("\n".join(line.rstrip() for line in lines), encoding="utf-8")


def versions() -> dict[str, str]:
    """The installed versions that a pipeline and a parser depend on."""
    from importlib.metadata import version

    return {name: version(name) for name in ("spacy", "benepar", "transformers")}


def hashes(folder: Path) -> dict[str, str]:
    """The hash of each file of the treebank."""
    return {path.name: fingerprint(path) for part in treebank.PARTS for path in treebank.files(folder, part)}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# ---- measuring


def measure(args: argparse.Namespace) -> int:
    """Prints and writes how good a tagger and a parser are on a part of the treebank.

    Raises:
        StudioError: the treebank, the tagger or the parser is not to be had.
    """
    torch.set_num_threads(args.threads)
    sentences = treebank.read(args.data, args.part)
    values = {**linguistics.measure_tagger(Tagger.load(args.tagger), sentences),
              **linguistics.measure_parser(Parser.load(args.parser), sentences), "sentence split": split_f1(sentences)}
    caption = (f"Labels of {len(sentences)} sentences of the treebank's part '{args.part}', in our words, percent; "
               f"brackets without punctuation and root")
    table = Table.of(caption, [{"tagger": Path(args.tagger).name, "parser": Path(args.parser).name,
                                **{name: 100 * value for name, value in values.items()}}])
    required = bars(*(Bar(f"{name}, percent", 100 * values[name], low=100 * low) for name, low in MINIMUM.items()))
    checkpoints = {f"{Path(name).name}-{kind}": linguistics.fingerprint_of(name, kind) for kind, name in
                   (("tagger", args.tagger), ("parser", args.parser))}
    result = Result("linguistics", Path(args.tagger).name, command_line(sys.argv[2:], "linguistics"), {},
                    device_name(torch.device("cpu")), "fp32", checkpoints, [table, required], {"part": args.part},
                    {path.name: fingerprint(path) for path in treebank.files(args.data, args.part)})
    for shown in result.tables:
        print(f"\n{shown.caption}")
        for row in shown.rows:
            print("  " + ", ".join(f"{name} {value}" for name, value in row.items()))
    if args.json is not None:
        result.save(args.json)
    return 0


def split_f1(sentences: Sequence[Sentence]) -> float:
    """F1 of the sentence beginnings that our rule finds in pairs of neighbouring sentences that end with a mark."""
    both = wanted = found = 0
    for first, second in zip(sentences[::2], sentences[1::2], strict=False):
        if first.words[-1] in ".!?" and second.words[-1] in ".!?":
            inner = {index for index in starts((*first.words, *second.words)) if index}
            both, wanted, found = both + (len(first.words) in inner), wanted + 1, found + len(inner)
    return 2 * both / max(1, wanted + found)

