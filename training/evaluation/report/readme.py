"""Draws the README's section of results from the files in the domain's results and from nothing else.

First the one table, texts from a source and the bars; then every other measurement, folded; then where each file comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusion.core.errors import StudioError
from training.evaluation.report import table
from training.evaluation.report.results import RESULTS, ROOT, Result, Table, command_line, markdown
from training.evaluation.report.table import Results

BEGIN, FINISH = "<!-- results -->", "<!-- /results -->"
TABLE = "table"
SHOWN = RESULTS.relative_to(ROOT).as_posix()            # as pages name the folder
TABLE_FILE = RESULTS / f"{TABLE}.json"
EXPLAINED = (
    "NFE are network evaluations; seconds are those of four samples on the path that the app takes. Perplexity is the judge's, "
    "over that of as many human texts. MAUVE uses the judge's hidden states, so it is comparable within this table and for the "
    "same number of texts only; the row of human text compares it with other human text. Bits are upper bounds for a token of "
    "held-out text with its END, told: with the text's label.")
CONTROL_EXPLAINED = (
    "Of control, success is the mean over targets; of syntax by the analyser that labelled the targets (the paper's protocol). "
    "The judge's is an independent analyser's; over its ceiling, which is what it says of human text.")


def one_table(results: Results) -> Result | None:
    """The one table with the bars as a result, to be stored beside those it is drawn from; None where there is none."""
    results = _measured(results)
    tables = _tables(results)
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


def _tables(results: Results) -> list[Table]:
    made = (table.papers(results), table.from_source(results), table.control(results), table.all_bars(results))
    return [each for each in made if each is not None and each.rows]


def section(results: Results) -> str:
    """The section's text, from the contents of result files by name."""
    results = _measured(results)
    if not results:
        return "Nothing has been measured yet."
    parts = [markdown({"caption": each.caption, "rows": each.rows, "show": each.show}) for each in _tables(results)]
    parts += [f"<sub>{EXPLAINED}</sub>"] if parts else []
    parts += [f"<sub>{CONTROL_EXPLAINED}</sub>"] if table.control(results) else []
    folded = [name for name, result in results.items() if result["what"] not in table.IN_THE_TABLE or table.tuned(result)]
    for name in folded:
        shown = "\n\n".join(markdown(each) for each in results[name]["tables"])
        parts.append(f"<details><summary>{_title(results[name])}</summary>\n\n{shown}\n\n{_origin(name, results[name])}\n\n"
                     f"</details>")
    others = [_origin(name, result) for name, result in results.items() if name not in folded]
    if others:
        parts.append("\n\n".join(["<details><summary>Where the tables come from</summary>", *others, "</details>"]))
    return "\n\n".join(parts)


def _title(result: Mapping[str, Any]) -> str:
    return f"{result['paper']}: {result['what']}{', on rows held out for tuning' if table.tuned(result) else ''}"


def _origin(name: str, result: Mapping[str, Any]) -> str:
    """What made a result file."""
    hashes = ", ".join(f"{slug} `{digest}`" for slug, digest in result["checkpoints"].items())
    return (f"<sub>`{SHOWN}/{name}.json`: `{result['command']}` at commit {result['commit']}, torch {result['torch']}, "
            f"{result['device']}, path {result['path']}; checkpoints {hashes or 'none'}.</sub>")


def drawn(readme: str, results: Results) -> str:
    """The README's text with its section of results drawn anew.

    Raises:
        StudioError: the two markers of the section are not there once each, in order.
    """
    before, found, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(FINISH)
    if not found or not end or BEGIN in rest or FINISH in after:
        raise StudioError(f"README.md must hold the markers {BEGIN} and {FINISH} once each, in this order. "
                          f"Put them where the results belong.")
    return f"{before}{BEGIN}\n\n{section(results)}\n\n{FINISH}{after}"
