"""Runs that are compared take turns fairly, write what they would write alone, and one that cannot run stops no other."""

import time

import pytest

from tests.ui.conftest import READERS
from ui.service import links
from ui.service import lockstep as race
from ui.service.run_spec import Order
from ui.service.studio import Studio

ORACLE = Order(paper="oracle", samples=2, steps=6, seed=3)
SEDD = Order(paper="sedd", samples=2, steps=9, seed=3)


def lanes(*orders):
    return [race.Lane(order.paper, order.paper.upper(), order) for order in orders]


def test_runs_take_turns_one_frame_each_until_all_have_ended():
    assert [name for name, _ in race.in_turn({"a": iter("123"), "b": iter("1"), "c": iter("12")})] == list("abcaca")


def test_every_lane_writes_what_it_writes_alone(studio):
    taking_part = lanes(ORACLE, SEDD)
    *_, done = race.run(studio, taking_part)
    assert done["kind"] == "done"
    for lane in taking_part:
        alone = studio.start(lane.order).run()
        assert (lane.trace.ids == alone.ids).all()
        assert done["lanes"][lane.name]["trace"]["info"]["results"][0]["text"] == studio.results(alone)[0].text


def test_a_paper_that_cannot_is_told_with_its_reason_and_stops_no_other(studio):
    reader, other = (Order(paper=paper, samples=1, steps=4, source="food[Italian]") for paper in (READERS[0], "sedd"))
    *_, done = race.run(studio, lanes(reader, other))
    assert list(done["lanes"]) == [reader.paper]
    why, = (told["why"] for told in done["told"] if told["name"] == "sedd")
    assert "reads no source" in why
    assert done["table"][1] == {"paper": "SEDD", "why": why}


def test_closing_ends_all_runs(studio):
    taking_part = lanes(ORACLE, SEDD)
    running = race.run(studio, taking_part)
    for message in running:
        if message["kind"] == "live":
            break
    running.close()
    assert all(lane.trace.running is None for lane in taking_part)


def test_the_table_tells_cost_and_what_was_not_measured_is_none(studio):
    *_, done = race.run(studio, lanes(Order(paper="sedd", samples=2, steps=4, controls=("length=5",))))
    row, = done["table"]
    assert (row["NFE"], row["steps"], row["controls kept %"], row["words"]) == (4, 4, 100, 5.0)
    assert row["bits a token"] is None and row["perplexity"] is None          # a tiny checkpoint, and no judge beside it


def test_seconds_of_a_lane_leave_out_what_happens_between_its_steps(studio):
    trace = studio.start(ORACLE)
    for _ in trace:
        time.sleep(0.05)                                 # as if other lanes had their turns
    seconds = [frame.seconds for frame in trace.frames]
    assert seconds == sorted(seconds) and seconds[0] > 0
    assert seconds[-1] < 0.05 * len(seconds)


@pytest.mark.parametrize("chosen", [[], None])
def test_no_paper_is_a_sentence(studio, tmp_path, chosen):
    import json

    import gradio as gr

    from ui.components.page import Page
    from ui.tabs import compare as tab_compare

    with gr.Blocks():
        tab = tab_compare.build(Page(studio, tmp_path / "none.json"))
    message, = (json.loads(text) for text, *_ in tab.run("", chosen, 4, 2, 0, 1.0, "", "[]", {}))
    assert message["kind"] == "error" and "Tick one" in message["sentence"]


def test_stored_runs_are_compared_without_a_model_and_with_the_link_that_compares_them_again(tmp_path, checkpoints):
    studio = Studio(device="cpu", compute="fp32", checkpoints=checkpoints)
    for paper in ("oracle", "sedd"):
        trace = studio.start(Order(paper=paper, samples=2, steps=6, seed=3, compute="fp32")).run()
        studio.results(trace)
        trace.save(tmp_path / f"free-{paper}.json")
    fresh = Studio(device="cpu", compute="fp32", checkpoints=checkpoints)
    titles = {"oracle": "Oracle", "sedd": "SEDD", "rdlm": "RDLM"}
    shown = race.stored(fresh, titles, tmp_path)
    assert shown["kind"] == "stored" and list(shown["lanes"]) == ["oracle", "sedd"]
    assert not fresh.is_loaded("sedd") and [row["perplexity"] for row in shown["table"]] == [None, None]
    orders = links.comparison(shown["query"], "compare", []).compared
    assert [(order.paper, order.seed, order.compute) for order in orders] == [("oracle", 3, "fp32"), ("sedd", 3, "fp32")]
    assert race.stored(fresh, {"sedd": "SEDD", "rdlm": "RDLM"}, tmp_path) is None
