"""Figures by their data: what stands at which step and position, with units, and text that stays text."""

import dataclasses

import numpy as np
import pytest

from ui.plots import figures
from ui.service.run_spec import Order


@pytest.fixture
def trace(studio):
    """Twelve steps of two samples by the oracle, with a control."""
    return studio.start(Order(paper="oracle", samples=2, steps=12, seed=3, controls=("length=6-9",))).run()


def test_curves_show_each_samples_mean_entropy_in_nats_and_each_control(trace):
    figure = figures.curves(trace.frames)
    assert [line.name for line in figure.data] == ["sample 1", "sample 2", "length"]
    for sample, line in enumerate(figure.data[:2]):
        assert list(line.x) == list(range(1, 13))
        expected = [frame.entropy[sample].astype(float).mean() for frame in trace.frames]
        assert list(line.y) == pytest.approx(expected, abs=1e-3)
    assert list(figure.data[2].y) == pytest.approx([np.mean(frame.satisfaction["length"]) for frame in trace.frames])
    assert "nats" in figure.layout.yaxis.title.text
    assert figure.layout.yaxis2.range == (-0.02, 1.02)


def test_without_controls_there_is_one_panel(studio):
    trace = studio.start(Order(paper="oracle", samples=1, steps=4)).run()
    assert [line.name for line in figures.curves(trace.frames).data] == ["sample 1"]


def test_lifelines_hold_the_probability_of_the_final_word_at_every_step(trace):
    (heat,) = figures.lifelines(trace.frames, trace.info["words"], sample=1).data
    final = trace.frames[-1].ids[1]
    length = int(np.flatnonzero(final).max()) + 1
    assert np.array(heat.z).shape == (length, 12)
    assert len(heat.y) == length
    assert heat.y[-1] == f"{length} END"
    for step, frame in enumerate(trace.frames):
        for place in range(length):
            among = frame.top_ids[1, place] == final[place]
            assert heat.z[place][step] == pytest.approx(float(frame.top_probs[1, place][among].sum()), abs=1e-3)
    assert [place[-1] for place in heat.text] == [figures.name_of(int(word), trace.info["words"]) for word in final[:length]]


def test_lifelines_end_bright_because_the_oracle_settles_on_a_sentence(trace):
    (heat,) = figures.lifelines(trace.frames, trace.info["words"]).data
    assert np.array(heat.z)[:, -1].min() > 0.9
    assert np.array(heat.z)[:, 0].mean() < 0.7


def test_markup_in_words_and_names_is_shown_as_text(trace):
    words = [*trace.info["words"][:3], *["<b onclick=x>"] * (len(trace.info["words"]) - 3)]
    (heat,) = figures.lifelines(trace.frames, words).data
    assert all("<b" not in label for label in (*heat.y, *np.ravel(heat.text)))
    frames = [dataclasses.replace(frame, satisfaction={"<i>x": [1.0]}) for frame in trace.frames]
    assert figures.curves(frames).data[-1].name == "&lt;i&gt;x"
