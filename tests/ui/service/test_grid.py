"""The grid of samplers: its cells are the runs themselves, its frontier is that of brute force, and its CSV reads back."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion.core.errors import StudioError
from ui.components.grid_page import known, plot, table
from ui.service import grid
from ui.service.grid import Cell
from ui.service.run_spec import Order

FIGURES = st.floats(1, 9).map(lambda value: round(value, 1))
CELLS = st.lists(st.builds(Cell, st.sampled_from(["a", "b"]), st.integers(1, 99), st.just(1), FIGURES, FIGURES), max_size=12)


@given(CELLS)
def test_the_frontier_is_what_no_other_cell_beats(cells):
    def beaten(cell, other):
        return (other.seconds <= cell.seconds and other.perplexity <= cell.perplexity
                and (other.seconds, other.perplexity) != (cell.seconds, cell.perplexity))
    best = {(cell.seconds, cell.perplexity) for cell in cells if not any(beaten(cell, other) for other in cells)}
    assert {(cell.seconds, cell.perplexity) for cell in grid.frontier(cells)} == best


def test_cells_are_the_runs_of_their_orders_and_a_refused_one_says_why(studio):
    asked = grid.orders(Order(paper="sedd", samples=2, seed=5), ["analytic", "ddim"], [3, 5])
    cells = [cell for cell in grid.run(studio, asked) if isinstance(cell, Cell)]
    assert [(cell.sampler, cell.steps) for cell in cells] == [("analytic", 3), ("analytic", 5), ("ddim", 3), ("ddim", 5)]
    alone = studio.results(studio.start(asked[1]).run())
    assert cells[1].texts == tuple(result.text for result in alone) and cells[1].nfe == 5
    assert all("does not fit" in cell.why and cell.nfe is None for cell in cells[2:])


def test_progress_comes_between_cells_and_closing_ends_the_cell_that_runs(studio, monkeypatch):
    monkeypatch.setattr(grid, "PAUSE", 0.0)
    started = []
    real = studio.start
    monkeypatch.setattr(studio, "start", lambda order: started.append(real(order)) or started[-1])
    running = grid.run(studio, grid.orders(Order(paper="sedd", samples=1), ["analytic"], [3, 50]))
    assert [next(running) for _ in range(3)] == [grid.Progress("analytic", 3, step) for step in (1, 2, 3)]
    assert isinstance(next(running), Cell) and next(running) == grid.Progress("analytic", 50, 1)
    running.close()
    assert started[1].running is None and len(started[1].frames) == 1


@pytest.mark.parametrize(("text", "steps"), [("8, 16,32", [8, 16, 32]), ("4 4 2", [2, 4])])
def test_steps_are_read(text, steps):
    assert grid.read_steps(text) == steps


@pytest.mark.parametrize("text", ["", "8, x", "0", "-3", "8.5", "٨"])
def test_other_steps_are_refused_by_name(text):
    with pytest.raises(StudioError, match="number of steps"):
        grid.read_steps(text)


def test_too_many_cells_and_no_sampler_are_sentences():
    with pytest.raises(StudioError, match="at most 40"):
        grid.orders(Order(), ["a"] * 5, range(1, 10))
    with pytest.raises(StudioError, match="No sampler"):
        grid.orders(Order(), [], [8])


def test_the_csv_reads_back():
    cells = [Cell("ddim", 8, 8, 0.5, 6.25, None, ("a, b", 'c "d"')), Cell("x", 9, why="no")]
    rows = list(csv.DictReader(io.StringIO(grid.as_csv(cells))))
    assert rows[0]["texts"] == 'a, b | c "d"' and rows[0]["perplexity"] == "6.25" and rows[0]["controls kept %"] == ""
    assert rows[1]["why"] == "no"


def test_the_page_escapes_texts_and_marks_the_frontier():
    cells = [Cell("ddim", 8, 8, 0.5, 6.25, 50.0, ("<b>",)), Cell("ddim", 16, 16, 0.9, 7.0, 50.0, ("x",))]
    shown = table(cells, waiting=[Order(sampler="ddim", steps=32)])
    assert "&lt;b&gt;" in shown and "<b>" not in shown and shown.count("tdl-best") == 1
    assert "2 of 3 cells" in shown and "running" in shown
    assert "frontier" in plot(cells) and plot(cells[:1]) == ""
    assert "ddim, 16 steps: 0.90 s, perplexity 7.00" in plot(cells)


def test_what_was_measured_before_is_drawn_with_the_line_of_people_and_a_dot_for_a_sampler_of_one_number_of_steps():
    rows = [{"sampler": "human text", "texts": 128, "perplexity": 5.2}, {"sampler": "gone", "NFE": 8, "perplexity": 9.0},
            *({"sampler": "ddim", "texts": 128, "NFE": nfe, "perplexity": 40 / nfe} for nfe in (8, 64, 64)),
            {"sampler": "x", "texts": 128, "NFE": 64, "perplexity": 5.0}]
    shown = known(rows, {"ddim": "DDIM", "x": "<X>"})
    assert "128 texts a point" in shown and "texts by people" in shown and "gone" not in shown
    assert shown.count("<circle") == 3 and "&lt;X&gt;, 64 evaluations: perplexity 5.00" in shown
    assert known(rows[:2], {"ddim": "DDIM"}) == ""
