"""Finds the ways of saying each value of a slot in training rows, and measures them on the rows held out for tuning.

    python -m training phrases --data FOLDER --output assets/domains/NAME/probes/semantic
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from controllers.phrases import FOLDER, TABLE
from diffusion.text.labels import LabelSet
from training.card import KNOWN_DATA, machine
from training.data import corpus, source
from training.data.corpus import Row
from training.evaluation.report.results import command_line, fingerprint
from training.probes.phrases import FALSE, GAIN, LONGEST, MOST, SEEN, WHOLE, Found, Rows, folded, holds, mine

CARD, README = "card.json", "README.md"
Table = Mapping[str, Mapping[str, Sequence[Found]]]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds `phrases` to the training commands."""
    parser = subparsers.add_parser("phrases", help="find the ways of saying each value, for content control",
                                   description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="FOLDER",
                        help="train.csv and valid.csv with the columns mr,ref; or a Hub data set: tuetschek/e2e_nlg")
    parser.add_argument("--output", type=Path, default=FOLDER, metavar="FOLDER", help="default: %(default)s")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the table with its card.

    Raises:
        StudioError: the data cannot be read.
    """
    began, found = time.perf_counter(), source.locate(args.data)
    kept, held_out = corpus.hold_out(corpus.read_part(found.train))
    meanings = [corpus.meaning(row) for row in kept]
    table = mine(Rows([row.text for row in kept], meanings))
    labels = LabelSet.build(meanings).fingerprint
    dataset, licence = KNOWN_DATA.get(labels, (None, None))
    info = {"kind": "phrases", "labels": labels, "rows": len(kept), "held_out": len(held_out), "dataset": dataset,
            "licence_of_data": licence, "values": sum(map(len, table.values())),
            "phrases": sum(len(said) for values in table.values() for said in values.values()),
            "seconds": round(time.perf_counter() - began, 1),
            "choices": {"LONGEST": LONGEST, "SEEN": SEEN, "MOST": MOST, "GAIN": GAIN, "FALSE": FALSE, "WHOLE": WHOLE},
            **machine(torch.device("cpu"), 1), "command": command_line(sys.argv[2:], "phrases"),
            "data": {path.name: fingerprint(path) for path in found.train}, "measured": measure(table, held_out)}
    write(args.output, table, info)
    for slot, measured in info["measured"].items():
        print(f"{slot}: said in {measured['said %']:.1f}% of the rows with the value, "
              f"in {measured['said elsewhere %']:.1f}% of the others")
    return 0


def measure(table: Table, rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """By slot, over its values: how many rows with a value hold one of its phrases, and how many rows without it, percent."""
    texts, meanings = [folded(row.text) for row in rows], [corpus.meaning(row) for row in rows]
    measured = {}
    for slot, values in table.items():
        said: dict[bool, list[bool]] = {True: [], False: []}
        for value, ways in values.items():
            for words, meaning in zip(texts, meanings, strict=True):
                said[meaning.get(slot) == value].append(any(holds(way.phrase, words) for way in ways))
        measured[slot] = {name: round(100 * sum(hits) / len(hits), 2) if hits else 0.0
                          for name, hits in (("said %", said[True]), ("said elsewhere %", said[False]))}
    return measured


def write(folder: Path, table: Table, info: Mapping[str, Any]) -> None:
    """Writes the table, its card, and the same for readers."""
    folder.mkdir(parents=True, exist_ok=True)
    slots = {slot: {value: [[" ".join(way.phrase), way.share] for way in ways] for value, ways in values.items()}
             for slot, values in table.items()}
    (folder / TABLE).write_text(json.dumps({"slots": slots}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(json.dumps(info, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    lines = ["# Ways of saying the values of slots", "",
             "Phrases that content control (`semantic=`) pulls a text towards, and the share of a value's training rows that each "
             "covers beyond those before it. They were found by counting in rows of meaning representation and text; the slot "
             "matcher that judges finished texts has no part in them.", "",
             f"{info['phrases']} phrases for {info['values']} values, from {info['rows']} rows, by `{info['command']}`.", "",
             f"Measured on {info['held_out']} held-out training rows, over the values of each slot:", "",
             "| slot | said in rows with the value, % | in rows without it, % |", "| --- | --- | --- |",
             *(f"| {slot} | {found['said %']:.1f} | {found['said elsewhere %']:.2f} |" for slot, found in info["measured"].items()),
             "", "## Licence and data", "", f"Code: Apache-2.0. Data: {info['licence_of_data'] or 'as given by the user'}.", ""]
    (folder / README).write_text("\n".join(lines), encoding="utf-8")
