"""`evaluate quality`: which settings of which models are sampled, in which order, with the plan told before it starts."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import diffusion
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.loop import resolved
from diffusion.core.model import DiffusionModel
from diffusion.core.types import Request
from diffusion.papers.autoregressive import load_judge
from training.evaluation import common as evaluation
from training.evaluation import plan as planning
from training.evaluation.control import steering
from training.evaluation.ledger import Ledger
from training.evaluation.quality import measure as quality
from training.evaluation.quality import source as evaluate_source
from training.evaluation.quality.measure import Bench, Setting
from training.evaluation.report.results import Row, Table

ROW_BY_ROW = ("free", "source")
WHAT = (*ROW_BY_ROW, "label", "length", "infill", "reproducibility")
SAMPLES = {"source": 500, "label": 500, "length": 200, "infill": 200, "reproducibility": 200}
FIRST, FURTHER = 500, 256                # free samples of a paper's first sampler, and of each other one
FREE_STEPS = (8, 16, 32, 64, 128, 256)
GUIDANCE = {"label": [1.0, 1.5, 2.0, 3.0]}


def run(args: argparse.Namespace) -> int:
    """Measures one thing, or free samples and texts from a source of several models."""
    models = list(evaluation.prepared(args))
    if args.what is None or args.what in ROW_BY_ROW:
        return _row_by_row(args, models)
    for model in models:
        _whole(args, model)
    return 0


# ---- measurements that are written down row by row


@dataclass(frozen=True)
class Job:
    """One measurement of one model: its ledger, what it plans, and how it is done."""

    ledger: Ledger
    plan: Callable[[], list[Row]]
    measure: Callable[[], list[Table]]


def _row_by_row(args: argparse.Namespace, models: Sequence[DiffusionModel]) -> int:
    """Free samples, and texts from a source of the papers that read one: plan, then rows, each written when it is there."""
    jobs, several = [], len(models) > 1 or args.paper == evaluation.ALL
    for model in models:
        bench = _bench(args, model)
        if args.what != "source":
            jobs += _free(args, bench)
        if _from_source(args, model, several):
            jobs.append(_source(args, bench))
    evaluation.show(evaluation.ALL, [planning.table([row for job in jobs for row in job.plan()])])
    for job in () if args.plan else jobs:
        tables = job.measure()
        evaluation.publish(dataclasses.replace(job.ledger.blank, tables=tables), job.ledger.path)
    return 0


def _from_source(args: argparse.Namespace, model: DiffusionModel, several: bool) -> bool:
    """Whether texts from a source are measured: of several papers for those that read one, of one where it was asked for."""
    return model.source and args.what != "free" if several else args.what == "source"


def _free(args: argparse.Namespace, bench: Bench) -> list[Job]:
    """The job of free samples; none for one of several models that has none of the samplers asked for."""
    model = bench.model
    samplers = _samplers(args, model)
    if not samplers:
        return []
    wanted = [Setting(resolved(model, request), args.samples or (FIRST if request.sampler == model.samplers[0] else FURTHER))
              for request in _combined(args, samplers, FREE_STEPS)]
    most = max(setting.texts for setting in wanted)
    tables = partial(quality.free_tables, model)
    ledger = _ledger(args, bench, "free", most, tables)
    return [Job(ledger, partial(planning.plan, model, wanted, ledger), partial(quality.free, bench, wanted, ledger))]


def _source(args: argparse.Namespace, bench: Bench) -> Job:
    model, count = bench.model, args.samples or SAMPLES["source"]
    scales = args.guidance_scale or [1.0]
    requests = [resolved(model, request.with_(guidance_scale=scale)) for scale in scales
                for request in _combined(args, _samplers(args, model)[:None if args.samplers else 1], [64])]
    ledger = _ledger(args, bench, "source", count * evaluate_source.CANDIDATES, partial(evaluate_source.tables, model))

    def plan() -> list[Row]:
        times = evaluate_source.CANDIDATES
        return [{"paper": model.slug, "sampler": f"{request.sampler}, from a source", "path": model.path.name, "rows": 2,
                 "kept": 0, "texts": times * count, "minutes": planning.minutes(model, [Setting(request, count)], times)}
                for request in requests if not evaluate_source.measured(request, count, ledger)]

    return Job(ledger, plan, partial(evaluate_source.from_source, bench, requests, count, ledger))


def _ledger(args: argparse.Namespace, bench: Bench, what: str, seeds: int,
            tables: Callable[[list[Row]], list[Table]]) -> Ledger:
    """Where the rows go: `free-SLUG.json`, or `tuning-free-SLUG.json` where human texts are the rows held out for tuning."""
    tuning = args.rows == "tuning"
    path = evaluation.target(args, f"tuning-{what}" if tuning else what, bench.model.slug)
    checkpoints = {bench.model.slug: bench.model.hash, "judge": bench.judge.hash}
    made = evaluation.blank(args, f"quality, {what}", bench.model, checkpoints,
                            {"samples": f"0-{seeds - 1}", "rows": quality.ROW_SEED}, bench.data)
    return Ledger.open(path, made, tables, args.anew)


def _samplers(args: argparse.Namespace, model: DiffusionModel) -> list[str]:
    """The samplers asked for: of one model as they are, of several those that it has; all of its own where none is named."""
    if not args.samplers:
        return list(model.samplers)
    if len(evaluation.papers(args.paper)) > 1:
        return [name for name in args.samplers if name in model.samplers]
    return [known_or_raise("sampler", name, model.samplers) for name in args.samplers]


def _combined(args: argparse.Namespace, samplers: Sequence[str], steps: Sequence[int]) -> list[Request]:
    """The requests that the arguments name; `steps` where they name no number of steps."""
    knobs = {name: getattr(args, name) for name in quality.KNOBS}
    return quality.combined(samplers, args.steps or steps, args.temperature, knobs)


def _bench(args: argparse.Namespace, model: DiffusionModel) -> Bench:
    """Human texts, training texts and the judge.

    Raises:
        StudioError: no data are named, or they or the judge cannot be used.
    """
    if args.data is None:
        raise StudioError("This measurement compares with human text. Give --data with a folder or a Hub name.")
    bench = Bench.open(args.data, model, load_judge(args.judge), args.rows == "tuning")
    bench.judge.to(model.device)
    return bench


# ---- measurements of one setting


def _whole(args: argparse.Namespace, model: DiffusionModel) -> None:
    """Measures control or reproducibility at one setting of the sampler."""
    what, count = args.what, args.samples or SAMPLES[args.what]
    requests = _combined(args, _samplers(args, model)[:None if args.samplers else 1], [64])
    if len(requests) > 1:
        raise StudioError(f"'--what {what}' measures one setting of the sampler, not {len(requests)}. "
                          f"Give one value each of --samplers, --steps, --temperature, --clamp and --eta.")
    request = resolved(model, requests[0])
    checkpoints, seeds, data = {model.slug: model.hash}, {"samples": f"0-{count - 1}"}, {}
    if what == "reproducibility":
        tables = quality.reproducibility(model, request, count, [model.path.name])
    else:
        bench = _bench(args, model)
        checkpoints["judge"], data = bench.judge.hash, bench.data
        seeds["rows"] = quality.ROW_SEED
        tables = _controlled(args, bench, request, count, checkpoints)
    made = evaluation.blank(args, f"quality, {what}", model, checkpoints, seeds, data)
    evaluation.publish(dataclasses.replace(made, tables=tables), evaluation.target(args, what, model.slug))


def _controlled(args: argparse.Namespace, bench: Bench, request: Request, count: int,
                checkpoints: dict[str, str]) -> list[Table]:
    """Labels, lengths or blanks; a baseline that takes part is added to the checkpoints."""
    if args.what == "label":
        return steering.label(bench, request, count, args.guidance_scale or GUIDANCE["label"], args.others == "absent")
    if args.what == "length":
        return steering.length(bench, request, count)
    baseline = None if args.baseline == "none" else diffusion.load(args.baseline)
    if baseline is not None:
        checkpoints[baseline.slug] = baseline.to(bench.model.device).hash
    return steering.infill(bench, request, count, baseline)
