"""The command line, on the same studio as the app: what runs here gives the same text there."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ui import VERSION
from ui.service import zerogpu
from ui.service.catalogue import SamplerInfo
from ui.service.gallery import TRACES, render
from ui.service.options import OPTIONS, STEERING
from ui.service.run_spec import CANDIDATE_STRIDE, DEVICES, MAX_SAMPLES, MAX_SEED, MAX_STEPS, SPEED_PATHS, Order, mistake
from ui.service.studio import MAX_LOADED, Result, Studio

if TYPE_CHECKING:
    from controllers.strategies.base import Steering

FAILED = 2
KEPT = "TEXT_DIFFUSION_MAX_LOADED"
_EXAMPLES = """examples:
  python app.py                                      opens the lab in the browser
  python app.py papers                               lists papers, samplers and controls
  python app.py generate                             four sentences by Diffusion-LM
  python app.py generate --sampler ddim --steps 64 --seed 7 --samples 4 --control length=12 \\
      --control 'infill=The Vaults is a ___ near Café Rouge .' \\
      --control 'label=food:Italian,area:riverside' --guidance-scale 2 --json
  python app.py generate --paper seqdiffuseq --source 'name[Wildwood], food[French]' --candidates 5

GRADIO_SERVER_NAME and GRADIO_SERVER_PORT choose where the lab listens (127.0.0.1, 7860); TEXT_DIFFUSION_MAX_LOADED how many
models it keeps in memory, as --max-loaded does.
"""
_ABOUT_ORDER = {
    "paper": "slug of the paper",
    "sampler": "slug of the sampler (default: the paper's first)",
    "steps": f"number of steps, 1 to {MAX_STEPS}",
    "samples": f"number of samples, 1 to {MAX_SAMPLES}",
    "seed": f"seed of the first sample, 0 to {MAX_SEED}; sample i uses seed + i",
    "guidance_scale": "classifier-free guidance: 0 ignores the label, 1 is conditional, above 1 sharpened",
    "temperature": "divides the logits of every belief; below 1 is sharper (default: the paper's own)",
    **{name: f"{option.about}; {option.unit}, {option.low} to {option.high}" for name, option in OPTIONS.items()},
    "source": "what the text is written from, for papers that read a source: 'name[Wildwood], food[French]', or plain words",
    "candidates": f"texts written for each sample, for papers that read a source; the one closest to the others is chosen. "
                  f"Candidate j of a sample has the sample's seed + j x {CANDIDATE_STRIDE}",
    "strategy": "way of steering: absorb, or a paper's own, langevin, langevin-denoiser or discrete",
    **{name: f"{option.about}; {option.unit}, {option.low} to {option.high}" for name, option in STEERING.items()},
}
_SLUGS = ("paper", "sampler", "strategy")


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
    generate.add_argument("--advised", action="store_true",
                          help="take over the settings that were found to work best for controls or source, and print them: "
                               "sampler, steps, options, strengths")
    generate.add_argument("--json", action="store_true",
                          help="print one JSON object a sample: text, tokens, seed, nfe, seconds, path, checkpoint, per "
                               "control its target and score, per pinned word whether it held, and all candidates; nfe and "
                               "seconds are the whole run's")
    generate.add_argument("--save", metavar="FILE", type=Path,
                          help="save the run, step by step, as JSON for the app's player")
    papers = commands.add_parser("papers", help="list papers, samplers and controls",
                                 description="Lists papers with their samplers, and controls with an example each.")
    gallery = commands.add_parser("gallery", help="render the stored runs that the lab opens on",
                                  description="Renders the stored runs that the lab opens on, a file each; what has not changed "
                                              "stays as it is.")
    gallery.add_argument("--folder", metavar="FOLDER", type=Path, default=TRACES,
                         help="where they lie (default: the domain's traces)")
    for command in (generate, papers, gallery):
        _add_studio_flags(command, top_level=False)
    return top


def _add_order_flags(command: argparse.ArgumentParser) -> None:
    """A flag for each field of an order, with the same default."""
    metavars = {int: "N", float: "X", str: "TEXT"}
    for field in dataclasses.fields(Order):
        if field.name in _ABOUT_ORDER:
            kind, default = type(field.default) if field.default is not None else float, field.default
            about = _ABOUT_ORDER[field.name] + (f" (default: {default})" if default not in ("", None) else "")
            flag = f"--{field.name.replace('_', '-')}"
            metavar = "SLUG" if field.name in _SLUGS else metavars[kind]
            command.add_argument(flag, type=kind, default=default, metavar=metavar, help=about)
    command.add_argument("--checkpoint", default="", metavar="NAME|FOLDER",
                         help="a checkpoint by its name or folder, in place of --paper, which takes the paper's first")
    command.add_argument("--control", dest="controls", action="append", default=[], metavar="NAME=TARGET",
                         help="a wish about the text, such as length=12; may be given several times")


def _add_studio_flags(command: argparse.ArgumentParser, top_level: bool) -> None:
    """The flags of the studio; a subcommand's leave alone what was given before its name."""
    auto, none = ("auto", None) if top_level else (argparse.SUPPRESS, argparse.SUPPRESS)
    command.add_argument("--device", choices=DEVICES, default=auto,
                         help="where models run (default: auto, a GPU if there is one)")
    command.add_argument("--compute", choices=SPEED_PATHS, default=auto,
                         help="speed path; the same gives the same text (default: auto, the fastest on this machine)")
    if top_level:
        command.add_argument("--max-loaded", type=_count, default=os.environ.get(KEPT, str(MAX_LOADED)), metavar="N",
                             help=f"models kept in memory by the lab; the one not used for longest goes first "
                                  f"(default: {MAX_LOADED}, or what the variable {KEPT} says)")
    command.add_argument("--checkpoints", default=none, metavar="FOLDER",
                         help="holds a checkpoint folder for each slug (default: those that come with the lab)")


def _count(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 is needed, here or in the variable {KEPT}; got '{text}'")
    return int(text)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of a command line; `command` is None where the app is to be launched."""
    return parser().parse_args(arguments)


def studio_of(options: argparse.Namespace) -> Studio:
    """The studio that the options ask for."""
    if (named := getattr(options, "checkpoint", "")) and (folder := Path(named)).is_dir():
        options.checkpoints, options.checkpoint = str(folder.resolve().parent), folder.resolve().name
    return Studio(options.max_loaded, options.device, options.compute, options.checkpoints, zerogpu.decorator())


def run(options: argparse.Namespace) -> int:
    """Runs a command and returns its exit code: 2, after one sentence on stderr, where the options ask too much."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")         # a letter that the terminal lacks must not cost the text
    commands: dict[str, Callable[[Studio, argparse.Namespace], None]] = {"generate": generate, "papers": papers,
                                                                         "gallery": gallery}
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
    if options.checkpoint:
        options.paper = options.checkpoint
    names = [field.name for field in dataclasses.fields(Order) if field.name != "compute"]      # that is the studio's
    order = Order.from_dict({name: getattr(options, name) for name in names})
    if options.advised:
        from ui.service.advice import advice, advised  # brings torch along

        print(advice(order) or "Nothing better than these settings was found.", file=sys.stderr)
        order = advised(order)
    trace = studio.start(order)
    for note in trace.info["notes"]:                     # before the run, so that nobody waits for what was not promised
        print(note, file=sys.stderr)
    for group in samples(studio.results(trace.run())):
        print(as_json(group, trace.info) if options.json else as_text(group, trace.info["hard"]))
    if options.save is not None:
        try:
            trace.save(options.save)
        except OSError as error:
            raise mistake(f"The run could not be saved as '{options.save}' ({error.strerror}). "
                          f"Name another file.") from error


def samples(results: Sequence[Result]) -> list[list[Result]]:
    """The texts of each sample, the chosen one first."""
    groups = itertools.groupby(results, lambda result: result.sample)
    return [sorted(group, key=lambda result: result.rank) for _, group in groups]


def as_json(group: Sequence[Result], info: dict[str, Any]) -> str:
    """One sample as a line of JSON; in ASCII where the terminal is not UTF-8, so that nothing is lost."""
    chosen = group[0]
    values = {**dataclasses.asdict(chosen), "seconds": round(chosen.seconds, 4),
              **{name: info[name] for name in ("paper", "sampler", "steps", "path", "torch", "checkpoint", "source")}}
    for name in ("finished", "sample", "rank"):
        del values[name]
    values["candidates"] = [{"seed": result.seed, "text": result.text, "agreement": result.agreement} for result in group]
    return json.dumps(values, ensure_ascii=not _prints("é✓"))


def as_text(group: Sequence[Result], hard: bool = True) -> str:
    """One sample for people: seed and text, a line for each control, for pinned words, and for each other candidate.

    Args:
        hard: words are pinned exactly, so that only a lost one is worth a line.
    """
    chosen, *others = group
    done, missed = ("✓", "✗") if _prints("✓✗") else ("yes", "no")
    lines = [f"{chosen.seed}: {chosen.text}"]
    for item in chosen.controls:
        mark = done if item["score"] >= 1 else missed
        lines.append(f"    {mark} {item['control']}={item['target']}: {item['detail']}")
    for pin in chosen.pins:
        if not (pin["held"] and hard):
            mark, does = (done, "stands") if pin["held"] else (missed, "does not stand")
            lines.append(f"    {mark} '{pin['word']}' {does} at position {pin['position'] + 1}")
    if others:
        lines.append(f"    chosen of {len(group)} candidates; agreement with the others (sentence BLEU): {chosen.agreement:.1f}")
        lines += [f"    {result.agreement:5.1f}  {result.seed}: {result.text}" for result in others]
    return "\n".join(lines)


def _prints(text: str) -> bool:
    """Whether the terminal can show these letters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def papers(studio: Studio, options: argparse.Namespace) -> None:
    """Prints papers with their samplers, controls with an example each, and ways of steering."""
    from controllers import CONTROLLERS
    from controllers.strategies import STRATEGIES

    print("Papers")
    for paper in studio.papers():
        state = "" if paper.available else " (no checkpoint here; python -m training train makes one)"
        reads = "; reads a source" if paper.source else ""
        print(f"  {paper.slug:14} {paper.title}{state}{reads}; samplers: {', '.join(map(with_options, paper.samplers))}")
    print("Controls")
    for slug, kind in CONTROLLERS.items():
        print(f"  {slug:14} {kind.title}; for example --control '{slug}={kind.example}'")
    print("Ways of steering")
    for kind in STRATEGIES.values():
        print(f"  {with_options(kind)}: {kind.title}; for {', '.join(kind.papers) or 'every paper'}")


def gallery(studio: Studio, options: argparse.Namespace) -> None:
    """Renders the stored runs and says of each file whether it changed.

    Raises:
        StudioError: there is no such folder, or a run is refused.
    """
    if not options.folder.is_dir():
        raise mistake(f"There is no folder '{options.folder}' for the stored runs. Create it, or name another.")
    for path, written in render(studio, options.folder):
        print(f"{path.name:32} {path.stat().st_size / 1000:7.1f} kB  {'written' if written else 'as it was'}", flush=True)


def with_options(kind: SamplerInfo | type[Steering]) -> str:
    """A sampler or a way of steering with the flags that it reads."""
    flags = " ".join(f"--{name.replace('_', '-')}" for name in kind.options)
    return f"{kind.slug} ({flags})" if flags else kind.slug
