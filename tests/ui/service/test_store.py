"""What the studio keeps, for how long, and how a run ends: on tiny models, with several threads."""

import dataclasses
import threading

import pytest

import diffusion
from diffusion import Trace
from diffusion.core.errors import StudioError
from tests.ui.conftest import LENGTH, in_threads
from ui.service.run_spec import Order
from ui.service.store import TraceStore, trace_bytes
from ui.service.studio import Studio

SMALL = Order(steps=6, samples=3, seed=5)


# ---- models

def test_the_model_not_used_for_longest_goes_first(checkpoints):
    studio = Studio(max_loaded=2, device="cpu", compute="fp32", checkpoints=checkpoints)
    first = studio.model("diffusion-lm")
    studio.model("ar")
    assert studio.model("diffusion-lm") is first
    studio.model("diffusion-lm", "bf16")
    assert studio.is_loaded("diffusion-lm") and studio.is_loaded("diffusion-lm", "bf16")
    assert not studio.is_loaded("ar")
    studio.model("ar")
    assert not studio.is_loaded("diffusion-lm")
    assert studio.model("diffusion-lm") is not first


def test_threads_that_ask_at_once_get_one_and_the_same_model(studio, monkeypatch):
    loads = []
    real = diffusion.load
    monkeypatch.setattr(diffusion, "load", lambda name: loads.append(name) or real(name))
    models = in_threads([lambda: studio.model("diffusion-lm")] * 4)
    assert len(loads) == 1
    assert all(model is models[0] for model in models)


def test_a_run_goes_on_when_its_model_is_no_longer_kept(checkpoints, studio, texts):
    lone = Studio(max_loaded=1, device="cpu", compute="fp32", checkpoints=checkpoints)
    trace = lone.start(SMALL)
    next(iter(trace))
    lone.model("ar")
    assert not lone.is_loaded("diffusion-lm")
    assert [result.text for result in lone.results(trace.run())] == texts(SMALL)


# ---- stopping

def test_a_stopped_run_keeps_its_frames_and_does_not_go_on(studio):
    trace = studio.start(SMALL)
    frames = iter(trace)
    next(frames), next(frames)
    studio.stop(trace)
    assert list(frames) == []
    assert len(trace.frames) == 2


def test_another_thread_can_stop_a_run_in_the_middle_of_a_step(studio):
    model, inside, go_on = studio.model("diffusion-lm"), threading.Event(), threading.Event()
    predict = model.predict

    def slow(*arguments):
        if inside.is_set():
            go_on.wait(10)
        inside.set()
        return predict(*arguments)

    model.predict = slow
    trace = studio.start(dataclasses.replace(SMALL, steps=50))
    worker = threading.Thread(target=trace.run)
    worker.start()
    inside.wait(10)
    studio.stop(trace)
    go_on.set()
    worker.join(10)
    assert not worker.is_alive()
    assert len(trace.frames) <= 1
    model.predict = predict
    assert studio.results(studio.start(SMALL).run()), "the model is free for the next run"


# ---- traces in store

def test_traces_are_kept_under_ids_that_cannot_be_guessed_until_newer_ones_come():
    store = TraceStore(most=2)
    traces = [Trace({"number": number}) for number in range(3)]
    keys = [store.put(trace) for trace in traces]
    assert len(set(keys)) == 3 and all(len(key) >= 20 for key in keys)
    assert store.get(keys[2]) is traces[2] and store.get(keys[1]) is traces[1]
    for key in (keys[0], "0", ""):
        with pytest.raises(StudioError, match="no longer kept"):
            store.get(key)


def test_traces_are_bounded_by_their_size_too(studio):
    trace = studio.start(SMALL).run()
    store = TraceStore(most=1000, megabytes=1)
    room = 2**20 // trace_bytes(trace)
    assert trace_bytes(trace) == 6 * 3 * LENGTH * (2 + 8 * 2 + 8 * 2 + 2 + 2)
    keys = [store.put(studio_copy) for studio_copy in [trace] * (room + 3)]
    assert len(store) == room
    assert store.get(keys[-1]) is trace
