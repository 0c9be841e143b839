"""The command line, on the same studio as the app: what runs here gives the same text there."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ui import VERSION
from ui.order import DEVICES, MAX_SAMPLES, MAX_SEED, MAX_STEPS, SPEED_PATHS, Order, mistake
from ui.studio import Result, Studio

FAILED = 2
_EXAMPLES = """examples:
  python app.py                                      opens the lab in the browser
  python app.py papers                               lists papers, samplers and controls
  python app.py generate                             four sentences by Diffusion-LM
  python app.py generate --sampler ddim --steps 64 --seed 7 --samples 4 --control length=12 \\
      --control 'infill=The Vaults is a ___ near Café Rouge .' \\
      --control 'label=food:Italian,area:riverside' --guidance-scale 2 --json

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT choose where the lab listens (127.0.0.1, 7860).
"""
_ABOUT_ORDER = {
    "paper": "slug of the paper",
    "sampler": "slug of the sampler (default: the paper's first)",
    "steps": f"number of steps, 1 to {MAX_STEPS}",
    "samples": f"number of samples, 1 to {MAX_SAMPLES}",
    "seed": f"seed of the first sample, 0 to {MAX_SEED}; sample i uses seed + i",
    "guidance_scale": "classifier-free guidance: 0 ignores the label, 1 is conditional, above 1 sharpened",
    "temperature": "divides the logits of every belief; below 1 is sharper (default: the paper's own)",
    "clamp": "share of the steps, at the end, whose prediction is rounded to words, 0 to 1",
    "eta": "share of the ancestral noise that DDIM adds, 0 to 1",
    "strategy": "way of steering",
}


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(FAILED, f"{self.prog}: {message if len(message) < 300 else message[:300] + '…'} (see --help)\n")


def parser() -> argparse.ArgumentParser:
    """All commands and flags; without a command the app is launched."""
    top = _Parser(prog="app.py", description="Text Diffusion Lab: watch and steer text diffusion models as they write.",
                  epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=VERSION)
    _add_studio_flags(top, top_level=True)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser,
                                  title="commands (without one the lab opens in the browser)")
    generate = commands.add_parser("generate", help="write texts and print them", epilog=_EXAMPLES,
                                   description="Writes texts and prints them, one a line.",
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_order_flags(generate)
    generate.add_argument("--json", action="store_true",
                          help="print one JSON object a line: text, tokens, seed, nfe, seconds, path, checkpoint, and "
                               "per control its target and score; nfe and seconds are the whole run's")
    generate.add_argument("--save", metavar="FILE", type=Path,
                          help="save the run, step by step, as JSON for the app's player")
    papers = commands.add_parser("papers", help="list papers, samplers and controls",
                                 description="Lists papers with their samplers, and controls with an example each.")
    for command in (generate, papers):
        _add_studio_flags(command, top_level=False)
    return top


def _add_order_flags(command: argparse.ArgumentParser) -> None:
    """A flag for each field of an order, with the same default."""
    metavars = {int: "N", float: "X", str: "SLUG"}
    for field in dataclasses.fields(Order):
        if field.name in _ABOUT_ORDER:
            kind, default = type(field.default) if field.default is not None else float, field.default
            about = _ABOUT_ORDER[field.name] + (f" (default: {default})" if default not in ("", None) else "")
            flag = f"--{field.name.replace('_', '-')}"
            command.add_argument(flag, type=kind, default=default, metavar=metavars[kind], help=about)
    command.add_argument("--control", dest="controls", action="append", default=[], metavar="NAME=TARGET",
                         help="a wish about the text, such as length=12; may be given several times")


def _add_studio_flags(command: argparse.ArgumentParser, top_level: bool) -> None:
    """The flags of the studio; a subcommand's leave alone what was given before its name."""
    auto, none = ("auto", None) if top_level else (argparse.SUPPRESS, argparse.SUPPRESS)
    command.add_argument("--device", choices=DEVICES, default=auto,
                         help="where models run (default: auto, a GPU if there is one)")
    command.add_argument("--compute", choices=SPEED_PATHS, default=auto,
                         help="speed path; the same gives the same text (default: auto, the fastest on this machine)")
    command.add_argument("--checkpoints", default=none, metavar="FOLDER",
                         help="holds a checkpoint folder for each slug (default: those that come with the lab)")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a command line; `command` is None where the app is to be launched."""
    return parser().parse_args(arguments)


def studio_of(options: argparse.Namespace) -> Studio:
    """The studio that the options ask for."""
    return Studio(device=options.device, compute=options.compute, checkpoints=options.checkpoints)


def run(options: argparse.Namespace) -> int:
    """Runs a command and returns its exit code: 2, after one sentence on stderr, where the options ask too much."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")         # a letter that the terminal lacks must not cost the text
    commands: dict[str, Callable[[Studio, argparse.Namespace], None]] = {"generate": generate, "papers": papers}
    return guarded(lambda: commands[options.command](studio_of(options), options))


def serve(launch: Callable[[], Any]) -> int:
    """Opens the lab and returns an exit code; an address that cannot be had becomes one sentence on stderr."""
    try:
        launch()
    except OSError as error:
        print(f"The lab could not be opened: {' '.join(str(error).split())} "
              f"GRADIO_SERVER_NAME and GRADIO_SERVER_PORT choose its address.", file=sys.stderr)
        return FAILED
    return 0


def guarded(work: Callable[[], Any]) -> int:
    """Does work and returns an exit code; a user's mistake becomes one sentence on stderr."""
    from diffusion.core.errors import StudioError

    try:
        work()
        sys.stdout.flush()
    except StudioError as error:
        print(" ".join(str(error).split()), file=sys.stderr)     # what was typed may hold line breaks
        return FAILED
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:                              # `| head` has read enough; nothing may be flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def generate(studio: Studio, options: argparse.Namespace) -> None:
    """Writes texts and prints them.

    Raises:
        StudioError: the order cannot be run, or the trace cannot be saved.
    """
    if options.save is not None and not options.save.parent.is_dir():
        raise mistake(f"There is no folder '{options.save.parent}' to save the run in. Create it, or name another.")
    names = [field.name for field in dataclasses.fields(Order) if field.name != "compute"]      # that is the studio's
    chosen = {name: getattr(options, name) for name in names}
    trace = studio.start(Order.from_dict(chosen)).run()
    results = studio.results(trace)
    for result in results:
        print(as_json(result, trace.info) if options.json else as_text(result))
    for note in trace.info["notes"]:
        print(note, file=sys.stderr)
    if options.save is not None:
        try:
            trace.save(options.save)
        except OSError as error:
            raise mistake(f"The run could not be saved as '{options.save}' ({error.strerror}). "
                          f"Name another file.") from error


def as_json(result: Result, info: dict[str, Any]) -> str:
    """One sample as a line of JSON; in ASCII where the terminal is not UTF-8, so that nothing is lost."""
    values = {**dataclasses.asdict(result), "seconds": round(result.seconds, 4),
              **{name: info[name] for name in ("paper", "sampler", "steps", "path", "torch", "checkpoint")}}
    del values["finished"]
    return json.dumps(values, ensure_ascii=not _prints("é✓"))


def as_text(result: Result) -> str:
    """One sample for people: seed and text, then a line for each control."""
    done, missed = ("✓", "✗") if _prints("✓✗") else ("yes", "no")
    lines = [f"{result.seed}: {result.text}"]
    for item in result.controls:
        mark = done if item["score"] >= 1 else missed
        lines.append(f"    {mark} {item['control']}={item['target']}: {item['detail']}")
    return "\n".join(lines)


def _prints(text: str) -> bool:
    """Whether the terminal can show these letters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def papers(studio: Studio, options: argparse.Namespace) -> None:
    """Prints papers with their samplers, and controls with an example each."""
    from controllers import CONTROLLERS

    print("Papers")
    for paper in studio.papers():
        state = "" if paper.available else " (no checkpoint here)"
        print(f"  {paper.slug:14} {paper.title}{state}; samplers: {', '.join(item.slug for item in paper.samplers)}")
    print("Controls")
    for slug, kind in CONTROLLERS.items():
        print(f"  {slug:14} {kind.title}; for example --control '{slug}={kind.example}'")
