"""What a long measurement is going to do and how long it will take, told before it starts."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence

import diffusion
from diffusion.core.model import DiffusionModel
from diffusion.core.types import Request
from training.evaluation.ledger import Ledger
from training.evaluation.quality.measure import BATCH, Setting, about
from training.evaluation.report.results import Row, Table

TRIED = 4                # steps that are timed, the first of them to warm up


def plan(model: DiffusionModel, wanted: Sequence[Setting], ledger: Ledger) -> list[Row]:
    """One row a sampler: how many rows are to be measured, how many are there already, and the minutes of sampling left."""
    rows: list[Row] = []
    for sampler, group in itertools.groupby(wanted, key=lambda setting: setting.request.sampler):
        settings = list(group)
        left = [each for each in settings if ledger.find({**about(each.request), "texts": each.texts}) is None]
        rows.append({"paper": model.slug, "sampler": sampler, "path": model.path.name, "rows": len(settings),
                     "kept": len(settings) - len(left), "texts": sum(each.texts for each in left), "minutes": minutes(model, left)})
    return rows


def minutes(model: DiffusionModel, wanted: Sequence[Setting], times_over: int = 1) -> float:
    """Minutes of sampling that settings of one sampler will take, at the pace of a few steps now.

    Args:
        times_over: how many texts are drawn for each text that is counted.
    """
    if not wanted:
        return 0.0
    first = wanted[0].request
    batch = min(BATCH, max(each.texts for each in wanted))
    step, after = pace(model, first, batch)
    sampler = diffusion.SAMPLERS[first.sampler](first)
    seconds = sum(times_over * math.ceil(each.texts / batch) * ((len(sampler.times(model, each.request.steps)) - 1) * step + after)
                  for each in wanted)
    return seconds / 60


def pace(model: DiffusionModel, request: Request, batch: int) -> tuple[float, float]:
    """Seconds of a step of a whole batch, and of what comes after the last step (the decoder, in a paper that has one)."""
    running = diffusion.stream(model, request.with_(seeds=tuple(range(batch)), steps=TRIED))
    stamps, whole = [], False
    for step in itertools.islice(running, TRIED):
        stamps.append(time.perf_counter())
        whole = step.index + 1 == step.steps
    running.close()
    spent = [later - earlier for earlier, later in itertools.pairwise(stamps)]
    if whole:
        middle = min(spent[:-1])
        return middle, max(0.0, spent[-1] - middle)
    return min(spent), 0.0


def table(rows: Sequence[Row]) -> Table:
    """The plan, with its sum."""
    total: Row = {"paper": "all", "sampler": "", "path": "", **{name: sum(row[name] for row in rows)
                                                                for name in ("rows", "kept", "texts", "minutes")}}
    return Table.of("What will be measured (minutes of sampling, at the pace of a few steps now)", [*rows, total])
