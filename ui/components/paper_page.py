"""A paper's page as HTML: what it is, how its checkpoint came to be, what was measured and by which command. Pure functions.

No number is written here: all come from cards and result files, see `ui.service.measured`. Every text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ui.components.glossary import COLUMNS, meanings
from ui.plots.svg import Line, chart
from ui.service import measured
from ui.service.catalogue import PaperInfo
from ui.service.lessons import LESSONS
from ui.service.measured import BARS, Measurement, Table, plain

OPEN = ("quality, free", "likelihood", "matcher")          # unfolded from the start
ABOUT = {                        # of the groups of what was trained besides papers
    "Taggers and parsers":
        "Taggers name each word's part of speech: UPOS are 17 universal classes, Penn the finer tags of the Penn Treebank. Parsers "
        "put brackets around phrases: F1 is the harmonic mean of precision and recall of labelled brackets, exact the share of "
        "sentences whose whole tree is right. Labellers made what controls ask for; judges, trained apart from them, say what "
        "became of it.",
    "Trained controllers":
        "They read the model's belief while it is still noisy, and say how far a text keeps what was asked for. Where rows are "
        "ranges of entropy, the lower ones are the noisier.",
}
NOT_HERE = "There is no checkpoint of this paper here. To train it: <code>python -m training train</code>."


def lesson(paper: PaperInfo) -> str:
    """Idea and equations as Markdown with LaTeX between double dollars."""
    told = LESSONS.get(paper.paper)
    if told is None:
        return paper.caption
    first, second = ("Noise is made", "Noise is taken away") if told.noise else ("What it says of a text", "What it is trained by")
    return f"{' '.join(told.idea)}\n\n**{first}**\n\n$${told.forward}$$\n\n**{second}**\n\n$${told.reverse}$$"


def head(paper: PaperInfo) -> str:
    """Title, where the paper stands, and what the model here can do."""
    told = LESSONS.get(paper.paper)
    where = f"{escape(told.paper)}. arXiv {escape(told.arxiv)}" if told and told.arxiv else "A model of this lab, of no paper."
    can = ["reads a source" if paper.source else "", "pins words exactly" if paper.hard else "takes pinned words as a preference",
           f"samples with {', '.join(sampler.title for sampler in paper.samplers)}"]
    return (f'<div class="tdl-sheet"><h2>{escape(paper.title)}</h2><p class="tdl-where">{where}</p>'
            f'<p class="tdl-where">It {escape("; ".join(part for part in can if part))}.</p></div>')


def training(paper: PaperInfo, card: Mapping[str, Any], digest: str) -> str:
    """How the checkpoint came to be: its card and its training curve.

    Args:
        card: of the checkpoint; empty where there is none.
        digest: hash of its weights; empty where there are none.
    """
    if card:
        facts = facts_list([*measured.card_facts(card), ("Checkpoint", digest), ("Licence of code and weights", "Apache-2.0")])
        inner = curve(card) + facts
    else:
        inner = "<p>It was not: it has no weights.</p>" if paper.available else f"<p>{NOT_HERE}</p>"
    return f'<div class="tdl-sheet">{section("How it was trained", inner)}</div>'


def numbers(paper: PaperInfo, digest: str) -> str:
    """What was measured of a checkpoint, and what each part of the paper is good for."""
    found = measured.of_checkpoint(paper.slug, digest) if digest else []
    nothing = (f"<p>Nothing has been measured of it here: <code>python -m training evaluate quality --paper {escape(paper.slug)} "
               f"--data FOLDER</code></p>")
    told = glossary(name for each in found for table in each.tables for name in table.show)
    return (f'<div class="tdl-sheet">{section("Measured", told + "".join(map(measurement, found)) if found else nothing)}'
            f'{section("What each part is good for", ablations(paper.paper))}</div>')


def glossary(columns: Iterable[str]) -> str:
    """What the columns of the tables mean, folded."""
    told = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in meanings(columns))
    return (f'<details class="tdl-measurement" id="glossary"><summary>What the columns mean</summary>'
            f'<dl class="tdl-glossary">{told}</dl></details>') if told else ""


def section(title: str, inner: str) -> str:
    """A part of a page under its heading."""
    return f"<section><h3>{escape(title)}</h3>{inner}</section>"


def facts_list(pairs: Iterable[tuple[str, str]]) -> str:
    """Facts as a list of names with values."""
    return ('<dl class="tdl-card-facts">'
            + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs if value) + "</dl>")


def curve(card: Mapping[str, Any]) -> str:
    """The training curve of a card; empty where it has none."""
    told = card.get("curve", ())
    lines = [Line(name, [(row["step"], row[key]) for row in told if isinstance(row.get(key), int | float)], colour)
             for key, name, colour in (("loss", "training", 1), ("valid", "validation, EMA weights", 2))]
    lines = [line for line in lines if len(line.points) > 1]
    if not lines:
        return ""
    last = ", ".join(f"{line.name} ends at {plain(float(line.points[-1][1]))}" for line in lines)
    return chart(lines, "step", "Loss (nats a position)", f"Loss over the steps of training: {last}")


def measurement(found: Measurement) -> str:
    """A result file: its tables, the command that makes it again, and on what it was made."""
    bars = [table for table in found.tables if table.caption == BARS]
    tables = "".join(table_html(table) for table in found.tables if table.caption != BARS)
    reached = table_html(Table(BARS, bars[0].show, [row for table in bars for row in table.rows])) if bars else ""
    purpose = ", on rows held out to choose settings" if found.tuned else ""
    shown = " open" if found.what in OPEN and not found.tuned else ""
    return (f'<details class="tdl-measurement"{shown}><summary>{escape(found.what)}{purpose}</summary>'
            f"{tables}{reached}{origin(found)}</details>")


def origin(found: Measurement) -> str:
    """Where numbers come from: the command, and the machine."""
    return (f'<p class="tdl-origin"><code>{escape(found.command)}</code> <span>{escape(found.where)}; '
            f"results/{escape(found.file)}.json</span></p>")


def table_html(table: Table) -> str:
    """A table that scrolls by itself where the page is narrow; its caption says what it is of."""
    head_row = "".join(f'<th scope="col" title="{escape(COLUMNS.get(name, ""))}">{escape(name)}</th>' for name in table.show)
    rows = "".join(f"<tr>{''.join(_cell(row.get(name)) for name in table.show)}</tr>" for row in table.rows)
    return (f'<div class="tdl-scroll" tabindex="0" role="group" aria-label="{escape(table.caption)}"><table><caption>'
            f"{escape(table.caption)}</caption><thead><tr>{head_row}</tr></thead><tbody>{rows}</tbody></table></div>")


def _cell(value: Any) -> str:
    kind = ' class="tdl-number"' if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return f"<td{kind}>{escape(plain(value))}</td>"


def ablations(slug: str) -> str:
    """The ablations of a paper: claim by claim what was measured, or that nothing was, with the command."""
    found = measured.ablations(slug)
    if not found:
        return f"<p>No ablation of this paper has been measured. To measure all: <code>{escape(measured.ABLATIONS)}</code></p>"
    parts = [f'<details class="tdl-measurement" open><summary>{escape(claim["ablation"])}</summary>'
             f'<p class="tdl-where">Claimed in {escape(claim["source"])}</p>{table_html(table)}{origin(measurement_)}</details>'
             for claim, table, measurement_ in found]
    return "".join(parts)


def judges(card: Mapping[str, Any], digest: str) -> str:
    """What judges and steers besides the papers: the judge of fluency, the slot matcher, taggers, parsers, trained controllers."""
    parts = [section("The judge of fluency", "<p>A second autoregressive model, of another seed and the other half of the training "
                     "texts. It measures how fluent finished texts are; it stands in no comparison and steers nothing.</p>"
                     + facts_list([*measured.card_facts(card), ("Checkpoint", digest)])
                     + _scores(card) + curve(card)) if card else ""]
    matcher = "".join(measurement(found) for found in measured.of_kind("matcher"))
    parts.append(section("The slot matcher", "<p>It says whether a text names a slot's value, by rules written before any model "
                         f"was measured.</p>{matcher}") if matcher else "")
    for title, (folder, command) in measured.TRAINED.items():
        cards = measured.trained(folder)
        inner = "".join(trained_card(name, found) for name, found in cards)
        about = f"<p>{escape(ABOUT[title])}</p>" if inner else ""
        parts.append(section(title, about + inner or f"<p>None is in the box. To train them: <code>{command}</code></p>"))
    return f'<div class="tdl-sheet">{"".join(parts)}</div>'


def trained_card(name: str, card: Mapping[str, Any]) -> str:
    """One trained judge or controller: what it reaches on held-out text, and the command that makes and measures it."""
    command = f'<p class="tdl-origin"><code>{escape(str(card["command"]))}</code></p>' if card.get("command") else ""
    about = facts_list([*measured.card_facts(card), *([("Sentences", plain(card["sentences"]))] if "sentences" in card else [])])
    return f'<details class="tdl-measurement" open><summary>{escape(name)}</summary>{about}{_scores(card)}{command}</details>'


def _scores(card: Mapping[str, Any]) -> str:
    table = measured.scores(card)
    return table_html(table) if table else ""


def choices(papers: Sequence[PaperInfo]) -> list[tuple[str, str]]:
    """The papers as a menu shows them, those without a checkpoint marked."""
    return [(paper.title + ("" if paper.available else " (not here)"), paper.slug) for paper in papers]
