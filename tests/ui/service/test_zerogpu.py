"""Runs under a decorator that forks, as ZeroGPU's does: the same texts, only small frames cross, and Stop reaches the worker."""

import builtins
import sys
import types

import pytest

from diffusion.core.errors import StudioError
from tests.support.forked import ForkedGpu
from ui.service import messages, zerogpu
from ui.service.run_spec import Order
from ui.service.studio import Studio

ORDER = Order(paper="diffusion-lm", samples=2, steps=12, seed=3, controls=("length=6-9",))


@pytest.fixture
def gpu():
    return ForkedGpu()


@pytest.fixture
def away(checkpoints, gpu):
    """A studio whose runs are sampled in forked processes."""
    return Studio(device="cpu", compute="fp32", checkpoints=checkpoints, gpu=gpu)


@pytest.mark.parametrize("paper", ["diffusion-lm", "sedd", "rdlm"])
def test_a_run_in_a_forked_process_writes_the_same_text(studio, away, gpu, paper):
    order = Order(paper=paper, samples=2, steps=8, seed=3)
    here, there = studio.start(order).run(), away.start(order).run()
    assert [result.text for result in away.results(there)] == [result.text for result in studio.results(here)]
    assert len(gpu.sent) == len(there.frames) == len(here.frames)
    assert there.info == {**here.info, "results": there.info["results"]}
    assert max(gpu.sent) < 10_000, "a frame is small; tensors stay in the worker"


def test_the_page_s_messages_are_those_of_a_run_at_home(studio, away, monkeypatch):
    monkeypatch.setattr(messages, "PAUSE", 0.0)
    told = [[message for _, message in messages.run(lab, lambda: ORDER)] for lab in (studio, away)]
    assert [message["kind"] for message in told[1]] == ["start"] + ["live"] * 11 + ["trace"]
    assert [message.get("rows") for message in told[0]] == [message.get("rows") for message in told[1]]
    assert told[0][-1]["trace"]["info"]["results"][0]["text"] == told[1][-1]["trace"]["info"]["results"][0]["text"]


def test_what_is_refused_is_refused_before_a_worker_is_asked_for(away, gpu):
    with pytest.raises(StudioError, match="99"):
        away.start(Order(paper="diffusion-lm", controls=("length=99",)))
    assert gpu.asked == []


def test_stop_ends_the_loop_in_the_worker(away, gpu):
    trace = away.start(Order(paper="diffusion-lm", samples=1, steps=2000, seed=3))
    frames = iter(trace)
    for _ in range(3):
        next(frames)
    running = trace.running
    away.stop(trace)                                     # the stand-in fails if its process does not end by itself
    assert 3 <= len(trace.frames) < 2000 and len(gpu.sent) < 2000
    assert list(running) == []


def test_a_stop_from_another_thread_is_seen_between_two_steps(away):
    import threading

    trace = away.start(Order(paper="diffusion-lm", samples=1, steps=2000, seed=3))
    begun = threading.Event()
    stopper = threading.Thread(target=lambda: (begun.wait(20), trace.running.close()))
    stopper.start()
    for _ in trace:
        begun.set()
    stopper.join(20)
    assert 0 < len(trace.frames) < 2000


def test_more_work_asks_for_more_seconds_within_limits():
    def seconds(**changes):
        return zerogpu.duration(Order(**changes).to_dict(), "flag")

    assert seconds() == seconds(paper="ld4lg", steps=1) == zerogpu.LEAST
    assert zerogpu.LEAST < seconds(steps=2000, samples=8) < seconds(steps=2000, samples=16) <= zerogpu.MOST
    assert seconds(steps=2000, samples=8) < seconds(steps=2000, samples=8, guidance_scale=2.0)
    assert seconds(paper="seqdiffuseq", steps=2000, samples=64) == zerogpu.MOST


def test_without_the_package_runs_stay_at_home_and_with_it_its_decorator_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert zerogpu.decorator() is None
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=builtins.print))
    assert zerogpu.decorator() is print
