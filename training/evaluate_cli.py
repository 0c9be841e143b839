"""`python -m training evaluate ...`: every number that the README and the app show comes from these commands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

import diffusion
from controllers.linguistics.slot_matcher import SLOTS
from diffusion.autoregressive import load_judge
from diffusion.core.checkpoint import BUNDLED
from diffusion.core.compute import PATHS, choose
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.loop import resolved
from diffusion.core.model import DiffusionModel
from diffusion.core.types import Request
from training import cards, evaluate_matcher, likelihood, quality, source, speed, steering
from training import data as corpus
from training.arguments import at_least
from training.data import Encoded
from training.recipes import RECIPES
from training.results import (
    ROOT,
    Result,
    Table,
    cell,
    command_line,
    device_name,
    drawn,
    fingerprint,
    load_all,
    round_off,
)

WHAT = ("free", "label", "length", "infill", "reproducibility")
SAMPLES = {"free": 500, "label": 500, "length": 200, "infill": 200, "reproducibility": 200}
DATA = "folder with train.csv and valid.csv (columns mr,ref), or the name of a data set on the Hub"
FREE_STEPS = (8, 16, 32, 64, 128, 256)


def numbers(kind: Callable[[str], float]) -> Callable[[str], list[float]]:
    """A reader of comma-separated numbers for argparse."""
    def read(text: str) -> list[float]:
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a list of numbers like 8,16,32") from None
    return read


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `evaluate` to the training commands; the parsed arguments carry `run`, a function of them."""
    parser = subparsers.add_parser("evaluate", help="measure a checkpoint", description=__doc__)
    commands = parser.add_subparsers(dest="measurement", required=True, metavar="MEASUREMENT")
    for add in (_add_quality, _add_likelihood, _add_speed, _add_matcher):
        add(commands)
    readme = commands.add_parser("readme", help="draw the README's section of results, and the cards of the bundled "
                                                "checkpoints, from assets/results")
    readme.add_argument("--check", action="store_true", help="change nothing; fail where the section is out of date")
    readme.set_defaults(run=run_readme)


def _shared(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Arguments of every measurement of a model."""
    parser.add_argument("--paper", default="diffusion-lm", help="bundled slug, checkpoint folder or Hub id")
    parser.add_argument("--compute", default="auto", choices=("auto", *PATHS), help="speed path (default: the fastest)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--threads", type=at_least(1), help="threads of torch (default: its own choice)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there")
    parser.set_defaults(run=run)


def _add_quality(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("quality", help="fluency, variety, control and reproducibility")
    _shared(parser, run_quality)
    parser.add_argument("--what", choices=WHAT, default="free")
    parser.add_argument("--data", metavar="DATA", help=DATA)
    parser.add_argument("--judge", default="judge", help="checkpoint of the judge")
    parser.add_argument("--baseline", default="ar", help="checkpoint beside the infills; 'none' for no baseline")
    parser.add_argument("--rows", choices=("valid", "tuning"), default="valid",
                        help="human texts: the validation part, or training rows held out for tuning")
    parser.add_argument("--samples", type=at_least(2), help="default: 500 for free and label, else 200 runs")
    parser.add_argument("--samplers", type=lambda text: text.split(","), help="default: all for free, else the first")
    parser.add_argument("--steps", type=numbers(int), help="default: 8,...,256 for free, else 64")
    parser.add_argument("--temperature", type=numbers(float), default=[None],
                        help="several with commas; default: the paper's own")
    parser.add_argument("--clamp", type=numbers(float), default=[0.0])
    parser.add_argument("--eta", type=numbers(float), default=[0.0])
    parser.add_argument("--guidance-scale", type=numbers(float), default=[1.0, 1.5, 2.0, 3.0], help="of label")
    parser.add_argument("--others", choices=("unknown", "absent"), default="unknown",
                        help="what label tells of slots that the meaning does not name")


def _add_likelihood(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("likelihood", help="bound of bits per token on held-out text")
    _shared(parser, run_likelihood)
    parser.add_argument("--data", required=True, metavar="DATA", help=DATA)
    parser.add_argument("--samples", type=at_least(2), default=1000, help="held-out texts")
    parser.add_argument("--draws", type=at_least(1), default=4, help="times drawn for each text")


def _add_speed(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("speed", help="seconds of a run, cost outside the network, memory")
    _shared(parser, run_speed)
    parser.add_argument("--sampler", default="")
    parser.add_argument("--steps", type=at_least(1), default=speed.STEPS)
    parser.add_argument("--samples", type=at_least(1), default=speed.SAMPLES)
    parser.add_argument("--repeats", type=at_least(1), default=7)
    parser.add_argument("--runs", type=at_least(1), default=speed.RUNS, help="runs of the memory test")
    parser.add_argument("--paths", type=lambda text: text.split(","), help="default: all but compiled")


def _add_matcher(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("matcher", help="recall and false alarms of the slot matcher on human text")
    parser.add_argument("--data", required=True, metavar="DATA", help=DATA)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.set_defaults(run=run_matcher)


# ---- running


def run_quality(args: argparse.Namespace) -> int:
    """Runs one measurement of quality."""
    model, path = prepared(args)
    count = args.samples or SAMPLES[args.what]
    samplers = args.samplers or list(model.samplers if args.what == "free" else model.samplers[:1])
    steps = args.steps or (usual_steps(model, samplers) if args.what == "free" else [64])
    requests = [resolved(model, request) for request in
                quality.settings(samplers, steps, args.temperature, args.clamp, args.eta)]
    checkpoints, seeds = {model.slug: model.hash}, {"samples": f"0-{count - 1}"}
    if len(requests) > 1 and args.what != "free":
        raise StudioError(f"'--what {args.what}' measures one setting of the sampler, not {len(requests)}. "
                          f"Give one value each of --samplers, --steps, --temperature, --clamp and --eta.")
    if args.what == "reproducibility":
        tables = quality.reproducibility(model, requests[0], count, [path])
        return finish(args, model, tables, checkpoints, seeds, {})
    if args.data is None:
        raise StudioError(f"'--what {args.what}' compares with human text. Give --data with a folder or a Hub name.")
    bench = quality.Bench.open(args.data, model, load_judge(args.judge), args.rows == "tuning")
    bench.judge.to(model.device)
    checkpoints["judge"] = bench.judge.hash
    if args.what == "free":
        tables = quality.free(bench, requests, count)
    elif args.what == "label":
        tables = steering.label(bench, requests[0], count, args.guidance_scale, args.others == "absent")
    elif args.what == "length":
        tables = steering.length(bench, requests[0], count)
    else:
        baseline = None if args.baseline == "none" else diffusion.load(args.baseline)
        if baseline is not None:
            checkpoints[baseline.slug] = baseline.to(model.device).hash
        tables = steering.infill(bench, requests[0], count, baseline)
    return finish(args, model, tables, checkpoints, {**seeds, "rows": quality.ROW_SEED}, bench.data)


def run_likelihood(args: argparse.Namespace) -> int:
    """Runs the measurement of likelihood."""
    model, _ = prepared(args)
    files = source.locate(args.data).valid
    chosen = quality.shuffled(corpus.read_part(files))[:args.samples]
    tables = likelihood.likelihood(model, Encoded.encode(chosen, model.vocab, model.labels, model.length), args.draws)
    seeds = {"rows": quality.ROW_SEED, "times": likelihood.SEED}
    return finish(args, model, tables, {model.slug: model.hash}, seeds, hashes(files))


def run_speed(args: argparse.Namespace) -> int:
    """Runs the measurements of speed and memory."""
    model, chosen = prepared(args)
    request = Request(length=model.length, sampler=args.sampler or model.samplers[0], steps=args.steps,
                      seeds=tuple(range(args.samples)))
    paths = args.paths or [path for path in model.paths if path != "compiled"]
    tables = speed.on_paths(model, request, paths, args.compute, args.repeats)
    recipe = RECIPES.get(f"{model.slug}-e2e")
    if recipe is not None and hasattr(recipe.config, "backbone"):
        random = speed.untrained(recipe, type(model), model.vocab, model.labels).to(model.device)
        plain = speed.overhead(random, request, "fp32", "e2e size", args.repeats)
        fast = speed.overhead(model, request, chosen, "this checkpoint", args.repeats)
        tables += [plain, fast, speed.overhead_bars(plain, fast)]
    choose(model, chosen)
    held = speed.memory(model, request, args.runs)
    return finish(args, model, [*tables, held, speed.memory_bars(held)], {model.slug: model.hash},
                  {"samples": f"0-{args.samples - 1}", "weights of e2e size": recipe.seed if recipe else None}, {})


def run_matcher(args: argparse.Namespace) -> int:
    """Measures the frozen matcher itself."""
    files = source.locate(args.data).valid
    rows = [(corpus.meaning(row), row.text) for row in corpus.read_part(files)]
    table = Table.of(f"Slot matcher on {len(rows)} human texts, percent",
                     [{"slot": slot, **evaluate_matcher.measure(rows, slot)} for slot in SLOTS])
    result = Result("matcher", "slot matcher", command_line(arguments()), {}, "cpu", "none", {}, [table],
                    data=hashes(files))
    return publish(result, args.json)


def run_readme(args: argparse.Namespace) -> int:
    """Draws the README's section of results anew, or says whether it is up to date."""
    path = ROOT / "README.md"
    old = path.read_text(encoding="utf-8")
    new = drawn(old, load_all())
    if not args.check:
        for folder in sorted(BUNDLED.iterdir()):
            cards.fill(folder, load_all())
    if args.check:
        state = "is up to date." if new == old else "is out of date. Draw it anew: python -m training evaluate readme"
        print(f"README.md {state}")
        return int(new != old)
    path.write_text(new, encoding="utf-8")
    return 0


def prepared(args: argparse.Namespace) -> tuple[DiffusionModel, str]:
    """The model that is measured and the speed path that it runs on.

    Raises:
        StudioError: the model, the device or the path is not to be had.
    """
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        model = diffusion.load(args.paper).to(args.device).eval()
    except RuntimeError as error:
        raise StudioError(f"The device '{args.device}' cannot be used ({error}). Give cpu, cuda or mps.") from error
    return model, choose(model, args.compute)


def usual_steps(model: DiffusionModel, samplers: Sequence[str]) -> Sequence[int]:
    """The grid of steps for free samples; one entry where no sampler heeds the number of steps."""
    known = [diffusion.SAMPLERS[known_or_raise("sampler", name, model.samplers)](Request()) for name in samplers]
    heeded = any(len(sampler.times(model, number)) == number + 1 for sampler in known for number in (8, 16))
    return FREE_STEPS if heeded else [64]


def hashes(files: Sequence[Path]) -> dict[str, str]:
    """The hash of each data file by its name."""
    return {path.name: fingerprint(path) for path in files}


def arguments() -> Sequence[str]:
    """What stands after `evaluate` on this process's command line."""
    return sys.argv[sys.argv.index("evaluate") + 1:] if "evaluate" in sys.argv else sys.argv[1:]


def finish(args: argparse.Namespace, model: DiffusionModel, tables: list[Table], checkpoints: dict[str, str],
           seeds: dict[str, int | str | None], data: dict[str, str]) -> int:
    """Prints and writes a result."""
    what = f"{args.measurement}, {args.what}" if args.measurement == "quality" else args.measurement
    options = {name: value for name, value in vars(args).items() if name not in {"run", "json", "data", "command"}}
    options |= {name: Path(str(options[name])).name for name in ("paper", "judge", "baseline") if name in options}
    result = Result(what, model.slug, command_line(arguments()), dict(seeds), device_name(model.device),
                    model.path.name, checkpoints, tables, options, data)
    return publish(result, args.json)


def publish(result: Result, path: Path | None) -> int:
    """Prints a result's tables, and writes it where a file was named."""
    for table in result.tables:
        print(f"\n{table.caption}\n{plain(table)}")
    if path is not None:
        result.save(path)
    return 0


def plain(table: Table) -> str:
    """A table in columns for the terminal."""
    lines = [table.show]
    lines += [[cell(round_off(row.get(name))).replace("**", "") for name in table.show] for row in table.rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(table.show))]
    padded = ([word.ljust(width) for word, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(words).rstrip() for words in padded)
