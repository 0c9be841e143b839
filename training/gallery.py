"""Renders the stored runs that the lab opens on.

They are runs of the app, so the app's own command line makes them, in a process of its own: training knows no ui.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from diffusion.text import domain

ROOT = Path(__file__).resolve().parent.parent


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `gallery` to the training commands."""
    parser = subparsers.add_parser("gallery", help="render the stored runs that the lab opens on", description=__doc__)
    parser.add_argument("--folder", type=Path, metavar="FOLDER", default=domain.bundled().traces,
                        help="where they lie (default: the domain's traces)")
    parser.add_argument("--checkpoints", type=Path, metavar="FOLDER",
                        help="holds a checkpoint folder for each slug (default: those that come with the lab)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Has the app render them, and returns its exit code."""
    chosen = [] if args.checkpoints is None else ["--checkpoints", str(args.checkpoints)]
    command = [sys.executable, str(ROOT / "app.py"), "gallery", "--folder", str(args.folder), "--device", "cpu", *chosen]
    return subprocess.run(command, check=False).returncode
