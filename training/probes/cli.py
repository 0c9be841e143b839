"""Trains the readers that controllers look through: on beliefs, each once for all papers, or on one paper's noisy vectors.

    python -m training controller tags --data FOLDER --model diffusion-lm,sedd --output assets/domains/NAME/probes/tags
    python -m training controller chart --data FOLDER --model diffusion-lm,sedd --output assets/domains/NAME/probes/chart
    python -m training controller slots --data FOLDER --model diffusion-lm,sedd --output assets/domains/NAME/probes/slots
    python -m training controller noisy --data FOLDER --model diffusion-lm --output assets/domains/NAME/probes/noisy

Tags and trees of the training rows come from the labeller, values of slots from the meaning representations. Half of the
beliefs are those of the models named, about rows noised to a random time; the others are rows made soft by hand. `noisy` tells
all three of the noisy vectors themselves: the classifiers of Diffusion-LM's published steering, for one checkpoint's embeddings.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import diffusion
from controllers.linguistics.analysis import Analyser
from controllers.probes.heads import CHART, HEADS, SLOTS, TAGS
from controllers.probes.noisy import NAME as NOISY
from controllers.probes.noisy import NoisyReader
from controllers.probes.reader import CARD, WEIGHTS, Reader, Stored
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.papers.diffusion_lm import DiffusionLM
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import Vocabulary
from training import state
from training.arguments import at_least, on_device
from training.card import KNOWN_DATA, machine
from training.data import source
from training.data.corpus import Encoded, Row, hold_out, meaning, read_part
from training.data.labelled import label
from training.evaluation.report.results import command_line
from training.linguistics.train import fingerprint_of
from training.probes import noisy, reading
from training.probes import train as controllers
from training.probes.noisy import Noiser, NoisyExamples, NoisyTraining
from training.probes.softening import Softener
from training.probes.train import RECIPES, Examples, Recipe, Training
from training.progress import say

README = "README.md"
_MODELS = "diffusion-lm,sedd"
MEASURED_ROWS = 500
KINDS = (*HEADS, NOISY)
_READS = "Reads beliefs and says {}; controllers of any paper look through it."
_DOES = {TAGS: _READS.format("the universal part of speech of every word"),
         CHART: _READS.format("the label of every span of words, or that it has none"),
         SLOTS: _READS.format("the value of every slot, or that the text does not speak of it"),
         NOISY: "Reads the noisy word vectors of one Diffusion-LM and says the part of speech of every word, the label of every "
                "span and the value of every slot: the classifiers of its published steering, `langevin`, in one small network."}
_ON_BELIEFS = ("by the mean entropy of the belief at their words; beliefs: the rows themselves and those of the models at five "
               "noise levels")
_ON_VECTORS = "by the noise: t is the time, 0 for clean vectors, alpha_bar the share of signal that is left"
_TOLD = ("reader", "labels by", "beliefs of", "vectors of", "rows", "held out", "steps", "planned steps", "batch", "seed",
         "minutes", "parameters", "bytes", "hardware", "torch", "commit")


@dataclasses.dataclass(frozen=True, slots=True)
class Data:
    """Rows that fit, kept and held out, with the words and slots of all training rows."""

    vocab: Vocabulary
    labels: LabelSet
    kept: list[Row]
    held_out: list[Row]
    name: str


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `controller` to the training commands."""
    parser = subparsers.add_parser("controller", help="train the readers that controllers look through", description=__doc__,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS, help="what the reader tells; noisy: all three, of noisy vectors")
    parser.add_argument("--data", required=True, metavar="FOLDER",
                        help="train.csv and valid.csv with the columns mr,ref; or a Hub data set: tuetschek/e2e_nlg")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="where the reader is written, with its card")
    parser.add_argument("--model", metavar="NAME,...",
                        help="checkpoints whose beliefs are read; 'none' for rows made soft by hand alone (default: "
                             f"{_MODELS}); for noisy, the Diffusion-LM whose embeddings are noised (default: {DiffusionLM.slug})")
    parser.add_argument("--tagger", metavar="NAME", help="instead of the labeller's: a folder or a spaCy pipeline")
    parser.add_argument("--parser", metavar="NAME", help="instead of the labeller's: a folder or a model of benepar's")
    parser.add_argument("--run", type=Path, default=Path("runs/controllers"), metavar="FOLDER", dest="folder",
                        help="for labels, and for states to go on from (default: %(default)s)")
    parser.add_argument("--steps", type=at_least(1), help="instead of the recipe's")
    parser.add_argument("--seed", type=at_least(0), help="instead of the recipe's")
    parser.add_argument("--max-minutes", type=at_least(0, float), default=math.inf, metavar="M",
                        help="end after this time")
    parser.add_argument("--resume", action="store_true", help="go on from the last state")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (default: %(default)s)")
    parser.add_argument("--threads", type=at_least(1), default=1, help="threads of torch (default: %(default)s)")
    parser.set_defaults(run=train)


def train(args: argparse.Namespace) -> int:
    """Trains a reader, measures it on held-out rows and writes it with its card.

    Raises:
        StudioError: data, models, labeller or state are not there or do not fit each other.
    """
    torch.set_num_threads(args.threads)
    device = on_device(args.device)
    models = _models(args, device)
    length = max((model.length for model in models), default=64)
    data = read(args.data, models, length)
    recipe = noisy.RECIPE if args.kind == NOISY else RECIPES[args.kind]
    recipe = dataclasses.replace(recipe, steps=args.steps or recipe.steps, seed=recipe.seed if args.seed is None else args.seed)
    analyser = Analyser(tagger=args.tagger, parser=args.parser)
    kept, held_out = examples(args, data, analyser, length)
    folder = args.folder / args.kind
    training, soften = _begun(kept, recipe, data, models, length, device)
    if args.resume:
        training.resume(folder)
    elif state.found(folder):
        raise StudioError(f"'{folder}' holds the state of an earlier training. Go on with --resume, or remove it.")
    say(f"{len(kept.tokens):,} rows, {len(held_out.tokens):,} held out; {args.kind}: {_classes(kept)}; "
        f"step {training.step} of {recipe.steps}")
    training.run(kept, soften, args.max_minutes, say, folder)
    if training.step < recipe.steps:
        say(f"The time is over at step {training.step:,} of {recipe.steps:,}. --resume goes on from there.")
    training.reader.save(args.output)
    written = _opened(type(training.reader), args.output).to(device)
    info = {"reader": args.kind, "labels by": _labelled_by(args.kind, analyser),
            "vectors of" if args.kind == NOISY else "beliefs of": {model.slug: model.hash for model in models}, "data": data.name,
            "rows": len(kept.tokens), "held out": len(held_out.tokens), **dataclasses.asdict(recipe), "steps": training.step,
            "planned steps": recipe.steps, "minutes": round(training.seconds / 60, 1),
            "parameters": sum(weight.numel() for weight in written.parameters()),
            "bytes": (args.output / WEIGHTS).stat().st_size, **machine(device, args.threads),
            "command": command_line(sys.argv[2:], "controller"), "measured": _measured(written, held_out, models)}
    write_card(args.output, info, data)
    for row in info["measured"]:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    print(f"{args.output}: {info['bytes'] / 1e6:.2f} MB")
    return 0


def _models(args: argparse.Namespace, device: torch.device) -> list[DiffusionModel]:
    """The models named.

    Raises:
        StudioError: one is not there, or noisy vectors are asked for and they are not one Diffusion-LM.
    """
    named = args.model or (DiffusionLM.slug if args.kind == NOISY else _MODELS)
    models = [diffusion.load(name).to(device) for name in named.split(",") if name != "none"]
    if args.kind == NOISY and [type(model) for model in models] != [DiffusionLM]:
        raise StudioError(f"Classifiers on noisy vectors are trained for one Diffusion-LM, not for '{named}'. "
                          f"Give one checkpoint of it, --model {DiffusionLM.slug}.")
    return models


def _begun(kept: Examples | NoisyExamples, recipe: Recipe, data: Data, models: Sequence[DiffusionModel], length: int,
           device: torch.device) -> tuple[Training, Softener | Noiser]:
    """A fresh training, and what makes the inputs of its reader from rows."""
    if isinstance(kept, NoisyExamples):
        return NoisyTraining.begin(kept, recipe, models[0]), Noiser(models[0], torch.Generator())
    counts = torch.bincount(kept.tokens.flatten(), minlength=len(data.vocab))
    return (Training.begin(kept, recipe, data.vocab, data.labels, length, device),
            Softener(models, counts, torch.Generator(), device))


def _classes(examples: Examples | NoisyExamples) -> str:
    """How many classes are told apart, group by group."""
    parts = examples.parts.values() if isinstance(examples, NoisyExamples) else [examples]
    return f"{', '.join(str(len(group)) for part in parts for group in part.classes)} classes"


def _measured(reader: Reader | NoisyReader, held_out: Examples | NoisyExamples,
              models: Sequence[DiffusionModel]) -> list[dict[str, Any]]:
    """The table of the card."""
    few = held_out.first(MEASURED_ROWS)
    if isinstance(few, NoisyExamples):
        return noisy.measure(reader, few, models[0])
    return reading.measure(reader, few, models)


def read(name: str, models: Sequence[DiffusionModel], length: int) -> Data:
    """The rows, and the words and slots that all models must have been trained with.

    Raises:
        StudioError: the data cannot be read, or a model has other words or slots; both fingerprints are named.
    """
    files = source.locate(name)
    rows = read_part(files.train)
    vocab = Vocabulary.build(row.text for row in rows)
    labels = LabelSet.build(meaning(row) for row in rows)
    for model in models:
        for kind, own, found in (("words", vocab.fingerprint, model.vocab.fingerprint),
                                 ("slots", labels.fingerprint, model.labels.fingerprint)):
            if own != found:
                raise StudioError(f"'{model.slug}' was trained with the {kind} {found}, but '{files.name}' gives {own}. "
                                  f"Give the data that the model was trained on, or other models.")
    fitting = [row for row in rows if vocab.row(row.text, length) is not None]
    return Data(vocab, labels, *hold_out(fitting), files.name)


def examples(args: argparse.Namespace, data: Data, analyser: Analyser,
             length: int) -> tuple[Examples, Examples] | tuple[NoisyExamples, NoisyExamples]:
    """The kept and the held-out rows with what the reader should say of them."""
    encoded = [Encoded.encode(rows, data.vocab, data.labels, length) for rows in (data.kept, data.held_out)]
    if args.kind == SLOTS:
        kept, held_out = (controllers.of_slots(part, data.labels) for part in encoded)
        return kept, held_out
    make = controllers.of_tags if args.kind == TAGS else controllers.of_charts
    labelled = [label(rows, analyser, args.kind != TAGS, args.folder) for rows in (data.kept, data.held_out)]
    if args.kind == NOISY:
        known = NoisyExamples.of(labelled[0], encoded[0], data.vocab, data.labels)
        return known, NoisyExamples.of(labelled[1], encoded[1], data.vocab, data.labels, known)
    kept = make(labelled[0], encoded[0].tokens, data.vocab)
    return kept, make(labelled[1], encoded[1].tokens, data.vocab, kept)


def _opened(kind: type[Stored], folder: Path) -> Any:
    """The reader as anyone would load it."""
    return kind.load(str(folder.resolve()))              # an absolute path stands for itself


def _labelled_by(kind: str, analyser: Analyser) -> dict[str, str]:
    """What gave the labels, with the hash of its weights."""
    parts = {TAGS: ("tagger",), CHART: ("tagger", "parser"), SLOTS: (), NOISY: ("tagger", "parser")}[kind]
    names = dict(zip(("tagger", "parser"), analyser.names, strict=True))
    return {part: fingerprint_of(names[part], part) for part in parts} or {"meaning representations": "of the data"}


def write_card(folder: Path, info: dict[str, Any], data: Data) -> None:
    """Writes card.json and the same for readers as README.md."""
    (folder / CARD).write_text(json.dumps(info, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    told = [f"| {name} | {_plain(info[name])} |" for name in _TOLD if name in info]
    by = _ON_VECTORS if info["reader"] == NOISY else _ON_BELIEFS
    columns = list(info["measured"][0])
    measured = [f"| {' | '.join(str(row[name]) for name in columns)} |" for row in info["measured"]]
    licence = KNOWN_DATA.get(data.labels.fingerprint, (None, "that of the data"))[1]
    lines = [f"# Reader: {info['reader']}", "", f"{_DOES[info['reader']]} Made by `{info['command']}`.", "", "| what | value |",
             "| --- | --- |", *told, "", f"On {min(MEASURED_ROWS, info['held out'])} held-out rows, {by}.", "",
             f"| {' | '.join(columns)} |",
             f"| {' | '.join('---' for _ in columns)} |", *measured, "", "## Licence and data", "",
             f"Code and weights: Apache-2.0. Data: {licence}.", ""]
    (folder / README).write_text("\n".join(lines), encoding="utf-8")


def _plain(value: Any) -> str:
    return ", ".join(f"{name} {item}" for name, item in value.items()) if isinstance(value, dict) else str(value)
