"""A grid of samplers and numbers of steps on the same seeds and controls: what each costs and how good it is. No gradio here."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ui.service import messages
from ui.service.run_spec import Order, mistake

if TYPE_CHECKING:
    from ui.service.studio import Studio

MOST_CELLS = 40
PAUSE = 0.5                      # seconds between two pieces of progress: the page shows none of it, it only can be stopped there
COLUMNS = ("sampler", "steps", "NFE", "seconds", "perplexity", "controls kept %", "texts", "why")


@dataclass(frozen=True)
class Cell:
    """What one sampler did in one number of steps; `why` says why it did not, and the figures are None then."""

    sampler: str
    steps: int
    nfe: int | None = None
    seconds: float | None = None
    perplexity: float | None = None
    kept: float | None = None
    texts: tuple[str, ...] = ()
    why: str = ""

    def values(self) -> tuple[object, ...]:
        """In the order of `COLUMNS`."""
        return (self.sampler, self.steps, self.nfe, self.seconds, self.perplexity, self.kept, " | ".join(self.texts), self.why)


@dataclass(frozen=True)
class Progress:
    """How far the cell that runs has come."""

    sampler: str
    steps: int
    step: int


def read_steps(text: str) -> list[int]:
    """Numbers of steps, ``8, 16, 32``.

    Raises:
        StudioError: a piece is no whole number from 1 on, or there is none.
    """
    pieces = [piece for piece in text.replace(",", " ").split() if piece]
    wrong = next((piece for piece in pieces if not piece.isascii() or not piece.isdigit() or not int(piece[:9]) > 0), None)
    if wrong is not None or not pieces:
        raise mistake(f"'{(wrong or text)[:40]}' is no number of steps. Write whole numbers from 1 on, 8, 16, 32.")
    return sorted({int(piece[:9]) for piece in pieces})


def orders(base: Order, samplers: Sequence[str], steps: Sequence[int]) -> list[Order]:
    """An order for every cell, sampler by sampler.

    Raises:
        StudioError: there is no sampler, or there are too many cells.
    """
    if not samplers:
        raise mistake("No sampler is ticked. Tick one or more.")
    if len(samplers) * len(steps) > MOST_CELLS:
        raise mistake(f"{len(samplers)} samplers at {len(steps)} numbers of steps are {len(samplers) * len(steps)} cells; at most "
                      f"{MOST_CELLS} are possible. Leave some out.")
    return [replace(base, sampler=sampler, steps=number) for sampler in samplers for number in steps]


def run(studio: Studio, asked: Sequence[Order]) -> Iterator[Cell | Progress]:
    """The cells in order, each when it is done, and between them now and then how far the one that runs has come.

    Closing the iterator ends the cell that runs: that is what `Progress` is for, besides being news.
    """
    for order in asked:
        trace, why = messages.attempt(lambda order=order: studio.start(order))
        if trace is None:
            yield Cell(order.sampler, order.steps, why=why)
            continue
        sent = time.monotonic()
        try:
            for frame in trace:
                if time.monotonic() - sent >= PAUSE:
                    sent = time.monotonic()
                    yield Progress(order.sampler, trace.info["steps"], frame.index + 1)
        finally:
            studio.stop(trace)
        results = studio.results(trace)
        scores = [verdict["score"] for result in results for verdict in result.controls]
        yield Cell(order.sampler, trace.info["steps"], trace.frames[-1].nfe, round(trace.frames[-1].seconds, 3),
                   studio.perplexity(trace),
                   round(100 * sum(scores) / len(scores), 1) if scores else None, tuple(result.text for result in results))


def frontier(cells: Sequence[Cell]) -> list[Cell]:
    """Cells that no other beats in both time and perplexity, by rising time."""
    measured = sorted((cell for cell in cells if cell.perplexity is not None), key=lambda cell: (cell.seconds, cell.perplexity))
    best: list[Cell] = []
    for cell in measured:
        if not best or cell.perplexity < best[-1].perplexity:
            best.append(cell)
    return best


def as_csv(cells: Sequence[Cell]) -> str:
    """The grid as CSV with a head line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(["" if value is None else value for value in cell.values()] for cell in cells)
    return out.getvalue()
