"""Times land where they were spent, the model is left as it was, and memory is that of this process."""

import mmap

import pytest
import torch

from diffusion.core import compute
from diffusion.core.errors import StudioError
from diffusion.core.types import Request
from diffusion.papers.oracle import Oracle
from diffusion.samplers.ancestral import Ancestral
from tests.support import evaluation
from training.evaluation.speed import measure as speed
from training.recipes import recipe

REQUEST = Request(length=evaluation.LENGTH, sampler="ancestral", steps=5, seeds=(0, 1))
NAP = 0.25               # seconds, exact in binary


@pytest.fixture
def slow(monkeypatch):
    """Makes functions take a nap each on a clock on which nothing else takes any time."""
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])

    def slowed(function):
        def wrapped(*args, **kwargs):
            now[0] += NAP
            return function(*args, **kwargs)
        return wrapped
    return slowed


def test_time_in_the_network_counts_as_forward(monkeypatch, slow):
    model = evaluation.model()
    monkeypatch.setattr(model.network, "forward", slow(model.network.forward))
    found = speed.cost(model, REQUEST)
    assert (found.loop, found.forward, found.frames) == (5 * NAP, 5 * NAP, 0)


def test_time_in_the_sampler_counts_as_loop_and_not_as_forward(monkeypatch, slow):
    monkeypatch.setattr(Ancestral, "advance", slow(Ancestral.advance))
    found = speed.cost(evaluation.model(), REQUEST)
    assert (found.loop, found.forward, found.frames) == (5 * NAP, 0, 0)


def test_time_for_frames_is_kept_apart_from_the_loop(monkeypatch, slow):
    monkeypatch.setattr(speed.Frame, "of", slow(speed.Frame.of))
    found = speed.cost(evaluation.model(), REQUEST)
    assert (found.loop, found.forward, found.frames) == (0, 0, 5 * NAP)


def test_model_is_as_it_was_after_timing():
    model = evaluation.model()
    before = model.path
    speed.cost(model, REQUEST)
    assert model.path is before
    with pytest.raises(RuntimeError), speed.timed(model):
        raise RuntimeError
    assert model.path is before


def test_forward_is_timed_on_the_path_in_use(monkeypatch):
    model = evaluation.model()
    compute.choose(model, "bf16")
    with speed.timed(model) as watch:
        model.predict(model.prior(REQUEST, speed_rng()), 1.0, REQUEST)     # gradients are on: plain fp32, not timed
        assert watch.seconds == 0
        with torch.no_grad():
            model.predict(model.prior(REQUEST, speed_rng()), 1.0, REQUEST)
        assert watch.seconds > 0
    assert watch.network is model.path.network


def speed_rng():
    from diffusion.core.rng import Rng

    return Rng(REQUEST.seeds)


def test_overhead_adds_up():
    table = speed.overhead(evaluation.model(), REQUEST, "fp32", "tiny", repeats=2)
    for row in table.rows:
        assert row["loop / forward"] == pytest.approx(row["loop s"] / row["forward s"], rel=2e-3)
        assert row["outside ms a step"] == pytest.approx(row["of it loop"] + row["of it frame"], rel=2e-3)
    assert [row["sequences"] for row in table.rows] == [1, 4]


def test_bars_of_overhead_know_their_limits():
    def table(ratio, cost):
        rows = [{"sequences": batch, "loop / forward": ratio, "outside ms a step": cost} for batch in (1, 4)]
        return speed.Table.of("", rows)

    assert [row["met"] for row in speed.overhead_bars(table(1.04, 9), table(9, 0.34)).rows] == [True] * 4
    slow_bars = speed.overhead_bars(table(1.06, 0), table(1, 0.5)).rows
    assert [row["met"] for row in slow_bars] == [False, False, False, True]


def test_one_path_is_chosen_and_paths_that_fail_say_why(monkeypatch):
    model = evaluation.model()
    prepared = compute._prepared

    def without_onednn(model, name):
        if name == "onednn":
            raise StudioError("no oneDNN here")
        return prepared(model, name)

    monkeypatch.setattr(compute, "_prepared", without_onednn)
    rows = speed.on_paths(model, REQUEST, ["fp32", "onednn", "bf16"], "bf16", repeats=1)[0].rows
    assert {row["path"]: row["chosen"] for row in rows} == {"fp32": False, "onednn": False, "bf16": True}
    assert {row["path"]: row["seconds"] is not None for row in rows} == {"fp32": True, "onednn": False, "bf16": True}
    assert rows[1]["remark"] == "no oneDNN here"
    assert model.path.name == "bf16"


def test_model_without_a_network_is_refused():
    with pytest.raises(StudioError, match="no network"):
        speed.medians(Oracle.from_nothing(), Request(), 1)


def test_what_follows_the_last_step_is_timed_apart(monkeypatch, slow):
    model = evaluation.model()
    monkeypatch.setattr(type(model), "finish", slow(type(model).finish))
    monkeypatch.setattr(Ancestral, "advance", slow(Ancestral.advance))
    found = speed.times_of(model, REQUEST)
    assert (found.whole, found.first, found.finishing, found.nfe) == (6 * NAP, NAP, NAP, REQUEST.steps)
    assert "finish" not in vars(model)                   # as it was


def test_the_first_frame_is_waited_for_once(monkeypatch, slow):
    monkeypatch.setattr(Ancestral, "advance", slow(Ancestral.advance))
    found = speed.times_of(evaluation.model(), REQUEST)
    assert (found.whole, found.first) == (5 * NAP, NAP)


def test_every_sampler_is_timed_at_every_number_of_steps():
    model = evaluation.model()
    rows = speed.grid(model, [1, 3], samples=2, repeats=1).rows
    assert [(row["sampler"], row["steps"], row["NFE"]) for row in rows] == [
        (sampler, steps, steps) for sampler in model.samplers for steps in (1, 3)]
    baseline = evaluation.paper("ar")
    assert [(row["steps"], row["NFE"]) for row in speed.grid(baseline, [1, 3], samples=1, repeats=1).rows] == [(64, 48)]


def test_the_decoder_has_a_bar_where_the_paper_has_one(monkeypatch):
    seconds, timed = speed.bars(speed.Bar("seconds", 1.0, high=1.5)), speed.Table.of("", [
        {"sampler": "ancestral", "steps": 8, "after the last step s": 0.1},
        {"sampler": "ancestral", "steps": 64, "after the last step s": 0.31}])
    model = evaluation.model()
    assert speed.bars_of(model, seconds, timed) is seconds
    monkeypatch.setattr(type(model), "slug", "ld4lg")
    added = speed.bars_of(model, seconds, timed).rows[1]
    assert (added["value"], added["met"]) == (0.31, False)


def test_untrained_model_has_the_size_of_its_recipe():
    vocab, labels = evaluation.world()
    chosen = recipe("diffusion-lm-e2e")
    model = speed.untrained(chosen, type(evaluation.model()), vocab, labels)
    assert model.config.backbone.width == chosen.config.backbone.width
    assert model.config.backbone.label_sizes == labels.sizes
    assert sum(parameter.numel() for parameter in model.parameters()) > 4_000_000
    assert not model.training


def test_resident_memory_grows_with_what_is_held():
    before = speed.resident_megabytes()
    with mmap.mmap(-1, 50 * 2**20) as held:              # pages of its own, which no allocator had lying about
        held.write(b"1" * len(held))
        assert 40 <= speed.resident_megabytes() - before <= 70


def test_memory_is_looked_at_along_the_way():
    table = speed.memory(evaluation.model(), REQUEST.with_(steps=1), runs=12)
    assert [row["runs"] for row in table.rows] == [1, 10, 12]
    assert all(row["met"] for row in speed.memory_bars(table).rows)


def test_memory_that_grows_misses_its_bar():
    table = speed.Table.of("", [{"runs": runs, "resident MB": 100 * runs} for runs in (1, 10, 25, 50)])
    assert [row["met"] for row in speed.memory_bars(table).rows] == [False, False]
