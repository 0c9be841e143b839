"""The one table: every paper and sampler at every number of steps beside human text, from all result files.

Nothing is measured here. Rows come from the files of `evaluate quality`, `likelihood` and `speed`; a cell is empty where a
file does not have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import diffusion
from training.evaluation.control.tables import WHAT as CONTROL
from training.evaluation.control.tables import together
from training.evaluation.likelihood.measure import BITS, FREE, NO_BOUND
from training.evaluation.quality.measure import HUMAN
from training.evaluation.report.results import BARS, Bar, Row, Table

Results = Mapping[str, Mapping[str, Any]]
IN_THE_TABLE = ("quality, free", "quality, source", "likelihood", CONTROL)      # files whose rows the tables show
WITH_BARS = ("likelihood", "quality, free", "quality, source", "speed", CONTROL)
BASELINE = "ar"
BEST_RATIO, ABOVE_SEDD = 1.3, 0.2


def of_kind(results: Results, what: str, slug: str | None = None) -> Iterator[Mapping[str, Any]]:
    """The result files of a kind, of one paper if it is named; what was chosen on tuning rows is not reported on them."""
    for result in results.values():
        if result["what"] == what and slug in (None, result["paper"]) and not tuned(result):
            yield result


def tuned(result: Mapping[str, Any]) -> bool:
    """Whether the human texts of a result were training rows held out for tuning."""
    return result.get("options", {}).get("rows") == "tuning"


def rows(results: Results, what: str, slug: str | None = None) -> list[Row]:
    """The rows of the first tables of all result files of a kind."""
    return [row for result in of_kind(results, what, slug) for row in result["tables"][0]["rows"]]


# ---- the tables


def papers(results: Results) -> Table:
    """All free samples, human text first, then paper by paper; each paper's bits stand in all of its rows."""
    made: list[Row] = _human(results)
    for slug, kind in diffusion.PAPERS.items():
        bits = _bits(results, slug)
        samples = [row for row in rows(results, "quality, free", slug) if row["sampler"] != HUMAN]
        if bits and not samples:
            samples = [{}]
        made += [{"paper": kind.title, **row, **_seconds(results, slug, row), **bits} for row in samples]
    bound = [name for name in ("bits", "bits ± (95%)", "bits, told", "bits, no bound") if any(name in row for row in made)]
    show = ["paper", "sampler", "steps", "texts", "NFE", "s for 4", "perplexity / human", "MAUVE", "distinct-4",
            "distinct-4 / human", "self-BLEU %", "copied 4-grams %", "verbatim %", *bound]
    return Table.of("Every paper and sampler, free: all slots unknown, no source", made, show)


def _human(results: Results) -> list[Row]:
    """One row for each number of human texts; files measured with the same judge and data have the same."""
    found: dict[Any, Row] = {}
    for row in rows(results, "quality, free"):
        if row["sampler"] == HUMAN and ("MAUVE" in row or row.get("texts") not in found):
            found[row.get("texts")] = {"paper": HUMAN, **{name: value for name, value in row.items() if name != "sampler"}}
    return [found[count] for count in sorted(found, key=lambda count: -(count or 0))]


def _bits(results: Results, slug: str) -> Row:
    """The free and the told bits of a paper, of the measurement with the most texts."""
    made: Row = {}
    for row in sorted(rows(results, "likelihood", slug), key=lambda row: row["texts"]):
        if row["slots"] != FREE:
            made |= {"bits, told": row[BITS]} if BITS in row else {}
        elif BITS in row:
            made |= {"bits": row[BITS], "bits ± (95%)": row["± (95%)"]}
        else:
            made["bits, no bound"] = row[NO_BOUND]
    return made


def _seconds(results: Results, slug: str, row: Row) -> Row:
    """Seconds of a run of four samples with a row's sampler and steps, from the file of `evaluate speed`."""
    for result in of_kind(results, "speed", slug):
        for timed in (timed for table in result["tables"] for timed in table["rows"] if "sampler" in timed):
            if (timed["sampler"], timed["steps"]) == (row.get("sampler"), row.get("steps")):
                return {"s for 4": timed["seconds"]}
    return {}


def from_source(results: Results) -> Table | None:
    """Texts from a source beside the human references; None where nothing was measured."""
    people: dict[Any, Row] = {}
    made: list[Row] = []
    for result in of_kind(results, "quality, source"):
        title = diffusion.PAPERS[result["paper"]].title
        for row in result["tables"][0]["rows"]:
            if row["sampler"] == HUMAN:                  # the same in every file of the same data
                people[row["texts"], row["choice"]] = {"paper": HUMAN, **row, "sampler": None}
            else:
                made.append({"paper": title, **row})
    show = ["paper", "sampler", "steps", "choice", "guidance_scale", "texts", "NFE", "BLEU-4", "ROUGE-L", "slot error %",
            "missing %", "wrong %", "invented %"]
    caption = "From a source: held-out meaning representations, all their references"
    return Table.of(caption, [*people.values(), *made], show) if made else None


def control(results: Results) -> Table | None:
    """Every control of every paper; None where nothing was measured."""
    return together([result for slug in diffusion.PAPERS for result in of_kind(results, CONTROL, slug)])


def all_bars(results: Results) -> Table | None:
    """What every paper has to reach, and those bars that compare papers; None where nothing was measured."""
    made: list[Row] = []
    for slug, kind in diffusion.PAPERS.items():
        for what in WITH_BARS:
            for result in of_kind(results, what, slug):
                table = next((table for table in result["tables"] if table["caption"] == BARS), {"rows": []})
                made += [{"paper": kind.title, **row} for row in table["rows"]]
    made += [{"paper": "compared", **bar.row()} for bar in compared(results)]
    return Table.of(BARS, made) if made else None


def compared(results: Results) -> list[Bar]:
    """The bars that need two papers; one is left out where a side of it has not been measured."""
    found: list[Bar] = []
    bits = {slug: _bits(results, slug).get("bits") for slug in ("sedd", "rdlm")}
    if bits["sedd"] is not None and bits["rdlm"] is not None:
        found.append(Bar("RDLM's bits above SEDD's", bits["rdlm"] - bits["sedd"], high=ABOVE_SEDD))
    ratios = sorted(row["perplexity / human"] for slug, kind in diffusion.PAPERS.items() if slug != BASELINE and kind.samplers
                    for row in rows(results, "quality, free", slug)
                    if row.get("steps") == 64 and row["sampler"] == kind.samplers[0])
    readable = [ratio for ratio in ratios if ratio >= 0.8]
    if len(readable) >= 2:
        found.append(Bar("perplexity / human of the second best paper (64 steps)", readable[1], high=BEST_RATIO))
    few, many = _row(results, "sedd", "analytic", 16), _row(results, "diffusion-lm", "ancestral", 256)
    if few and many:
        name = "SEDD analytic, 16 steps, against Diffusion-LM ancestral, 256"
        found += [Bar(f"perplexity / human, {name}", few["perplexity / human"], high=many["perplexity / human"]),
                  Bar(f"distinct-4 / human, {name}", few["distinct-4 / human"], low=many["distinct-4 / human"])]
    return found


def _row(results: Results, slug: str, sampler: str, steps: int) -> Row | None:
    return next((row for row in rows(results, "quality, free", slug)
                 if (row["sampler"], row.get("steps")) == (sampler, steps)), None)
