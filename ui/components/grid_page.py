"""The grid of samplers as HTML: a table whose cells fill as they are done, and quality against cost. Pure functions."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from ui.plots.svg import Line, chart
from ui.service.grid import Cell, frontier
from ui.service.run_spec import Order

EMPTY = ("Each cell is the same seeds and controls, written by one sampler in one number of steps. Fill the grid to see what steps "
         "buy.")
HUMAN = "human text"             # how result files name the row of texts by people
KNOWN = ("More evaluations make texts more fluent, up to a point; under the line of texts by people they grow dull rather than "
         "better. The whole table, and the command that makes it again, stand under Papers and models.")
CAPTION = ("Perplexity is the judge's: a language model that took no part. Few short texts make it noisy; low values can also mean "
           "dull texts, so read them. Lower left is better; the frontier joins the cells that no other beats in both.")


def table(cells: Sequence[Cell], waiting: Sequence[Order] = (), error: str = "", query: str = "") -> str:
    """The cells that are done, in their order, and those that wait.

    Args:
        error: a sentence to show in place of a table.
        query: of the link that fills the same grid again; with it there is a button that copies the link.
    """
    if error:
        return f'<div class="tdl-alert" role="alert">{html.escape(error)}</div>'
    if not cells and not waiting:
        return f'<p class="tdl-empty">{EMPTY}</p>'
    best = {id(cell) for cell in frontier(cells)}
    head = "".join(f"<th scope='col'>{name}</th>" for name in
                   ("sampler", "steps", "NFE", "seconds", "perplexity", "controls kept", "texts"))
    rows = [_row(cell, id(cell) in best) for cell in cells]
    rows += [f'<tr class="tdl-waiting"><td>{html.escape(order.sampler)}</td><td>{order.steps}</td><td colspan="5">'
             f'{"running …" if place == 0 else "waits"}</td></tr>' for place, order in enumerate(waiting)]
    done = f"{len(cells)} of {len(cells) + len(waiting)} cells are done."
    button = (f'<span class="tdl-tools"><button type="button" class="tdl-tool" title="A link that fills this grid again" '
              f'data-query="{html.escape(query)}">Copy link</button></span>' if query else "")
    return (f'<div class="tdl tdl-bar"><span class="tdl-status" role="status">{done}</span>{button}</div>'
            f'<div class="tdl-table-box"><table class="tdl-numbers"><thead><tr>{head}'
            f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>")


def _row(cell: Cell, best: bool) -> str:
    if cell.why:
        return (f'<tr class="tdl-refused"><td>{html.escape(cell.sampler)}</td><td>{cell.steps}</td>'
                f'<td colspan="5">{html.escape(cell.why)}</td></tr>')
    kept = "–" if cell.kept is None else f"{cell.kept:g} %"
    perplexity = "–" if cell.perplexity is None else f"{cell.perplexity:.2f}"
    texts = "".join(f"<li>{html.escape(text)}</li>" for text in cell.texts)
    mark = ' class="tdl-best" title="no other cell is both faster and better"' if best else ""
    return (f"<tr{mark}><td>{html.escape(cell.sampler)}</td><td>{cell.steps}</td><td>{cell.nfe}</td><td>{cell.seconds:.2f}</td>"
            f"<td>{perplexity}</td><td>{kept}</td><td><ul>{texts}</ul></td></tr>")


def plot(cells: Sequence[Cell]) -> str:
    """Perplexity over seconds: a line for each sampler, and the frontier; nothing for fewer than two cells."""
    measured = [cell for cell in cells if cell.perplexity is not None]
    if len(measured) < 2:
        return ""
    samplers = list(dict.fromkeys(cell.sampler for cell in measured))
    lines = []
    for place, sampler in enumerate(samplers):
        own = sorted((cell for cell in measured if cell.sampler == sampler), key=lambda cell: cell.seconds)
        notes = [f"{sampler}, {cell.steps} steps: {cell.seconds:.2f} s, perplexity {cell.perplexity:.2f}" for cell in own]
        lines.append(Line(sampler, [(cell.seconds, cell.perplexity) for cell in own], 1 + place % 5, notes))
    lines.append(Line("frontier", [(cell.seconds, cell.perplexity) for cell in frontier(measured)], 0))
    told = f"Perplexity over seconds of {len(measured)} cells of {len(samplers)} samplers"
    return chart(lines, "seconds", "Judge's perplexity (lower is better)", told) + f'<p class="tdl-soft">{CAPTION}</p>'


def known(rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> str:
    """What was measured of a paper's samplers before: perplexity over network evaluations; nothing where nothing was measured.

    Args:
        rows: of a result file on quality, one of them perhaps that of human text.
        titles: of the samplers, by slug.
    """
    human = next((row["perplexity"] for row in rows if row["sampler"] == HUMAN), None)
    measured = [row for row in rows if row["sampler"] in titles and row.get("NFE") and row.get("perplexity") is not None]
    if len(measured) < 2:
        return ""
    lines = []
    for place, sampler in enumerate(dict.fromkeys(row["sampler"] for row in measured)):
        own = {row["NFE"]: row for row in sorted(measured, key=lambda row: row["NFE"]) if row["sampler"] == sampler}
        points = [(nfe, row["perplexity"]) for nfe, row in own.items()]
        notes = [f"{titles[sampler]}, {nfe:g} evaluations: perplexity {perplexity:.2f}" for nfe, perplexity in points]
        lines.append(Line(titles[sampler], points, 1 + place % 5, notes))
    if human is not None:
        ends = (min(row["NFE"] for row in measured), max(row["NFE"] for row in measured))
        lines.append(Line("texts by people", [(end, human) for end in ends], 0))
    told = f"Perplexity over network evaluations of {len(lines) - (human is not None)} samplers, {measured[0]['texts']} texts each"
    drawn = chart(lines, "network evaluations (doubling)", "Judge's perplexity (lower is more fluent)", told, doubling=True)
    return (f'<section class="tdl-known"><h3>Measured before you came: {measured[0]["texts"]} texts a point</h3>{drawn}'
            f'<p class="tdl-soft">{KNOWN}</p></section>')
