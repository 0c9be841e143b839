"""What all evaluation commands share: which models are measured and on what path, and where their results go."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

import diffusion
from diffusion.core import checkpoint
from diffusion.core.compute import choose
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from training.arguments import on_device
from training.evaluation.report.results import (
    RESULTS,
    Result,
    Table,
    Value,
    cell,
    command_line,
    device_name,
    fingerprint,
    round_off,
)

ALL = "all"


def papers(wanted: str) -> list[str]:
    """The models that `--paper` names: one, several with commas, or all bundled papers with the baseline."""
    if wanted != ALL:
        return wanted.split(",")
    return [slug for slug, kind in diffusion.PAPERS.items() if not kind.weightless and (checkpoint.BUNDLED / slug).is_dir()]


def prepared(args: argparse.Namespace) -> Iterator[DiffusionModel]:
    """The models that are measured, one after the other, each on the speed path that was asked for.

    Of several models, one that does not have that path is measured on `auto`; the plan and the result name the path in use.

    Raises:
        StudioError: a model, the device or the path is not to be had.
    """
    if args.threads:
        torch.set_num_threads(args.threads)
    names, device = papers(args.paper), on_device(args.device)
    for name in names:
        model = diffusion.load(name).to(device).eval()
        missing = (len(names) > 1 or args.paper == ALL) and args.compute not in model.paths
        choose(model, "auto" if missing else args.compute)
        yield model


def target(args: argparse.Namespace, kind: str, slug: str) -> Path | None:
    """The result file of a measurement: what --json names, else nothing for one model and the domain's results for several.

    Raises:
        StudioError: several models are measured, but --json names a file.
    """
    several = args.paper == ALL or "," in args.paper
    if not several and args.json is not None and not args.json.is_dir():
        return args.json
    folder = RESULTS if several and args.json is None else args.json
    if folder is None:
        return None
    if folder.suffix == ".json" or folder.is_file():
        raise StudioError(f"Several results do not go into one file '{folder}'. Name a folder with --json, or leave it out "
                          f"for the domain's results.")
    return folder / f"{kind}-{slug}.json"


def blank(args: argparse.Namespace, what: str, model: DiffusionModel, checkpoints: Mapping[str, str],
          seeds: Mapping[str, Value], data: Mapping[str, str]) -> Result:
    """A result without its tables: all that is needed to repeat the measurement."""
    left_out = {"run", "json", "data", "command", "plan", "anew"}
    options = {name: value for name, value in vars(args).items() if name not in left_out}
    options |= {name: Path(str(options[name])).name for name in ("paper", "judge", "baseline") if name in options}
    return Result(what, model.slug, command_line(arguments()), dict(seeds), device_name(model.device), model.path.name,
                  dict(checkpoints), [], options, dict(data))


def arguments() -> Sequence[str]:
    """What stands after `evaluate` on this process's command line."""
    return sys.argv[sys.argv.index("evaluate") + 1:] if "evaluate" in sys.argv else sys.argv[1:]


def hashes(files: Sequence[Path]) -> dict[str, str]:
    """The hash of each data file by its name."""
    return {path.name: fingerprint(path) for path in files}


def publish(result: Result, path: Path | None) -> None:
    """Prints a result's tables, and writes it where a file was named."""
    show(result.paper, result.tables)
    if path is not None:
        result.save(path)


def show(paper: str, tables: Sequence[Table]) -> None:
    """Prints tables in columns for the terminal."""
    for table in tables:
        print(f"\n{paper}: {table.caption}\n{plain(table)}")


def plain(table: Table) -> str:
    """A table in columns."""
    lines = [table.show]
    lines += [[cell(round_off(row.get(name))).replace("**", "") for name in table.show] for row in table.rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(table.show))]
    padded = ([word.ljust(width) for word, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(words).rstrip() for words in padded)
