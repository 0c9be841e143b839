"""The map follows the visitor's runs: the paper of the newest one is shown."""

import gradio as gr
import pytest

from ui.components.page import Page
from ui.service.run_spec import Order
from ui.tabs.embedding import MOST_RUNS, Embedding


@pytest.fixture
def tab(studio):
    """The tab on the tiny checkpoints, in a page of its own."""
    with gr.Blocks(), gr.Tabs(), gr.Tab("Embedding space"):
        return Embedding(Page(studio))


@pytest.mark.parametrize("paper", ["sedd", "rdlm"])
def test_the_space_of_the_newest_run_is_shown(studio, tab, paper):
    trace = studio.start(Order(paper=paper, samples=1, steps=2)).run()
    key = studio.traces.put(trace)
    assert tab.arrived(["before"], key) == [["before", key], paper]
    assert tab.arrived([str(number) for number in range(MOST_RUNS)], key)[0] == [*map(str, range(1, MOST_RUNS)), key]


def test_a_run_that_is_gone_changes_no_menu(tab):
    assert tab.arrived([], "no-such-run")[1] == gr.skip()
