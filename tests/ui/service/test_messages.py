"""Runs as messages: the first at once, the last whole, a mistake as one sentence, a closed stream as an ended run."""

import json
import re

import pytest

from diffusion import PAPERS
from diffusion.core.trace import Trace
from ui.components import theme
from ui.service import messages
from ui.service.run_spec import Order
from ui.service.studio import Studio

ORDER = Order(paper="oracle", samples=2, steps=40, seed=3, controls=("length=6-9",))


def test_a_run_starts_with_a_frame_and_ends_with_the_whole_trace(studio, monkeypatch):
    monkeypatch.setattr(messages, "PAUSE", 0.0)
    studio.model("oracle")
    sent = list(messages.run(studio, lambda: ORDER))
    kinds = [message["kind"] for _, message in sent]
    assert kinds == ["live"] * 39 + ["trace"]
    assert [message["index"] for _, message in sent[:-1]] == list(range(39))
    key, whole = sent[-1]
    assert whole["id"] == key and studio.traces.get(key).frames
    replayed = Trace.from_dict(json.loads(json.dumps(whole["trace"])))
    assert [result["text"] for result in replayed.info["results"]] == [
        result.text for result in studio.results(studio.start(ORDER).run())]


def test_frames_that_come_too_fast_are_skipped(studio, monkeypatch):
    monkeypatch.setattr(messages, "PAUSE", 3600.0)
    studio.model("oracle")
    assert [message["kind"] for _, message in messages.run(studio, lambda: ORDER)] == ["live", "trace"]


def test_while_a_model_loads_the_page_is_told(studio):
    _, first = next(messages.run(studio, lambda: ORDER))
    assert (first["kind"], first["seeds"], first["note"]) == ("start", [3, 4], "Loading Oracle (exact beliefs) …")


def test_the_size_of_what_is_being_loaded_is_said():
    note = messages.loading(Studio(), Order())
    assert re.fullmatch(r"Loading Diffusion-LM \([1-9]\d* MB\) …", note)


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_runs_with_a_pin_and_shows_words_confidences_and_its_own_number_of_steps(studio, monkeypatch, paper):
    monkeypatch.setattr(messages, "PAUSE", 0.0)
    pattern = "Blue Fig ___" if paper == "oracle" else "the Wharf ___"
    order = Order(paper=paper, samples=2, steps=5, controls=(f"infill={pattern}",))
    sent = [message for _, message in messages.run(studio, lambda: order)]
    assert [message["kind"] for message in sent[1:]].count("live") == len(sent) - 2
    live, whole = sent[-2], sent[-1]
    assert live["steps"] == len(whole["trace"]["steps"]) == whole["trace"]["info"]["steps"]
    assert live["info"]["pins"] == [[0, 1]] * 2 and live["info"]["pinned"] == [pattern.split()[:2]] * 2
    assert all(0 <= percent <= 100 for row in live["rows"] for _, percent, _ in row)
    for result in whole["trace"]["info"]["results"]:
        assert [(pin["position"], pin["word"]) for pin in result["pins"]] == list(enumerate(pattern.split()[:2]))
        assert [pin["held"] for pin in result["pins"]] == [
            word == pin["word"] for pin, word in zip(result["pins"], result["tokens"], strict=False)]
        assert not PAPERS[paper].hard or all(pin["held"] for pin in result["pins"])


def test_the_link_of_a_run_orders_the_same_run(studio):
    *_, (_, whole) = messages.run(studio, lambda: ORDER)
    again = Order.from_query(whole["query"])
    *_, (_, second) = messages.run(studio, lambda: again)
    texts = [[result["text"] for result in message["trace"]["info"]["results"]] for message in (whole, second)]
    assert texts[0] == texts[1]


def test_a_mistake_is_one_sentence(studio):
    ((key, message),) = list(messages.run(studio, lambda: Order(paper="orakel")))[-1:]
    assert key == "" and message["kind"] == "error" and "'oracle'" in message["sentence"]


def test_closing_the_stream_ends_the_run(studio):
    studio.model("oracle")
    stream = messages.run(studio, lambda: ORDER)
    key, _ = next(stream)
    stream.close()
    trace = studio.traces.get(key)
    assert trace.running is None and 0 < len(trace.frames) < 40


def test_stop_returns_the_steps_so_far_without_a_verdict(studio):
    studio.model("oracle")
    stream = messages.run(studio, lambda: ORDER)
    key, _ = next(stream)
    message = messages.stopped(studio, key)
    assert 0 < len(message["trace"]["steps"]) < 40
    assert all(result["controls"] == [] for result in message["trace"]["info"]["results"])
    assert messages.stopped(studio, "no such run") is None


def test_the_page_opens_on_a_stored_run_a_sentence_or_an_error(studio, tmp_path):
    trace = studio.start(ORDER).run()
    studio.results(trace)
    trace.save(tmp_path / "opening.json")
    opened, message = messages.opening(studio, tmp_path / "opening.json")
    assert opened is not None and message["stored"] and message["kind"] == "trace"
    assert messages.opening(studio, tmp_path / "none.json")[1]["kind"] == "empty"
    (tmp_path / "bad.json").write_text("{}")
    assert messages.opening(studio, tmp_path / "bad.json")[1]["kind"] == "error"


def test_a_saved_page_asks_no_server(studio):
    page = messages.page(studio, studio.start(ORDER).run(), theme.page_style(), theme.script())
    assert "TracePlayer" in page and "http://www.w3.org/2000/svg" in page
    assert "https://" not in page and "@import" not in page
