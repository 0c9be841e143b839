"""Measures what parts of a paper are good for: trains small variants with and without each, and measures both.

Every row is written to the result file as soon as it is measured, and training saves as it goes: an interrupted run keeps
what it has and, started again, goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

import diffusion
from diffusion.core.compute import PATHS, choose
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.loop import resolved
from diffusion.core.model import DiffusionModel
from diffusion.papers.autoregressive import LanguageModel, load_judge
from diffusion.text import source as source_ids
from training import export, recipes
from training.arguments import at_least
from training.data import source
from training.data.corpus import Corpus, load_corpus
from training.evaluation import common as evaluation
from training.evaluation.ablations import measures as ablation_measures
from training.evaluation.ablations.rows import here, machines, read, rows_of, shipped_hash, still_true, tables
from training.evaluation.ablations.variants import Ablation, Variant, ablations, digest, recipe_of
from training.evaluation.ledger import Ledger
from training.evaluation.likelihood import measure as likelihood
from training.evaluation.quality import measure as quality
from training.evaluation.quality.measure import Bench
from training.evaluation.report.results import Result, Row, command_line, fingerprint
from training.loop import Options, train
from training.progress import say
from training.recipes import Recipe

STEPS, SAMPLES, TEXTS, DRAWS, REPEATS = 1200, 256, 512, 4, 7
SAVE_EVERY = 200


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `ablations` to the training commands."""
    names = ", ".join(ablations(STEPS))
    parser = subparsers.add_parser("ablations", help="measure what each part of a paper is good for", description=__doc__)
    parser.add_argument("--data", required=True, metavar="DATA", help="a folder with train.csv and valid.csv, or a Hub name")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="NAME,...", help=f"of: {names}")
    parser.add_argument("--steps", type=at_least(1), default=STEPS, help="of each training (default: %(default)s)")
    parser.add_argument("--samples", type=at_least(2), default=SAMPLES, help="free texts (default: %(default)s)")
    parser.add_argument("--texts", type=at_least(2), default=TEXTS, help="held-out texts of the bound (default: %(default)s)")
    parser.add_argument("--draws", type=at_least(1), default=DRAWS, help="times drawn for each (default: %(default)s)")
    parser.add_argument("--judge", default="judge", help="checkpoint of the judge of fluency (default: the bundled one)")
    parser.add_argument("--compute", default="fp32", choices=PATHS, help="speed path of sampling (default: %(default)s)")
    parser.add_argument("--threads", type=at_least(1), default=1, help="threads of torch (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("runs/ablations"), metavar="FOLDER",
                        help="for the trained variants (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the result (default: ablations.json in the output folder)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measures all that can be measured, row by row.

    Raises:
        StudioError: a name is not known, one that was asked for cannot be measured here, or the data are not to be had.
    """
    torch.set_num_threads(args.threads)
    chosen = wanted(ablations(args.steps), args.only)
    lab = Lab(args)
    lab.check_words()
    rows = [(name, ablation, variant, lab.key(name, ablation, variant))
            for name, ablation in chosen.items() for variant in ablation.variants]
    ledger = opened(args, lab, chosen, [key for *_, key in rows])
    for number, (name, ablation, variant, key) in enumerate(rows, 1):
        if ledger.find(key) is None:
            say(f"{number} of {len(rows)}: {name}, {variant.name}")
        ledger.row(key, lambda ablation=ablation, variant=variant: {**lab.measure(ablation, variant), **here()})
    result = dataclasses.replace(ledger.blank, tables=tables(ledger.rows))
    result.save(ledger.path)
    print(f"\n{result.tables[0].caption}\n{evaluation.plain(result.tables[0])}")
    return 0


def wanted(known: Mapping[str, Ablation], only: list[str] | None) -> dict[str, Ablation]:
    """The ablations that were asked for; of all of them those that can be measured, with a line about the others.

    Raises:
        StudioError: there is no ablation of that name, or it cannot be measured here.
    """
    chosen = {}
    for name in only or known:
        why = known[known_or_raise("ablation", name, known)].why_not()
        if why is None:
            chosen[name] = known[name]
        elif only:
            raise StudioError(f"The ablation '{name}' cannot be measured: {why}. Leave it out of --only.")
        else:
            say(f"Left out: {name}, because {why}.")
    return chosen


@dataclass
class Lab:
    """What the measurements share, each made when it is first needed."""

    args: argparse.Namespace
    _bench: Bench | None = None
    _seconds: dict[str, list[Row]] = field(default_factory=dict)

    @cached_property
    def judge(self) -> LanguageModel:
        """The judge of fluency."""
        return load_judge(self.args.judge)

    @cached_property
    def data(self) -> dict[str, str]:
        """The hash of each data file."""
        files = source.locate(self.args.data)
        return {path.name: fingerprint(path) for path in (*files.train, *files.valid)}

    @cached_property
    def corpus(self) -> Corpus:
        """Training and validation rows as all variants take them."""
        return load_corpus(self.args.data, recipes.ablation("", None, self.args.steps), recipes.ABLATION.length)

    @cached_property
    def texts(self) -> torch.Tensor:
        """The held-out rows of the bound, (N, L)."""
        tokens = self.corpus.valid.tokens
        order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(quality.ROW_SEED))
        return tokens[order[: self.args.texts]]

    def check_words(self) -> None:
        """Refuses a judge of other words before anything is trained.

        Raises:
            StudioError: the judge knows other words than the data have.
        """
        if self.judge.vocab.fingerprint != self.corpus.vocab.fingerprint:
            raise StudioError(f"The judge knows the vocabulary {self.judge.vocab.fingerprint}, but these data give "
                              f"{self.corpus.vocab.fingerprint}. Take a judge that was trained on the same data.")

    def bench(self, model: DiffusionModel) -> Bench:
        """The judge, human texts and training texts; the same for all models of these words."""
        if self._bench is None:
            self._bench = Bench.open(self.args.data, model, self.judge)
        return self._bench

    def key(self, name: str, ablation: Ablation, variant: Variant) -> Row:
        """What a row is found again by: the ablation, the variant, and all that its numbers depend on."""
        key: Row = {"ablation": name, "variant": variant.name, "judge": self.judge.hash, "path": self.args.compute}
        if ablation.kind == "trained":
            return {**key, "weights": digest(recipe_of(ablation, variant, self.args.steps)), "trained steps": self.args.steps,
                    "samples": self.args.samples, "texts": self.args.texts, "draws": self.args.draws}
        shipped = shipped_hash(variant.paper or ablation.paper)
        if ablation.kind == "sampled":
            return {**key, "weights": shipped, "samples": self.args.samples}
        return {**key, "weights": shipped, "repeats": REPEATS}

    def measure(self, ablation: Ablation, variant: Variant) -> Row:
        """The numbers of one row."""
        if ablation.kind == "timed":
            if ablation.paper not in self._seconds:      # all variants in one run, back to back
                self._seconds[ablation.paper] = self._timed(ablation)
            return self._seconds[ablation.paper][list(ablation.variants).index(variant)]
        slug = variant.paper or ablation.paper
        row: Row = {}
        if ablation.kind == "trained":
            model, row = self._trained(recipe_of(ablation, variant, self.args.steps))
            bits, interval = ablation_measures.bits(model, self.texts, self.args.draws)
            row |= {"bits per token": bits, "± (95%)": interval, "strict bound": getattr(model, "bound_is_strict", True)}
        else:
            model = self._loaded(slug)
        request = resolved(model, variant.request)
        found = ablation_measures.samples(model, self.bench(model), request, self.args.samples)
        return {**row, "paper": slug, "ran on": model.path.name, "sampler": request.sampler, "sampled steps": request.steps,
                "clamp": request.clamp, "temperature": request.temperature, **found}

    def _loaded(self, name: str) -> DiffusionModel:
        """A checkpoint's model on the speed path that was asked for; on plain fp32 where it has no such path."""
        model = diffusion.load(name).eval()
        choose(model, self.args.compute if self.args.compute in model.paths else "fp32")
        return model

    def _trained(self, chosen: Recipe) -> tuple[DiffusionModel, Row]:
        """The model of a recipe, trained now or, as far as it has been, before."""
        folder = self.args.output / f"{chosen.model}-{digest(chosen)}"
        finished = train(chosen, self.corpus, Options(folder, resume=True, save_every=SAVE_EVERY, look_every=0,
                                                      threads=self.args.threads))
        export.write(finished, self.corpus, "ablation", folder / "checkpoint")
        model = self._loaded(str(folder / "checkpoint"))
        parameters = sum(weight.numel() for weight in model.parameters())
        return model, {"parameters": parameters, "minutes of training": finished.seconds / 60}

    def _timed(self, ablation: Ablation) -> list[Row]:
        """For each variant, seconds of four texts from four sources."""
        models = []
        for variant in ablation.variants:
            models.append(self._loaded(ablation.paper))
            for name, value in variant.attributes.items():
                setattr(models[-1], name, value)
        model = models[0]
        rows = torch.stack([source_ids.from_label(label, model.vocab, model.labels) for label in self.corpus.valid.labels[:4]])
        request = resolved(model, ablation.variants[0].request.with_(seeds=(0, 1, 2, 3), source=rows))
        seconds, written = ablation_measures.timed(models, request, REPEATS)
        return [{"paper": ablation.paper, "ran on": model.path.name, "sampler": request.sampler,
                 "sampled steps": request.steps, "runs of": 4, "seconds": own, "seconds / first": own / seconds[0],
                 "same texts as first": texts == written[0]}
                for own, texts in zip(seconds, written, strict=True)]


def opened(args: argparse.Namespace, lab: Lab, chosen: Mapping[str, Ablation], keys: list[Row]) -> Ledger:
    """The ledger of all rows, with those of an earlier run that stay true: rows wanted now, and of ablations not asked for."""
    path, known = args.json or args.output / "ablations.json", ablations(args.steps)
    old = read(path, lab.data, lab.judge.hash)
    found = [row for row in rows_of(old) if still_true(row, known)]
    ledger = Ledger(rows=found)
    again = [row for key in keys if (row := ledger.find(key)) is not None]
    kept = [row for row in found if row["ablation"] not in chosen or row in again]
    used = [known[name] for name in known if name in chosen or any(row["ablation"] == name for row in kept)]
    slugs = {slug for ablation in used if ablation.kind != "trained" for slug in ablation.papers()}
    checkpoints: dict[str, str] = {slug: str(shipped_hash(slug)) for slug in sorted(slugs)}
    options: dict[str, Any] = {name: getattr(args, name) for name in ("steps", "samples", "texts", "draws", "compute", "threads")}
    command = command_line(sys.argv[2:], "ablations")
    if kept:
        earlier = [*old["options"].get("earlier", ()), old["command"]]
        options["earlier"] = [other for other in dict.fromkeys(earlier) if other != command]
    new: list[Row] = [{**key, **here()} for key in keys if ledger.find(key) is None]
    blank = Result("ablations", "all papers", command,
                   {"rows": quality.ROW_SEED, "samples": f"0-{args.samples - 1}", "times": likelihood.SEED},
                   machines([*kept, *new]), args.compute, {**checkpoints, "judge": lab.judge.hash}, [], options, lab.data)
    return Ledger(blank, tables, path, kept)
