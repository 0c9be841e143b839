"""The map of words: projections, neighbours and paths are what they say, and what cannot be shown is a sentence."""

import numpy as np
import pytest

from diffusion.core.errors import StudioError
from tests.ui.conftest import LABELS, VOCAB
from ui import space
from ui.atlas import Atlas
from ui.order import Order
from ui.space import Course, Projection, WordSpace

RNG = np.random.default_rng(4)
TABLE = RNG.normal(size=(30, 6)).astype("f4")
WORDS = WordSpace(tuple(f"w{index}" for index in range(30)), TABLE, "about", True)


def test_pca_finds_the_axes_of_largest_variance_and_places_words_on_their_points():
    spread = RNG.normal(size=(200, 5)) * [5, 3, 1, 0.5, 0.1]
    found = space.pca(spread, 2)
    assert np.abs(found.axes[0, 0]) > 0.95 and np.abs(found.axes[1, 1]) > 0.95
    assert found.told[0] > found.told[1] and sum(found.told) < 1
    assert np.allclose(found.place(spread, np.arange(200)), found.points)
    again = space.pca(spread, 2)
    assert (again.points == found.points).all()


def test_neighbours_are_those_of_brute_force_and_unk_is_none():
    vector = TABLE[7] + 0.01
    far = np.linalg.norm(TABLE - vector, axis=1)
    far[2] = np.inf
    wanted = [f"w{index}" for index in far.argsort()[:8]]
    found = space.neighbours(WORDS, vector)
    assert [word for word, _ in found] == wanted and found[0][0] == "w7"
    assert found[0][1] == pytest.approx(far[7], abs=1e-3)


def test_a_map_without_axes_places_a_vector_at_its_nearest_word():
    found = Projection(np.arange(60.0).reshape(30, 2))
    assert (found.place(TABLE, np.array([3, 9])) == [[6, 7], [18, 19]]).all()


def test_words_take_the_slot_that_alone_has_them():
    slots = {"food": ["Italian"], "price": ["cheap", "The low"], "type": ["pub", "The bar"]}
    groups = space.by_slot(["Italian", "cheap", "pub", "The"], slots)
    assert groups == ["food", "price", "type", ""]


def test_a_path_ends_at_the_word_of_the_text():
    x0_hat = np.stack([RNG.normal(size=(1, 6)), TABLE[11][None]]).astype("f2")
    told = space.journey(WORDS, Course(x0_hat, x0_hat, np.array([[5], [11]])), 0)
    assert told["x0_hat"][-1] == 11 and told["x0_hat distance"][-1] == pytest.approx(0, abs=0.02)


def test_the_course_of_a_run_ends_in_its_own_text(studio):
    trace = studio.start(Order(paper="diffusion-lm", samples=3, steps=6, seed=2)).run()
    course = Atlas(studio).course(trace, 1)
    assert course.x.shape[:2] == (6, trace.ids.shape[1]) and (course.ids[-1] == trace.ids[1]).all()
    figure, note, rows = Atlas(studio).follow(trace, "pca2", "slot", 2, 3)
    assert len(figure["frames"]) == len(rows) == 6 and "Position 3 of sample 2" in note


@pytest.mark.parametrize(("ask", "named"), [
    (lambda atlas, trace: atlas.map("diffusion-lm", "umap", "none", "", trace), "python -m training maps"),
    (lambda atlas, trace: atlas.map("diffusion-lm", "pca2", "none", "xyzzy", trace), "no word like 'xyzzy'"),
    (lambda atlas, trace: atlas.follow(trace, "pca2", "none", 9, 1), "sample 9"),
    (lambda atlas, trace: atlas.map("ar", "pca2", "none", "", trace), "no map of its words"),
    (lambda atlas, trace: atlas.near("diffusion-lm", -1), "Click a point")])
def test_what_cannot_be_shown_is_a_sentence(studio, ask, named):
    trace = studio.start(Order(paper="diffusion-lm", samples=1, steps=2)).run()
    with pytest.raises(StudioError, match=named):
        ask(Atlas(studio), trace)


def test_a_run_of_words_has_no_path_through_vectors(studio):
    trace = studio.start(Order(paper="sedd", samples=1, steps=2)).run()
    with pytest.raises(StudioError, match="no path"):
        Atlas(studio).follow(trace, "pca2", "none", 1, 1)


def test_the_map_shows_every_word_but_unk_and_marks_what_is_searched_and_what_the_run_has(studio):
    trace = studio.start(Order(paper="diffusion-lm", samples=1, steps=2)).run()
    figure, _ = Atlas(studio).map("diffusion-lm", "pca3", "slot", "Italian", trace)
    by_name = {part["name"]: part for part in figure["data"]}
    shown = sorted(place for name, part in by_name.items() if name not in ("found", "in the run") for place in part["customdata"])
    assert shown == [index for index in range(len(VOCAB)) if index != 2]
    assert by_name["found"]["text"] == ["Italian"] and set(LABELS.slots) & set(by_name)


def test_stored_maps_count_for_their_own_checkpoint_alone(tmp_path):
    (tmp_path / "x.json").write_text('{"checkpoint": "abc", "maps": {"umap": [[0, 1], [2, 3]]}}', encoding="utf-8")
    assert space.stored("x", "abc", tmp_path)["umap"].points.shape == (2, 2)
    assert space.stored("x", "other", tmp_path) == {} and space.stored("y", "abc", tmp_path) == {}
