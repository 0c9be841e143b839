"""Draws the pages of docs/results and the README's headline numbers from the domain's results alone.

One page for each subject, an index of them, and a short table for the README. Every page ends with where its files come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusion
from diffusion.core.errors import StudioError
from training.evaluation.control.tables import LEAST, SUCCESS
from training.evaluation.control.tables import WHAT as CONTROL
from training.evaluation.quality.measure import HUMAN
from training.evaluation.report import table
from training.evaluation.report.results import RESULTS, ROOT, Result, Row, Table, command_line, markdown
from training.evaluation.report.table import Results

README, PAGES_FOLDER = ROOT / "README.md", ROOT / "docs" / "results"
BEGIN, FINISH = "<!-- results -->", "<!-- /results -->"
INDEX = "README.md"
SHOWN = RESULTS.relative_to(ROOT).as_posix()            # as pages name the folder of results
TABLE = "table"
TABLE_FILE = RESULTS / f"{TABLE}.json"
COMMAND = "python -m training evaluate readme"
NOTHING = "Nothing has been measured yet."
HEADLINE_STEPS, HEADLINE_ROWS = 64, 10
HEADLINE_CONTROLS = ("content", "tree", "length")
EXPLAINED = (
    "NFE are network evaluations; seconds are those of four samples on the path that the app takes. Perplexity is the judge's, "
    "over that of as many human texts. MAUVE uses the judge's hidden states, so it is comparable within this table and for the "
    "same number of texts only; the row of human text compares it with other human text. Bits are upper bounds for a token of "
    "held-out text with its END, told: with the text's label.")
CONTROL_EXPLAINED = (
    "Of control, success is the mean over targets; of syntax by the analyser that labelled the targets (the paper's protocol). "
    "The judge's is an independent analyser's; over its ceiling, which is what it says of human text.")
INDEX_EXPLAINED = (
    f"Every number comes from a file in `{SHOWN}`, and each file names the command that makes it again. `{COMMAND}` writes "
    "these pages from the files; do not edit them by hand. Human text, or the bar to reach, stands beside every number. "
    "[How to measure](../training.md#evaluating) and [how the shipped models were trained](../training.md#the-shipped-models).")


@dataclass(frozen=True, slots=True)
class Page:
    """A page of docs/results: its file, title and sentence, and the measurements that it shows, in full or joined."""

    file: str
    title: str
    about: str
    kinds: tuple[str, ...] = ()
    joined: str = ""
    tuning: bool = False
    note: str = ""


PAGES = (
    Page("free.md", "Free samples", "Every paper and sampler at every number of steps, beside human text.", ("quality, free",),
         "papers", note=f"{EXPLAINED} [Bits](likelihood.md) and [seconds](speed.md) have pages of their own."),
    Page("source.md", "Texts from a source", "Texts written from meaning representations, against human references.",
         ("quality, source",), "from_source"),
    Page("control.md", "Control", "How often each control succeeds in each paper, and what it costs.", (CONTROL,), "control",
         note=CONTROL_EXPLAINED),
    Page("bars.md", "Thresholds", "The limits that were set for each paper, and whether they are met.",
         joined="all_bars", note="The other pages say where the values come from."),
    Page("likelihood.md", "Likelihood", "Bits per token, and bits per character, of held-out text.", ("likelihood", "characters")),
    Page("ablations.md", "Ablations", "What each part of a paper is good for, on small variants.", ("ablations",)),
    Page("prompts.md", "Blanks, labels and lengths", "Infilling, labels and fixed lengths in Diffusion-LM.",
         ("quality, infill", "quality, label", "quality, length")),
    Page("speed.md", "Speed and memory", "Seconds and memory of a run, by paper, sampler and steps.", ("speed",)),
    Page("reproducibility.md", "Reproducibility", "Whether the same seed gives the same text.", ("quality, reproducibility",)),
    Page("matcher.md", "The slot matcher", "How well the slot matcher reads human text.", ("matcher",)),
    Page("tuning-control.md", "Control on tuning rows", "How the settings of controls were chosen, on rows held out for tuning.",
         (CONTROL,), tuning=True),
    Page("tuning-quality.md", "Quality on tuning rows", "How sampling settings were chosen, on rows held out for tuning.",
         ("quality, free", "quality, source"), tuning=True),
)
OTHER = Page("other.md", "Other measurements", "What has no page of its own.")


# ---- the stored table


def one_table(results: Results) -> Result | None:
    """The one table with the bars as a result, to be stored beside those it is drawn from; None where there is none."""
    results = _measured(results)
    joined = (_joined(page, results) for page in PAGES)
    tables = [each for each in joined if each is not None]
    if not tables:
        return None
    used = [result for result in results.values() if result["what"] in (*table.WITH_BARS,) and not table.tuned(result)]
    checkpoints = {slug: digest for result in used for slug, digest in result["checkpoints"].items()}
    return Result(TABLE, "all", command_line(["readme"]), {}, "of each result file", "of each result file", checkpoints, tables)


def same(stored: Mapping[str, Any] | None, made: Result | None) -> bool:
    """Whether the stored table is the one that the other files make now."""
    if stored is None or made is None:
        return stored is None and made is None
    now = made.to_dict()
    return all(stored.get(name) == now[name] for name in ("tables", "checkpoints", "paper", "what"))


def _measured(results: Results) -> Results:
    return {name: result for name, result in results.items() if name != TABLE}


def _joined(page: Page, results: Results) -> Table | None:
    """The table of a page that joins several files; None where the page has none, or it has no rows."""
    made = getattr(table, page.joined)(results) if page.joined else None
    return made if made is not None and made.rows else None


# ---- pages


def pages(results: Results) -> dict[str, str]:
    """The text of every page by its file's name, the index among them; a page without measurements is left out."""
    results = _measured(results)
    shown = [(page, _files(page, results)) for page in PAGES]
    rest = {name: result for name, result in results.items() if not any(name in files for _, files in shown)}
    made = {page: _page(page, files, results) for page, files in [*shown, (OTHER, rest)]
            if files or _joined(page, results) is not None}
    lines = [f"- [{page.title}]({page.file}). {page.about}" for page in made] or [NOTHING]
    index = "\n\n".join(["# Results", INDEX_EXPLAINED, "\n".join(lines)])
    return {INDEX: f"{index}\n", **{page.file: text for page, text in made.items()}}


def _files(page: Page, results: Results) -> Results:
    return {name: result for name, result in results.items()
            if result["what"] in page.kinds and table.tuned(result) == page.tuning}


def _page(page: Page, files: Results, results: Results) -> str:
    parts = [f"# {page.title}", f"{page.about} [All results](README.md)."]
    joined = _joined(page, results)
    if joined is not None:
        parts += [markdown({"caption": joined.caption, "rows": joined.rows, "show": joined.show})]
    parts += [page.note] if page.note else []
    if page.joined and files:
        parts += ["## Where the numbers come from", *(_origin(name, result) for name, result in files.items())]
    elif files:
        for name, result in files.items():
            parts += [f"## {_title(name, result)}", *(markdown(each) for each in result["tables"]), _origin(name, result)]
    return "\n\n".join(parts) + "\n"


def _title(name: str, result: Mapping[str, Any]) -> str:
    if table.tuned(result):
        return f"{result['paper']}: {result['what']}, on rows held out for tuning ({name})"
    return f"{result['paper']}: {result['what']}"


def _origin(name: str, result: Mapping[str, Any]) -> str:
    """What made a result file."""
    hashes = ", ".join(f"{slug} `{digest}`" for slug, digest in result["checkpoints"].items())
    return (f"<sub>`{SHOWN}/{name}.json`: `{result['command']}` at commit {result['commit']}, torch {result['torch']}, "
            f"{result['device']}, path {result['path']}; checkpoints {hashes or 'none'}.</sub>")


# ---- the README's headline


def headline(results: Results) -> Table | None:
    """One row for human text and one for each model: its first sampler at 64 steps, its bits and the controls it is held to."""
    results = _measured(results)
    every = table.papers(results).rows
    made = [*_human(every, results)]
    for slug, kind in diffusion.PAPERS.items():
        mine = [row for row in every if row["paper"] == kind.title]
        sampler = kind.samplers[0] if kind.samplers else None
        row = next((row for row in mine if (row.get("sampler"), row.get("steps")) == (sampler, HEADLINE_STEPS)), None)
        bits = {name: mine[0][name] for name in ("bits",) if mine and name in mine[0]}
        succeeded = {f"{name} %": value for name, value in _success(results, slug, f"{SUCCESS} %") if name in LEAST.get(slug, {})}
        if row or bits or succeeded:
            made.append({"model": kind.title, **(row or {}), **bits, **succeeded})
    show = ["model", "sampler", "steps", "s for 4", "perplexity / human", "distinct-4 / human", "bits",
            *(f"{name} %" for name in HEADLINE_CONTROLS)]
    return Table.of("Headline numbers", made[:HEADLINE_ROWS], show) if made else None


def _human(every: Sequence[Row], results: Results) -> Iterator[Row]:
    """Human text: 1 by definition where numbers are over its own, and its own success, the ceiling."""
    row = next((row for row in every if row["paper"] == HUMAN), None)
    if row is not None:
        ceilings = (dict(_success(results, slug, f"{SUCCESS}, ceiling %")) for slug in diffusion.PAPERS)
        ceiling = next((found for found in ceilings if found), {})
        yield {"model": HUMAN, **{name: row[name] for name in ("perplexity / human", "distinct-4 / human") if name in row},
               **{f"{name} %": value for name, value in ceiling.items()}}


def _success(results: Results, slug: str, column: str) -> Iterator[tuple[str, Any]]:
    """The success of each headline control alone, of the row with the most targets."""
    found = sorted(table.rows(results, CONTROL, slug), key=lambda row: -(row.get("targets") or 0))
    for name in HEADLINE_CONTROLS:
        row = next((row for row in found if row["control"] == row["part"] == name), None)
        if row is not None and row.get(column) is not None:
            yield name, row[column]


def drawn(readme: str, results: Results) -> str:
    """The README's text with its headline numbers drawn anew.

    Raises:
        StudioError: the two markers are not there once each, in order.
    """
    before, found, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(FINISH)
    if not found or not end or BEGIN in rest or FINISH in after:
        raise StudioError(f"README.md must hold the markers {BEGIN} and {FINISH} once each, in this order. "
                          f"Put them where the headline numbers belong.")
    made = headline(results)
    shown = NOTHING if made is None else markdown({"caption": made.caption, "rows": made.rows, "show": made.show})
    return f"{before}{BEGIN}\n\n{shown}\n\n{FINISH}{after}"


# ---- files


def outdated(results: Results, readme: Path = README, folder: Path = PAGES_FOLDER) -> dict[Path, str | None]:
    """Files that differ from what the results make, with the text that belongs there; None for a page that is to go."""
    text = readme.read_text(encoding="utf-8")
    wanted: dict[Path, str | None] = dict.fromkeys(folder.glob("*.md"))
    wanted |= {readme: drawn(text, results)} | {folder / name: page for name, page in pages(results).items()}
    return {path: new for path, new in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != new}


def write(changes: Mapping[Path, str | None]) -> None:
    """Writes what `outdated` found, and removes pages that nothing makes any more."""
    for path, text in changes.items():
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
