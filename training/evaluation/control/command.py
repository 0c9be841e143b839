"""`evaluate control` and `evaluate targets`: which controls of which papers are measured, on which targets, in which way."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import math
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import diffusion
from controllers import CONTROLLERS, parse_controls
from controllers.base import Context, why_not
from controllers.settings import Setting, setting
from diffusion.core.errors import StudioError, known_or_raise, objection
from diffusion.core.model import DiffusionModel
from diffusion.papers.autoregressive import load_judge
from training.evaluation import common as evaluation
from training.evaluation import plan as planning
from training.evaluation.control import origins, readings, settings, target_files, targets
from training.evaluation.control.measure import Course, Job, Run
from training.evaluation.control.tables import WHAT, tables
from training.evaluation.control.targets import PARTS, Readers, Target
from training.evaluation.ledger import Ledger
from training.evaluation.quality import measure as quality
from training.evaluation.quality.measure import Bench
from training.evaluation.report.results import Row

TARGETS, SAMPLES = 50, 10


def available(wanted: str) -> list[str]:
    """The controls that `--controls` names, in their order: several with commas, or all whose controllers are there.

    Raises:
        StudioError: one of them is not known.
    """
    known = [control for control, parts in PARTS.items() if all(kind.slug in CONTROLLERS for kind in parts)]
    return known if wanted == evaluation.ALL else [known_or_raise("control", name.strip(), known) for name in wanted.split(",")]


def run(args: argparse.Namespace) -> int:
    """Measures the controls of every paper row by row, or tells what would be measured."""
    if args.data is None:
        raise StudioError("Control is measured beside human text. Give --data with a folder or a Hub name.")
    readers = readings.both()
    given = target_files.load(args.targets_file) if args.targets_file else None
    plans: list[Row] = []
    for model in evaluation.prepared(args):
        bench = Bench.open(args.data, model, load_judge(args.judge), args.rows == "tuning")
        bench.judge.to(model.device)
        course = Course(bench, readers, args.samples)
        jobs = _jobs(args, bench, readers, given)
        ledger = _ledger(args, bench, jobs)
        if args.plan:
            plans += _plan(course, jobs, ledger)
        else:
            (course.clock if args.retime else course.run)(jobs, ledger)
            evaluation.publish(dataclasses.replace(ledger.blank, tables=tables(model, ledger.rows)), ledger.path)
    if plans:
        evaluation.show(evaluation.ALL, [planning.table(plans)])
    return 0


def write_targets(args: argparse.Namespace) -> int:
    """Draws targets and writes them in the shapes of the paper's files."""
    model = diffusion.load(args.paper)
    bench = Bench.open(args.data, model, load_judge(args.judge), args.rows == "tuning")
    readers = readings.both()
    drawn = {control: targets.draw(control, bench.human, args.targets, readers) for control in target_files.NAMES}
    for path in target_files.write(args.output, drawn):
        print(path)
    return 0


# ---- which jobs


def _jobs(args: argparse.Namespace, bench: Bench, readers: Readers, given: Mapping[str, list[Target]] | None) -> list[Job]:
    """What is measured of one paper; a control that it does not take is told and left out.

    Raises:
        StudioError: the target files hold no targets for a control that was named.
    """
    jobs: list[Job] = []
    for control in available(args.controls):
        reason = next((reason for kind in PARTS[control] if (reason := why_not(bench.model, CONTROLLERS[kind.slug]))), None)
        if reason is not None:
            print(f"{bench.model.slug}: '{control}' is left out. {reason}", file=sys.stderr)
            continue
        if given is None:
            found = targets.draw(control, bench.human, args.targets, readers)
        elif control in given:
            found = given[control][:args.targets]
        elif args.controls == evaluation.ALL:
            continue
        else:
            raise StudioError(f"The target files hold no targets for '{control}', only for {', '.join(given)}. "
                              f"Give a file of them, or leave --targets-file out.")
        found = _taken(bench.model, control, found)
        jobs += [Job(control, setting, found) for setting in _settings(args, bench.model.slug, control)]
    return jobs


def _taken(model: DiffusionModel, control: str, found: Sequence[Target]) -> list[Target]:
    """The targets that their controllers take; how many they do not, for a label that no controller knows, is told.

    Raises:
        StudioError: they take none; the first reason is told.
    """
    reasons = [objection(partial(parse_controls, target.controls, Context.of(model))) for target in found]
    refused = [reason for reason in reasons if reason is not None]
    if refused and len(refused) == len(found):
        raise StudioError(f"No target for '{control}' is possible. {refused[0]}")
    if refused:
        print(f"{model.slug}: {len(refused)} of {len(found)} targets for '{control}' are left out. {refused[0]}", file=sys.stderr)
    return [target for target, reason in zip(found, reasons, strict=True) if reason is None]


def _settings(args: argparse.Namespace, slug: str, control: str) -> list[Setting]:
    """The setting that was chosen for a control, or all that the arguments make of it."""
    options = dict(args.option or ())
    if args.guidance_scale:
        options["guidance_scale"] = args.guidance_scale
    return settings.varied(setting(slug, control), len(PARTS[control]), args.nats, options)


def _ledger(args: argparse.Namespace, bench: Bench, jobs: Sequence[Job]) -> Ledger:
    """Where the rows go: `control-SLUG.json`, or `tuning-control-SLUG.json` for held-out training rows.

    Of an earlier run, rows of these controls that were measured in another way or size are dropped; tuning keeps all.
    """
    model, tuning = bench.model, args.rows == "tuning"
    path = evaluation.target(args, f"tuning-{WHAT}" if tuning else WHAT, model.slug)
    checkpoints = {model.slug: model.hash, "judge": bench.judge.hash, **origins.analysers(), **origins.readers()}
    seeds = {"rows": quality.ROW_SEED, "samples": f"0-{max((len(job.targets) for job in jobs), default=1) * args.samples - 1}"}
    data = bench.data | evaluation.hashes([file for path in args.targets_file or () for file in _files(path)])
    made = evaluation.blank(args, WHAT, model, checkpoints, seeds, data)
    made = dataclasses.replace(made, options={name: _plain(value) for name, value in made.options.items()})
    ledger = Ledger.open(path, made, partial(tables, model), args.anew)
    if not tuning and not args.retime:
        chosen = [key for job in jobs for key in job.keys(args.samples).values()]
        measured = {job.control for job in jobs}
        ledger.rows = [row for row in ledger.rows if row["control"] not in measured
                       or any(all(row[name] == value for name, value in key.items()) for key in chosen)]
    return ledger


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _plain(value: object) -> object:
    """An argument as JSON holds it; of paths only the last part."""
    if isinstance(value, Path):
        return value.name
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


# ---- the plan


def _plan(course: Course, jobs: Sequence[Job], ledger: Ledger) -> list[Row]:
    """One row a job: what is to be measured, and the minutes of sampling that it takes, at the pace of a few steps now."""
    rows: list[Row] = []
    for job in jobs:
        keys = job.keys(course.samples).values()
        left = [key for key in keys if ledger.find(key) is None]
        texts = len(job.targets) * course.samples if left else 0
        model = course.bench.model
        rows.append({"paper": model.slug, "sampler": f"{job.control}: {job.setting}", "path": model.path.name, "rows": len(keys),
                     "kept": len(keys) - len(left), "texts": texts,
                     "minutes": _minutes(course, job) if left else 0.0})
    return rows


def _minutes(course: Course, job: Job) -> float:
    """Minutes of sampling, at the pace of the first steps of the first target."""
    run, batch = Run(course, job), min(course.samples, quality.BATCH)
    stamps = []
    for step in itertools.islice(run.steps(job.targets[0], range(batch)), planning.TRIED):
        stamps.append(time.perf_counter())
        steps = step.steps
    spent = min(later - earlier for earlier, later in itertools.pairwise(stamps))
    return len(job.targets) * math.ceil(course.samples / batch) * steps * spent / 60

