"""Measures speed and memory: whole runs on every speed path, every sampler, what the loop adds to the network, memory.

All times are medians over repetitions in one process, after a warm-up of the same shape.
"""

from __future__ import annotations

import dataclasses
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

import diffusion
from diffusion.core.compute import choose
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel, SpeedPath
from diffusion.core.trace import Frame
from diffusion.core.types import Prediction, Request
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import Vocabulary
from training.evaluation.report.results import Bar, Row, Table, bars
from training.recipes import RECIPES, Recipe

STEPS, SAMPLES, RUNS = 64, 4, 50
SECONDS = 1.5                            # bar of a run of 4 samples and 64 steps
SECONDS_OF = {"diffusion-lm": 1.0}       # where it is stricter
FINISHING = {"ld4lg": 0.3}               # bar of what follows the last step, for the paper that has a decoder there
LOOP_OF = "diffusion-lm"                 # the loop is written once: what it adds is measured with one paper
GRID_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What is timed.

    Attributes:
        sampler: of the table of speed paths; empty for the paper's first.
        steps, samples: of a run there, and `samples` in the grid.
        runs: of the memory test.
        grid: numbers of steps that every sampler is timed at.
        paths: speed paths; empty for all of the model's but `compiled`.
    """

    sampler: str = ""
    steps: int = STEPS
    samples: int = SAMPLES
    repeats: int = 7
    runs: int = RUNS
    grid: tuple[int, ...] = (8, 16, 32, 64, 128, 256)
    paths: tuple[str, ...] = ()


def measured(model: DiffusionModel, options: Options) -> list[Table]:
    """All tables of a model, whose speed path in use is the chosen one: paths, bars, the grid, overhead, memory."""
    request = Request(length=model.length, sampler=options.sampler or model.samplers[0], steps=options.steps,
                      seeds=tuple(range(options.samples)))
    paths = options.paths or [path for path in model.paths if path != "compiled"]
    tables = on_paths(model, request, paths, model.path.name, options.repeats)
    tables.append(grid(model, options.grid, options.samples))
    tables[1] = bars_of(model, tables[1], tables[2])
    recipe = RECIPES.get(f"{model.slug}-e2e")
    if model.slug == LOOP_OF and recipe is not None:
        chosen = model.path.name
        random = untrained(recipe, type(model), model.vocab, model.labels).to(model.device)
        plain = overhead(random, request, "fp32", f"e2e size, weights of seed {recipe.seed}", options.repeats)
        fast = overhead(model, request, chosen, "this checkpoint", options.repeats)
        tables += [plain, fast, overhead_bars(plain, fast)]
    held = memory(model, request, options.runs)
    return [*tables, held, memory_bars(held)]


class Stopwatch:
    """A network that adds up the seconds spent inside it."""

    def __init__(self, network: Callable[..., Tensor]) -> None:
        self.network, self.seconds = network, 0.0

    def __call__(self, *inputs: Tensor) -> Tensor:
        began = time.perf_counter()
        output = self.network(*inputs)
        _wait(output.device)
        self.seconds += time.perf_counter() - began
        return output


def _wait(device: torch.device) -> None:
    """Until the GPU has done what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def timed(model: DiffusionModel) -> Iterator[Stopwatch]:
    """The model with a stopwatch around the network of the speed path in use, and as it was afterwards."""
    before = model.path
    watch = Stopwatch(before.network or model.network)
    model.path = SpeedPath(before.name, watch)
    try:
        yield watch
    finally:
        model.path = before


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one run: the whole loop, inside the network's forward, and making frames, which is not in the loop."""

    loop: float
    forward: float
    frames: float


def cost(model: DiffusionModel, request: Request) -> Cost:
    """One run of the streaming loop; the time between two steps is the loop's, the time of `Frame.of` the frames'."""
    with timed(model) as watch:
        frames, began = 0.0, time.perf_counter()
        for step in diffusion.stream(model, request):
            before = time.perf_counter()
            Frame.of(step)
            frames += time.perf_counter() - before
        whole = time.perf_counter() - began
    return Cost(whole - frames, watch.seconds, frames)


def medians(model: DiffusionModel, request: Request, repeats: int) -> Cost:
    """Medians over repetitions, after one run that warms up.

    Raises:
        StudioError: the model has no network of its own to time.
    """
    if not isinstance(getattr(model, "network", None), torch.nn.Module):
        raise StudioError(f"{model.title} has no network whose forward can be timed apart. "
                          f"Measure the overhead of a paper that has one.")
    cost(model, request)
    turns = tqdm(range(repeats), desc=f"loop, {len(request.seeds)} at once", leave=False)
    costs = [cost(model, request) for _ in turns]
    return Cost(*(statistics.median(getattr(each, field.name) for each in costs) for field in dataclasses.fields(Cost)))


def seconds_of_run(model: DiffusionModel, request: Request, repeats: int) -> float:
    """Median seconds of a run with its frames, as the app records it."""
    diffusion.generate(model, request).run()
    times = []
    for _ in tqdm(range(repeats), desc=f"runs, {model.path.name}", leave=False):
        began = time.perf_counter()
        diffusion.generate(model, request).run()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def on_paths(model: DiffusionModel, request: Request, paths: Sequence[str], wanted: str, repeats: int) -> list[Table]:
    """Seconds of a run on each speed path the machine has, with the one that `wanted` chooses marked."""
    chosen = choose(model, wanted)
    rows: list[Row] = []
    for path in dict.fromkeys([*paths, chosen]):
        try:
            choose(model, path)
        except StudioError as error:
            rows.append({"path": path, "seconds": None, "chosen": False, "remark": str(error)})
            continue
        seconds = seconds_of_run(model, request, repeats)
        rows.append({"path": path, "seconds": seconds, "chosen": path == chosen, "remark": ""})
    choose(model, chosen)
    best = next(float(row["seconds"] or 0) for row in rows if row["chosen"])
    size = f"{len(request.seeds)} samples × {request.length} positions × {request.steps} steps"
    return [Table.of(f"{size}, warm, frames included", rows, ["path", "seconds", "chosen"]),
            bars(Bar(f"seconds for {size} ({chosen})", best, high=SECONDS_OF.get(model.slug, SECONDS)))]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one run with its frames: all of it, until the first frame, and making the text after the last step."""

    whole: float
    first: float
    finishing: float
    nfe: int


def times_of(model: DiffusionModel, request: Request) -> Times:
    """One run as the app records it."""
    finish, spent = model.finish, 0.0

    def watched(state: Any, prediction: Prediction) -> Tensor:
        nonlocal spent
        before = time.perf_counter()
        text = finish(state, prediction)
        _wait(text.device)
        spent += time.perf_counter() - before
        return text

    model.finish = watched
    try:
        began, first = time.perf_counter(), 0.0
        trace = diffusion.generate(model, request)
        for _ in trace:
            first = first or time.perf_counter() - began
        return Times(time.perf_counter() - began, first, spent, trace.frames[-1].nfe)
    finally:
        del model.finish                                 # the class's own again


def grid(model: DiffusionModel, steps: Sequence[int], samples: int, repeats: int = GRID_REPEATS) -> Table:
    """Every sampler at every number of steps, on the speed path in use; once where a sampler does not heed the number."""
    rows: list[Row] = []
    for name in model.samplers:
        heeds = diffusion.SAMPLERS[name].heeds_steps
        for number in tqdm(steps if heeds else [Request().steps], desc=f"{model.slug}, {name}", leave=False):
            request = Request(length=model.length, sampler=name, steps=number, seeds=tuple(range(samples)))
            times_of(model, request)
            found = [times_of(model, request) for _ in range(repeats)]
            middle = {field: statistics.median(getattr(each, field) for each in found) for field in ("whole", "first", "finishing")}
            rows.append({"sampler": name, "steps": number, "NFE": found[-1].nfe, "seconds": middle["whole"],
                         "first frame s": middle["first"], "after the last step s": middle["finishing"]})
    threads = torch.get_num_threads()
    return Table.of(f"{samples} samples by sampler and steps, path {model.path.name}, {threads} threads", rows)


def bars_of(model: DiffusionModel, seconds: Table, timed_grid: Table) -> Table:
    """The bar of a run, and where the paper has one, that of its decoder."""
    if model.slug not in FINISHING:
        return seconds
    row = next((row for row in timed_grid.rows if row["steps"] == STEPS), timed_grid.rows[0])
    bar = Bar(f"seconds after the last step ({row['sampler']}, {row['steps']} steps)", row["after the last step s"],
              high=FINISHING[model.slug])
    return Table(seconds.caption, [*seconds.rows, bar.row()], seconds.show)


def overhead(model: DiffusionModel, request: Request, path: str, name: str, repeats: int) -> Table:
    """What the loop costs beside the network, for one and for four sequences, on one speed path."""
    choose(model, path)
    rows: list[Row] = []
    for batch in (1, 4):
        found = medians(model, request.with_(seeds=tuple(range(batch))), repeats)
        per_step = 1000 / request.steps
        rows.append({"sequences": batch, "loop s": found.loop, "forward s": found.forward,
                     "loop / forward": found.loop / found.forward,
                     "outside ms a step": (found.loop - found.forward + found.frames) * per_step,
                     "of it loop": (found.loop - found.forward) * per_step, "of it frame": found.frames * per_step})
    return Table.of(f"Cost outside the network's forward, {name}, path {path}", rows)


def overhead_bars(plain: Table, chosen: Table) -> Table:
    """The bars for the loop on plain fp32, and for the cost of a step on the chosen path."""
    limits = {1: 0.35, 4: 0.8}
    return bars(*(Bar(f"loop / forward, {row['sequences']} at once (fp32)", row["loop / forward"], high=1.05)
                  for row in plain.rows),
                *(Bar(f"ms a step outside the forward, {row['sequences']} at once", row["outside ms a step"],
                      high=limits[row["sequences"]]) for row in chosen.rows))


def untrained(recipe: Recipe, kind: type[DiffusionModel], vocab: Vocabulary, labels: LabelSet) -> DiffusionModel:
    """A recipe's model with random weights: its speed does not depend on what it has learned."""
    backbone = dataclasses.replace(recipe.config.backbone, label_sizes=labels.sizes)
    torch.manual_seed(recipe.seed)
    return kind(dataclasses.replace(recipe.config, backbone=backbone), vocab, labels).eval()


def memory(model: DiffusionModel, request: Request, runs: int = RUNS) -> Table:
    """Resident megabytes after 1, 10, 25 and all runs in this process, each run's trace dropped when it ends."""
    rows: list[Row] = []
    for number in tqdm(range(1, runs + 1), desc="memory", leave=False):
        diffusion.generate(model, request).run()
        if number in {1, 10, 25, runs}:
            rows.append({"runs": number, "resident MB": resident_megabytes()})
    size = f"{len(request.seeds)} samples, {request.steps} steps, path {model.path.name}"
    return Table.of(f"Resident memory after some runs in one process ({size})", rows)


def memory_bars(table: Table) -> Table:
    """Below 2 GB, and flat after the first tenth of the runs."""
    early, last = (float(table.rows[index]["resident MB"]) for index in (min(1, len(table.rows) - 1), -1))
    return bars(Bar("resident MB after all runs", last, high=2000.0),
                Bar("MB added since the tenth run", last - early, high=20.0))


def resident_megabytes() -> int:
    """Memory that this process holds now; where the system does not say, the most that it held."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        unit = 1024**2 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) // 1024
