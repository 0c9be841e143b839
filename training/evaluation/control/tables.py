"""Tables of control from measured rows, and the bars that each paper has to reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import diffusion
from diffusion.core.model import DiffusionModel
from training.evaluation.control.measure import TIMED
from training.evaluation.control.targets import PARTS
from training.evaluation.control.wishes import SUBSTRING, SUCCESS, WITHIN
from training.evaluation.report.results import Bar, Row, Table, bars

WHAT = "control"
_JUDGED = ["judge's success %", "judge's success, floor %", "judge's success, ceiling %", "judge's / ceiling"]
_MAIN = ["control", "part", "setting", f"{SUCCESS} %", f"{SUCCESS} ±", f"{SUCCESS}, floor %", f"{SUCCESS}, ceiling %", *_JUDGED,
         "perplexity / free", "perplexity / human", "distinct-4", "distinct-4, free", "verbatim %", "NFE", f"s for {TIMED}",
         "times free", "threads"]
_TOGETHER = ["paper", "control", "part", f"{SUCCESS} %", f"{SUCCESS}, floor %", f"{SUCCESS}, ceiling %", "judge's success %",
             "judge's / ceiling", "perplexity / free", "distinct-4", "verbatim %", "NFE", f"s for {TIMED}"]
_WORD_LEVEL = ("seqdiffuseq", "sedd", "rdlm")
_TIGHT = ("content", "pos", "span", "length", "infill", "class")
_LOOSE = ("tree", "content+pos", "content+tree")


@dataclass(frozen=True, slots=True)
class Least:
    """The least success in percent, and the least share of the ceiling for the judge's; None where there is no such bar."""

    success: float
    share: float | None = None


LEAST: dict[str, dict[str, Least]] = {
    "diffusion-lm": {"content": Least(85), "pos": Least(93, 0.96), "tree": Least(86, 0.90), "span": Least(93.8, 0.93),
                     "length": Least(100), "infill": Least(100)},
    **{slug: {"content": Least(80), "pos": Least(88, 0.93), "tree": Least(75, 0.85), "span": Least(85, 0.90),
              "length": Least(100), "infill": Least(100)} for slug in _WORD_LEVEL},
    "ld4lg": {"content": Least(80), "length": Least(80)},
}
COMPOSED = {"content": 70.0, "pos": 75.0, "tree": 75.0}
BELOW_HUMAN, FILLED = 5.0, 1.3           # points that Diffusion-LM's content may stay below human recall; ratio of filled texts
SECONDS = {"ld4lg": 4.0}
USUAL_SECONDS, STEP = 3.0, {"ld4lg": 4.0}


def tables(model: DiffusionModel, rows: Sequence[Row]) -> list[Table]:
    """All rows, controls in their order; what stands beside success; success by slot; the bars."""
    order = [*PARTS]
    rows = sorted(rows, key=lambda row: (order.index(row["control"]), -row["targets"], -row["samples"]))
    made = [Table.of("Control: targets from human texts, the texts of the same seeds without control as floor, "
                     "the human texts as ceiling", rows, [name for name in _MAIN if any(name in row for row in rows)])]
    made += _beside(rows) + _slots(rows)
    found = [*_bars(model, rows)]
    return [*made, bars(*found)] if found else made


def _beside(rows: Sequence[Row]) -> list[Table]:
    """The paper's substring test, the looser length, and the best of all texts of a target by the controllers' own measure."""
    made: list[Row] = []
    for row in rows:
        names = [name for name in row if name.startswith((SUBSTRING, WITHIN, "best of"))]
        made.append({name: row[name] for name in ("control", "part", "setting", f"{SUCCESS} %", *names)})
    show = list(dict.fromkeys(name for row in made for name in row))
    return [Table.of("Beside success: other measures of it, and the text that the controllers' own log-probability chooses",
                     made, show)] if made else []


def _slots(rows: Sequence[Row]) -> list[Table]:
    """Success by slot beside the share of all human texts that name what their meaning says."""
    made: list[Row] = []
    for row in rows:
        for slot in _slots_of(row):
            made.append({"control": row["control"], "part": row["part"], "setting": row["setting"], "slot": slot,
                         "named %": row[f"{slot} %"], "human %": row[f"{slot}, human %"]})
    return [Table.of("Values by slot", made)] if made else []


def _slots_of(row: Row) -> list[str]:
    return [name.removesuffix(", human %") for name in row if name.endswith(", human %")]


# ---- bars


def _bars(model: DiffusionModel, rows: Sequence[Row]) -> Iterator[Bar]:
    """The bars of a paper; none for a baseline, and of a control only where it was measured in one way."""
    least = LEAST.get(model.slug, {})
    ways: dict[tuple[Any, Any], list[Row]] = {}
    for row in rows:
        ways.setdefault((row["control"], row["part"]), []).append(row)
    for (control, part), found in ways.items():
        if model.slug in LEAST and len(found) == 1:
            row = found[0]
            yield from _success(model.slug, control, part, row, least)
            if part == next(iter(PARTS[control])).part:
                yield from _cost(model, control, row)


def _success(slug: str, control: str, part: str, row: Row, least: Mapping[str, Least]) -> Iterator[Bar]:
    """How far the control has to succeed."""
    if control in least:
        yield Bar(f"{control}, %", row[f"{SUCCESS} %"], low=least[control].success)
        if least[control].share is not None:
            yield Bar(f"{control}, judge's share of the ceiling", row["judge's / ceiling"], low=least[control].share)
    if control == "content" and slug == "diffusion-lm":
        ceiling = row[f"{SUCCESS}, ceiling %"]
        if ceiling is not None:
            yield Bar("content, % below human recall", ceiling - row[f"{SUCCESS} %"], high=BELOW_HUMAN)
    if control == "length" and slug == "ld4lg":
        yield Bar(f"length, % {WITHIN}", row[f"{WITHIN} %"], low=95.0)
    if control == "infill" and slug != "ld4lg":
        yield Bar("infill, perplexity of the filled text / human", row["perplexity / human"], high=FILLED)
    if control == "class":
        for slot in _slots_of(row):
            yield Bar(f"class, {slot}, %", row[f"{slot} %"], low=row[f"{slot}, human %"])
    if "+" in control and slug == "diffusion-lm":
        yield Bar(f"{control}: {part}, %", row[f"{SUCCESS} %"], low=COMPOSED[part])


def _cost(model: DiffusionModel, control: str, row: Row) -> Iterator[Bar]:
    """What the control may cost in fluency and in time."""
    if model.slug != "ld4lg" and control in (*_TIGHT, *_LOOSE):
        limit = 2.5 if control in _LOOSE else 2.0 if control == "pos" and model.slug != "diffusion-lm" else 1.5
        yield Bar(f"{control}, perplexity / free", row["perplexity / free"], high=limit)
    yield Bar(f"{control}, seconds for {TIMED} samples ({model.path.name})", row[f"s for {TIMED}"],
              high=SECONDS.get(model.slug, USUAL_SECONDS))
    if model.path.name == "fp32":
        yield Bar(f"{control}, a controlled step over a free one", row["times free"], high=STEP.get(model.slug, 3.0))


# ---- all papers


def together(results: Sequence[Mapping[str, Any]]) -> Table | None:
    """The rows of all papers in one table, from their result files; None where there are none."""
    made: list[Row] = [{"paper": diffusion.PAPERS[result["paper"]].title, **row}
                       for result in results for row in result["tables"][0]["rows"]]
    caption = "Control: success, the same seeds without control (floor), human text (ceiling)"
    return Table.of(caption, made, _TOGETHER) if made else None
