"""`python -m training evaluate ...`: every number that the documentation and the app show comes from these commands."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

from controllers.matchers.slot_matcher import SLOTS
from controllers.settings import Option
from diffusion.core.checkpoint import BUNDLED
from diffusion.core.compute import PATHS
from diffusion.core.errors import StudioError
from training.arguments import at_least
from training.data import corpus, source
from training.data.corpus import Encoded
from training.evaluation import common as evaluation
from training.evaluation.control import analysers, command, settings
from training.evaluation.control import matcher as evaluate_matcher
from training.evaluation.control.targets import PARTS
from training.evaluation.ledger import Ledger
from training.evaluation.likelihood import measure as likelihood
from training.evaluation.quality import command as evaluate_quality
from training.evaluation.quality import measure as quality
from training.evaluation.report import cards, readme
from training.evaluation.report.results import ROOT, Result, Table, command_line, load_all
from training.evaluation.speed import measure as speed

DATA = "folder with train.csv and valid.csv (columns mr,ref), or the name of a data set on the Hub"


def numbers(kind: Callable[[str], float]) -> Callable[[str], list[float]]:
    """A reader of comma-separated numbers for argparse."""
    def read(text: str) -> list[float]:
        try:
            return [kind(part) for part in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a list of numbers like 8,16,32") from None
    return read


def option(text: str) -> tuple[str, list[Option]]:
    """A field of a request with values for argparse."""
    try:
        return settings.option(text)
    except StudioError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `evaluate` to the training commands; the parsed arguments carry `run`, a function of them."""
    parser = subparsers.add_parser("evaluate", help="measure a checkpoint", description=__doc__)
    commands = parser.add_subparsers(dest="measurement", required=True, metavar="MEASUREMENT")
    for add in (_add_quality, _add_control, _add_targets, _add_analysers, _add_likelihood, _add_speed, _add_matcher):
        add(commands)
    readme = commands.add_parser("readme", help="draw the pages of docs/results, the README's headline numbers and the "
                                                "cards of the bundled checkpoints, from the domain's results")
    readme.add_argument("--check", action="store_true", help="change nothing; fail where a page is out of date")
    readme.set_defaults(run=run_readme)


def _row_by_row(parser: argparse.ArgumentParser) -> None:
    """The argument of measurements that keep rows of an earlier run."""
    parser.add_argument("--anew", action="store_true",
                        help="measure all rows; without it, rows of the same settings, checkpoints and data are kept")


def _shared(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """Arguments of every measurement of a model."""
    parser.add_argument("--paper", default="diffusion-lm",
                        help="bundled slug, checkpoint folder or Hub id; several with commas; 'all' for every bundled paper "
                             "and the baseline, with a file each in the domain's results")
    parser.add_argument("--compute", default="auto", choices=("auto", *PATHS), help="speed path (default: the fastest)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--threads", type=at_least(1), help="threads of torch (default: its own choice)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there; a folder for several models")
    parser.set_defaults(run=run)


def _add_quality(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("quality", help="fluency, variety, control and reproducibility")
    _shared(parser, evaluate_quality.run)
    _row_by_row(parser)
    parser.add_argument("--plan", action="store_true", help="only tell what would be measured, and how long it would take")
    parser.add_argument("--what", choices=evaluate_quality.WHAT,
                        help="default: free; of several papers also source, for those that read one")
    parser.add_argument("--data", metavar="DATA", help=DATA)
    parser.add_argument("--judge", default="judge", help="checkpoint of the judge")
    parser.add_argument("--baseline", default="ar", help="checkpoint beside the infills; 'none' for no baseline")
    parser.add_argument("--rows", choices=("valid", "tuning"), default="valid",
                        help="human texts: the validation part, or training rows held out for tuning")
    parser.add_argument("--samples", type=at_least(2),
                        help="default: 500 for free (256 for further samplers), source and label, else 200 runs")
    parser.add_argument("--samplers", type=lambda text: text.split(","), help="default: all for free, else the first")
    parser.add_argument("--steps", type=numbers(int), help="default: 8,...,256 for free, else 64")
    parser.add_argument("--temperature", type=numbers(float), default=[None],
                        help="several with commas; default: the paper's own")
    for name, usual in quality.KNOBS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=numbers(type(usual)), default=[usual],
                            help=f"for samplers that read it (default: {usual})")
    parser.add_argument("--guidance-scale", type=numbers(float), help="default: 1,1.5,2,3 for label, 1 for source")
    parser.add_argument("--others", choices=("unknown", "absent"), default="unknown",
                        help="what label tells of slots that the meaning does not name")


def _add_control(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("control", help="success, floor, ceiling and cost of every control")
    _shared(parser, command.run)
    _row_by_row(parser)
    _drawn(parser)
    parser.add_argument("--plan", action="store_true", help="only tell what would be measured, and how long it would take")
    parser.add_argument("--retime", action="store_true",
                        help="only take the seconds of the rows in --json again, on a quiet machine")
    parser.add_argument("--judge", default="judge", help="checkpoint of the judge of fluency")
    parser.add_argument("--controls", default=evaluation.ALL, help=f"of {', '.join(PARTS)}; several with commas (default: all)")
    parser.add_argument("--samples", type=at_least(2), default=command.SAMPLES, help="of each target (default: %(default)s)")
    parser.add_argument("--targets-file", type=Path, nargs="+", metavar="FILE",
                        help="files in the shapes of the paper's target files, or folders of them, instead of drawn targets")
    parser.add_argument("--nats", type=numbers(float), help="strengths to compare, instead of the chosen ones")
    parser.add_argument("--guidance-scale", type=numbers(float), help="scales to compare, for class")
    parser.add_argument("--option", type=option, action="append", metavar="NAME=VALUE,...",
                        help="values of a field of the request to compare, like inner_steps=1,3; may be repeated")


def _add_targets(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("targets", help="write targets for control in the shapes of the paper's target files")
    _drawn(parser)
    parser.add_argument("--paper", default="diffusion-lm", help="whose words and length texts have to fit")
    parser.add_argument("--judge", default="judge", help="checkpoint of the judge of fluency")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="outside the repository: texts are data")
    parser.set_defaults(run=command.write_targets)


def _drawn(parser: argparse.ArgumentParser) -> None:
    """The arguments of what draws targets."""
    parser.add_argument("--data", required=True, metavar="DATA", help=DATA)
    parser.add_argument("--targets", type=at_least(1), default=command.TARGETS, help="of each control (default: %(default)s)")
    parser.add_argument("--rows", choices=("valid", "tuning"), default="valid",
                        help="where targets come from: the validation part, or training rows held out for tuning")


def _add_analysers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("analysers", help="how far the labeller and the judge of syntax agree on human text")
    parser.add_argument("--data", required=True, metavar="DATA", help=DATA)
    parser.add_argument("--texts", type=at_least(1), default=analysers.TEXTS, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.set_defaults(run=analysers.run)


def _add_likelihood(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("likelihood", help="bound of bits per token on held-out text")
    _shared(parser, run_likelihood)
    _row_by_row(parser)
    parser.add_argument("--data", required=True, metavar="DATA", help=DATA)
    parser.add_argument("--samples", type=at_least(2), default=1000, help="held-out texts")
    parser.add_argument("--draws", type=at_least(1), default=4, help="times drawn for each text")


def _add_speed(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("speed", help="seconds of a run, cost outside the network, memory")
    _shared(parser, run_speed)
    parser.add_argument("--sampler", default="", help="of the table of speed paths; default: each paper's first")
    parser.add_argument("--steps", type=at_least(1), default=speed.STEPS)
    parser.add_argument("--grid", type=numbers(int), default=evaluate_quality.FREE_STEPS,
                        help="numbers of steps that every sampler is timed at (default: 8,...,256)")
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


def run_likelihood(args: argparse.Namespace) -> int:
    """Runs the measurement of likelihood."""
    files = source.locate(args.data).valid
    rows = quality.shuffled(corpus.read_part(files))
    seeds = {"rows": quality.ROW_SEED, "times": likelihood.SEED}
    for model in evaluation.prepared(args):
        fitting = Encoded.encode(rows, model.vocab, model.labels, model.length)
        encoded = dataclasses.replace(fitting, tokens=fitting.tokens[:args.samples], labels=fitting.labels[:args.samples])
        blank = evaluation.blank(args, "likelihood", model, {model.slug: model.hash}, seeds, evaluation.hashes(files))
        path = evaluation.target(args, "likelihood", model.slug)
        ledger = Ledger.open(path, blank, partial(likelihood.tables, model), args.anew)
        tables = likelihood.likelihood(model, encoded, args.draws, ledger)
        evaluation.publish(dataclasses.replace(ledger.blank, tables=tables), path)
    return 0


def run_speed(args: argparse.Namespace) -> int:
    """Runs the measurements of speed and memory."""
    for model in evaluation.prepared(args):
        options = speed.Options(args.sampler, args.steps, args.samples, args.repeats, args.runs, tuple(args.grid),
                                tuple(args.paths or ()))
        tables = speed.measured(model, options)
        blank = evaluation.blank(args, "speed", model, {model.slug: model.hash}, {"samples": f"0-{args.samples - 1}"}, {})
        evaluation.publish(dataclasses.replace(blank, tables=tables), evaluation.target(args, "speed", model.slug))
    return 0


def run_matcher(args: argparse.Namespace) -> int:
    """Measures the frozen matcher itself."""
    files = source.locate(args.data).valid
    rows = [(corpus.meaning(row), row.text) for row in corpus.read_part(files)]
    table = Table.of(f"Slot matcher on {len(rows)} human texts, percent",
                     [{"slot": slot, **evaluate_matcher.measure(rows, slot)} for slot in SLOTS])
    evaluation.publish(Result("matcher", "slot matcher", command_line(evaluation.arguments()), {}, "cpu", "none", {}, [table],
                              data=evaluation.hashes(files)), args.json)
    return 0


def run_readme(args: argparse.Namespace) -> int:
    """Draws the pages, the headline numbers, the one table and the cards anew, or says whether they are up to date."""
    results = load_all()
    changes, table = readme.outdated(results), readme.one_table(results)
    kept = readme.same(results.get(readme.TABLE), table)
    if args.check:
        names = [path.relative_to(ROOT).as_posix() for path in changes]
        names += [] if kept else [readme.TABLE_FILE.relative_to(ROOT).as_posix()]
        print(f"Out of date: {', '.join(names)}. Draw anew: {readme.COMMAND}" if names else "The results are up to date.")
        return int(bool(names))
    for folder in sorted(BUNDLED.iterdir()):
        cards.fill(folder, results)
    if table is not None and not kept:
        table.save(readme.TABLE_FILE)
    readme.write(changes)
    return 0
