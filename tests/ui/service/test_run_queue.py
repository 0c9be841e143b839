"""The queue: one run at a time in the order of coming, places that are told and kept up to date, and a way out of it."""

import json
import threading

import pytest

from ui.components import place, theme
from ui.service import messages
from ui.service.run_queue import MOST, Line, Waiting
from ui.service.run_spec import Order

ORDER = Order(paper="oracle", samples=1, steps=6, seed=3)


@pytest.fixture
def line():
    """A line that tells a place again after an hour only, so that what is told is news."""
    return Line(beat=3600.0)


def run(name):
    """A run of one item, its name."""
    yield name


def aheads(items):
    return [item.ahead if isinstance(item, Waiting) else item for item in items]


def test_a_lone_run_begins_at_once(line):
    assert aheads(line.queued(letter for letter in "ab")) == [0, "a", "b"]
    assert len(line) == 0


@pytest.mark.parametrize(("ahead", "sentence"), [
    (0, ""), (1, "1 run is ahead of yours. Your place in the queue: 2."),
    (3, "3 runs are ahead of yours. Your place in the queue: 4.")])
def test_a_place_is_told_in_plain_words(ahead, sentence):
    assert Waiting("ticket", ahead).sentence == sentence


def test_runs_take_turns_in_the_order_of_coming_and_each_is_told_when_its_place_changes(line):
    first, second, third = (line.queued(run(name)) for name in "abc")
    assert [next(first).ahead, next(first)] == [0, "a"]
    assert [next(second).ahead, next(third).ahead] == [1, 2]
    assert list(first) == []
    assert next(third).ahead == 1
    assert aheads(second) == [0, "b"]
    assert aheads(third) == [0, "c"]


def test_a_place_is_told_again_at_every_beat_so_that_a_visitor_who_went_is_noticed():
    line = Line(beat=0.01)
    first, second = line.queued(run("a")), line.queued(run("b"))
    next(first)
    assert [next(second).ahead for _ in range(3)] == [1, 1, 1]


def test_one_that_leaves_is_told_so_runs_nothing_and_makes_room(line):
    first, second, third = (line.queued(run(name)) for name in "abc")
    next(first)
    waits = next(second)
    assert next(third).ahead == 2
    line.leave(waits.ticket)
    assert aheads(second) == [0]
    assert next(third).ahead == 1


def test_a_full_line_says_so_at_once_and_the_run_never_begins():
    line = Line(beat=3600.0, most=2)
    first, second = line.queued(run("a")), line.queued(run("b"))
    next(first), next(second)
    told, = line.queued(run("c"))
    assert told.refused and told.sentence.startswith("2 runs are waiting already") and len(line) == 2
    assert told.message() == {"kind": "error", "sentence": told.sentence}
    assert 'role="alert"' in place.told(told) and "It begins by itself" not in place.told(told)
    first.close()
    assert line.queued(run("c")) and next(second).ahead == 0


def test_whoever_waits_stands_in_the_line_and_leaves_threads_for_the_rest_of_the_page():
    assert place.MODEL_QUEUE["concurrency_limit"] > MOST
    assert theme.launch_options()["max_threads"] >= place.MODEL_QUEUE["concurrency_limit"] + 40


def test_a_closed_stream_makes_room_while_it_waits_and_while_it_runs(line):
    first, second, third = (line.queued(run(name)) for name in "abc")
    next(first), next(second), next(third)
    second.close()
    first.close()
    assert aheads(third) == [0, "c"]


def test_leaving_does_not_touch_a_run_that_has_begun(line):
    first, second = line.queued(run("a")), line.queued(run("b"))
    next(first)
    ticket = next(second).ticket
    first.close()
    assert next(second).ahead == 0
    line.leave(ticket)
    line.leave("no such ticket")
    assert list(second) == ["b"]


def test_a_run_that_is_ended_gives_no_further_item_and_one_that_waits_leaves(line):
    closed = []

    def letters():
        try:
            yield from "ab"
        finally:
            closed.append(True)

    first, second = line.queued(letters()), line.queued(run("c"))
    ticket = next(first).ticket
    assert next(first) == "a"
    line.end(next(second).ticket)
    assert aheads(second) == [0]
    line.end(ticket)
    assert list(first) == [] and closed == [True] and len(line) == 0


def test_whoever_waits_in_another_thread_is_woken(line):
    first, got = line.queued(run("a")), []
    next(first)
    waits = threading.Event()

    def wait():
        for item in line.queued(run("b")):
            waits.set()
            got.append(item)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(10)
    first.close()
    thread.join(10)
    assert aheads(got) == [1, 0, "b"]


def test_an_order_waits_for_the_one_before_and_a_mistake_is_answered_at_once(studio):
    first = messages.queued(studio, lambda: ORDER)
    next(first)
    second = messages.queued(studio, lambda: ORDER)
    assert next(second).ahead == 1
    (_, message), = messages.queued(studio, lambda: Order(paper="oracle", steps=0))
    assert message["kind"] == "error" and "steps" in message["sentence"]
    list(first)
    waited, *_, (_, whole) = second
    assert waited.ahead == 0 and whole["kind"] == "trace"


@pytest.mark.parametrize("name", ["generate", "compare_papers", "compare_samplers"])
def test_programs_are_told_their_place_by_every_endpoint_that_runs(studio, tmp_path, name):
    import gradio as gr

    from ui.components.page import Page
    from ui.tabs import compare as tab_compare
    from ui.tabs import generate as tab_generate
    from ui.tabs import samplers as tab_samplers

    with gr.Blocks():
        tab = {"generate": tab_generate, "compare_papers": tab_compare, "compare_samplers": tab_samplers}[name].build(
            Page(studio, tmp_path / "none.json"))
    asked = {"generate": {"paper": "oracle", "steps": 4, "samples": 1}, "compare_papers": {"papers": ["oracle"], "steps": 4},
             "compare_samplers": {"paper": "sedd", "samplers": ["analytic"], "steps": [3]}}[name]
    first = messages.queued(studio, lambda: ORDER)
    next(first)
    stream = getattr(tab, name)(**asked)
    told = json.loads(next(stream))
    assert (told["kind"], told["ahead"]) == ("waiting", 1) and "Your place in the queue: 2." in told["sentence"]
    first.close()
    rest = [json.loads(text)["kind"] for text in stream]
    assert rest[0] == "waiting" and rest[-1] in ("trace", "done", "cell")
