"""Records runs of every paper, sampler and control, or compares today's texts with a record.

    python scripts/record_runs.py record FILE     writes the texts
    python scripts/record_runs.py compare FILE    runs the same again and names each run whose texts differ

All runs take plain fp32, so that a change of the code that leaves the arithmetic alone leaves every text as it was.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SAMPLERS = {
    "diffusion-lm": ("ancestral", "ddim", "dpm-solver++", "renoise"),
    "seqdiffuseq": ("ancestral", "ddim", "dpm-solver++", "renoise"),
    "ld4lg": ("renoise", "ancestral", "ddim", "dpm-solver++"), "sedd": ("analytic", "euler", "confidence", "first-hitting"),
    "rdlm": ("redraw", "geodesic", "sphere-ode"), "ar": ("left-to-right",), "oracle": ("ancestral",)}
CONTROLS = ("length=12", "infill=The Vaults is a ___ near Café Rouge .", "label=food:Italian,area:riverside",
            "classifier=food:Italian", "semantic=food:Japanese,area:riverside", "pos=PROPN AUX DET ADJ NOUN ADP PROPN PROPN PUNCT",
            "tree=(S (NP 2) (VP (VBZ) (NP 3)) (.))", "span=PP@3-5")
CONTROLLED = ("diffusion-lm", "seqdiffuseq", "ld4lg", "sedd", "rdlm")
EXTRA = (
    ["--paper", "seqdiffuseq", "--source", "name[Wildwood], food[French]", "--candidates", "3", "--steps", "16"],
    ["--paper", "ld4lg", "--source", "name[Wildwood], food[French]", "--steps", "16"],
    ["--paper", "diffusion-lm", "--strategy", "langevin", "--control", "length=10", "--control", "pos=DET ADJ NOUN ... PUNCT",
     "--steps", "8"],
    ["--paper", "diffusion-lm", "--particles", "3", "--rerank", "2", "--control", "semantic=food:Japanese", "--steps", "12"],
    ["--paper", "sedd", "--strategy", "discrete", "--control", "semantic=food:Japanese", "--steps", "12"],
    ["--paper", "sedd", "--sampler", "confidence", "--revise", "2", "--control", "length=14", "--control", "label=area:riverside",
     "--guidance-scale", "2", "--steps", "16"],
    ["--paper", "ar", "--control", "length=12"],
    ["--paper", "ar", "--control", "semantic=food:Japanese"],
)


def runs() -> list[list[str]]:
    """The command lines of all runs."""
    free = [["--paper", paper, "--sampler", sampler, "--steps", "16"] for paper, kinds in SAMPLERS.items() for sampler in kinds]
    controlled = [["--paper", paper, "--control", control, "--steps", "12"] for paper in CONTROLLED for control in CONTROLS]
    return [*free, *controlled, *EXTRA]


def texts(arguments: list[str]) -> list[str]:
    """The texts of one run, or the sentence with which it was refused."""
    from ui import cli

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run(cli.parse(["generate", "--compute", "fp32", "--device", "cpu", "--samples", "2", "--seed", "11", "--json",
                                  *arguments]))
    return [json.loads(line)["text"] for line in out.getvalue().splitlines()] if code == 0 else [f"refused: {err.getvalue()}"]


def main() -> int:
    """Records or compares; the exit code is 1 where a run differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("path", type=Path, metavar="FILE")
    options = parser.parse_args()
    path = options.path
    if options.what == "compare" and not path.is_file():
        parser.error(f"there is no record '{path}'; make one with: python scripts/record_runs.py record {path}")
    found = {}
    for arguments in runs():
        found[" ".join(arguments)] = texts(arguments)
        print(" ".join(arguments), found[" ".join(arguments)][0][:80], flush=True)
    if options.what == "record":
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return 0
    known = json.loads(path.read_text(encoding="utf-8"))
    different = [name for name, written in known.items() if found.get(name) != written]
    for name in different:
        print(f"DIFFERS {name}\n  was {known[name]}\n  is  {found.get(name)}")
    print(f"{len(known) - len(different)} of {len(known)} runs are the same")
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
