"""Maps of words: axes, neighbours and paths against plain arithmetic, and the path of a run against the run itself."""

import dataclasses
import threading
import time

import numpy as np
import pytest

from diffusion import StudioError, maps
from diffusion.maps import Projection, WordMaps
from tests.ui.conftest import VOCAB
from ui.components import theme
from ui.service import space
from ui.service.embedding_maps import Atlas
from ui.service.fitting import Fitting
from ui.service.run_spec import Order
from ui.service.space import Course, WordSpace

WORDS = ("[PAD]", "[END]", "[UNK]", "a", "b", "c", "d")
RNG = np.random.default_rng(3)
SPACE = WordSpace(WORDS, RNG.normal(size=(7, 5)), "", True)
ORDER = Order(paper="diffusion-lm", samples=2, steps=6, seed=4)


def test_axes_are_those_of_largest_variance_and_always_the_same():
    once, again = maps.pca(SPACE.vectors, 3), maps.pca(SPACE.vectors.copy(), 3)
    np.testing.assert_array_equal(once.points, again.points)
    values = np.sort(np.linalg.eigvalsh(np.cov(SPACE.vectors.T)))[::-1]
    np.testing.assert_allclose(once.points.var(0, ddof=1), values[:3])
    np.testing.assert_allclose(once.told, (values / values.sum())[:3])
    flipped = maps.pca(-SPACE.vectors, 3)               # the sign of an axis does not hang on the solver
    assert (flipped.axes[np.abs(flipped.axes).argmax(0), range(3)] > 0).all()


def test_a_word_lies_where_its_vector_is_placed():
    projection = maps.pca(SPACE.vectors, 2)
    np.testing.assert_allclose(projection.place(SPACE.vectors, np.zeros(7, int)), projection.points)
    crooked = Projection(projection.points)
    np.testing.assert_array_equal(crooked.place(SPACE.vectors[:2], np.array([4, 3])), projection.points[[4, 3]])


def test_neighbours_are_the_nearest_by_brute_force_and_never_unk():
    vector = RNG.normal(size=5)
    far = {word: float(np.linalg.norm(vector - row)) for word, row in zip(WORDS, SPACE.vectors, strict=True) if word != "[UNK]"}
    found = space.neighbours(SPACE, vector, 4)
    assert [word for word, _ in found] == sorted(far, key=far.get)[:4]
    assert [distance for _, distance in found] == pytest.approx(sorted(far.values())[:4])
    assert space.neighbours(SPACE, SPACE.vectors[2], 6)[0][0] != "[UNK]"


def test_a_path_names_the_nearest_word_of_every_step_and_ends_at_the_word():
    line = np.linspace(0, 1, 5)[:, None, None] * SPACE.vectors[4] + (1 - np.linspace(0, 1, 5))[:, None, None] * 9.0
    course = Course(line, line[::-1], np.zeros((5, 1), int))
    told = space.journey(SPACE, course, 0)
    assert told["x"][-1] == 4 == told["x0_hat"][0]
    assert told["x distance"][-1] == pytest.approx(0, abs=1e-3)
    projection = maps.pca(SPACE.vectors, 2)
    drawn = space.with_path(space.figure(WORDS, projection, [""] * 7), SPACE, projection, course, 0)
    noisy = next(trace for trace in drawn["data"] if trace["name"] == "noisy x_t")
    assert [noisy["x"][-1], noisy["y"][-1]] == pytest.approx(projection.points[4], abs=2e-3)
    assert len(drawn["frames"]) == 5
    assert drawn["frames"][0]["name"] == "step 1: b"


def test_words_take_the_colour_of_the_one_slot_that_names_them():
    slots = {"food": ["French", "Fast food"], "price": ["cheap", "Fast deal"]}
    assert space.by_slot(["french", "fast", "Cheap", "near"], slots) == ["food", "", "price", ""]


def test_every_word_is_one_point_and_unk_is_none():
    groups = ["", "", "", "x", "y", "x", ""]
    drawn = space.figure(WORDS, maps.pca(SPACE.vectors, 3), groups, chosen=[5], run=[3, 4])
    points = [place for trace in drawn["data"][:3] for place in trace["customdata"]]
    assert sorted(points) == [0, 1, 3, 4, 5, 6]
    assert {trace["name"]: trace["customdata"] for trace in drawn["data"][3:]} == {"in the run": [3, 4], "found": [5]}


@pytest.mark.parametrize("paper", ["diffusion-lm", "seqdiffuseq"])
def test_a_recorded_course_is_that_of_the_run(studio, paper):
    trace = studio.start(dataclasses.replace(ORDER, paper=paper)).run()
    course = Atlas(studio).course(trace, 1)
    np.testing.assert_array_equal(course.ids, np.stack([frame.ids[1] for frame in trace.frames]))
    assert course.x.shape[:2] == course.x0_hat.shape[:2] == (6, trace.ids.shape[1])
    assert list(course.times) == [frame.t for frame in trace.frames]


def test_a_run_that_comes_out_otherwise_is_not_passed_off_as_the_same(studio):
    trace = studio.start(ORDER).run()
    trace.frames[-1].ids[1, 0] += 1
    with pytest.raises(StudioError, match="otherwise"):
        Atlas(studio).course(trace, 1)


def test_what_cannot_be_shown_is_said_in_a_sentence(studio):
    atlas = Atlas(studio)
    trace = studio.start(ORDER).run()
    with pytest.raises(StudioError, match=r"no word like 'Itallian'.*'Italian'"):
        atlas.map("diffusion-lm", "pca2", "slot", "Itallian", None)
    for sample, position in ((3, 1), (1, 0), (None, 1), (1, 99)):
        with pytest.raises(StudioError, match="2 samples"):
            atlas.follow(trace, "pca2", "none", sample, position)
    with pytest.raises(StudioError, match="Click a point"):
        atlas.near("diffusion-lm", -1)


def test_search_lasso_and_neighbours_speak_of_the_models_words(studio):
    atlas = Atlas(studio)
    trace = studio.start(ORDER).run()
    drawn, _ = atlas.map("diffusion-lm", "pca2", "slot", "italian", trace)
    assert next(part for part in drawn["data"] if part["name"] == "found")["text"] == ["Italian"]
    word, near = atlas.near("diffusion-lm", VOCAB.words.index("Italian"))
    assert word == "Italian"
    assert len(near) == 9
    assert "Italian" not in dict(near)
    caught = atlas.caught("diffusion-lm", [*range(len(VOCAB)), 10**6], trace)
    assert {word for word, in_run in caught if in_run} == {VOCAB.words[place] for place in np.unique(trace.ids)}


def test_the_largest_groups_have_colours_of_their_own_and_the_rest_is_other():
    words = tuple(str(place) for place in range(60))
    many = WordSpace(words, RNG.normal(size=(60, 4)), "", True)
    groups = ["", "", "", *(f"g{place % 19:02}" for place in range(57))]
    groups[3:7] = ["g18"] * 4
    drawn = space.figure(words, maps.pca(many.vectors, 2), groups)
    names = [trace["name"] for trace in drawn["data"]]
    assert len(names) == space.MOST_GROUPS + 1
    assert names[-1] == "other"
    assert "g18" in names
    colours = [trace["marker"]["color"] for trace in drawn["data"]]
    assert len(set(colours)) == len(colours)


def test_colour_by_frequency_is_logarithmic_and_words_that_never_occur_are_apart():
    drawn = space.figure(WORDS, maps.pca(SPACE.vectors, 2), counts=[5, 5, 9, 1, 10, 1000, 0])
    seen, never = drawn["data"]
    assert seen["customdata"] == [0, 1, 3, 4, 5]
    assert seen["marker"]["color"] == pytest.approx([0.699, 0.699, 0, 1, 3])
    assert seen["marker"]["colorbar"]["ticktext"] == ["1", "10", "100", "1,000"]
    assert seen["hovertext"][-1] == "c: 1,000 times"
    assert never["text"] == ["d"]


def stored(studio, folder, digest):
    """Maps of the tiny Diffusion-LM, stored as those of a checkpoint."""
    vocab = studio.context("diffusion-lm").vocab
    points = np.random.default_rng(2).normal(size=(len(vocab), 3))
    kept = WordMaps(digest, vocab.fingerprint, True, {"pca3": points, "umap2": points[:, 1:]}, (0.5, 0.2, 0.1), (1,) * len(vocab))
    kept.save(folder / "diffusion-lm.json")
    return points


def test_what_is_stored_is_shown_without_loading_the_model(studio, tmp_path):
    points = stored(studio, tmp_path, studio.digest("diffusion-lm"))
    atlas = Atlas(studio, folder=tmp_path)
    drawn, note = atlas.map("diffusion-lm", "pca2", "frequency", "", None)
    atlas.map("diffusion-lm", "umap2", "slot", "Italian", None)
    assert drawn["data"][0]["x"][:2] == pytest.approx(points[:2, 0], abs=0.01)
    assert "distance is what rounding goes by" in note
    assert not studio.is_loaded("diffusion-lm")
    assert atlas.counts("sedd") == atlas.counts("diffusion-lm"), "they are of the words, whatever the paper"


def test_maps_of_another_checkpoint_are_computed_once_in_the_background_and_kept(studio, tmp_path):
    stored(studio, tmp_path, "another")
    asked, gate = [], threading.Event()

    def fit(vectors, name, progress):
        asked.append(name)
        progress(0.25)
        assert gate.wait(20)
        return vectors[:, :int(name[-1])]

    def wait(atlas):
        for _ in range(400):
            if found := atlas.map("diffusion-lm", "tsne2", "none", "", None):
                return found
            time.sleep(0.02)
        raise AssertionError("the map never came")

    atlas = Atlas(studio, Fitting(tmp_path / "cache", fit), tmp_path)
    assert atlas.map("diffusion-lm", "tsne2", "none", "", None) is None
    assert atlas.map("diffusion-lm", "tsne2", "none", "", None) is None
    while not asked or atlas.waiting("diffusion-lm", "tsne2")[1] is None:
        time.sleep(0.01)
    sentence, share = atlas.waiting("diffusion-lm", "tsne2")
    assert share == 0.25
    assert "t-SNE in 2-D" in sentence
    gate.set()
    drawn, _ = wait(atlas)
    words = np.argsort(drawn["data"][0]["customdata"])
    np.testing.assert_allclose(np.array(drawn["data"][0]["x"])[words][:2], atlas.space("diffusion-lm").vectors[:2, 0], atol=1e-3)
    assert asked == ["tsne2"]
    later = Atlas(studio, Fitting(tmp_path / "cache", fit), tmp_path)
    assert later.map("diffusion-lm", "tsne2", "none", "", None)
    assert asked == ["tsne2"], "the next start reads it"


def test_a_map_that_fails_is_told_and_tried_again(tmp_path):
    outcomes = iter([ArithmeticError("no"), SPACE.vectors[:, :2]])

    def fit(vectors, name, progress):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    fitting = Fitting(tmp_path / "cache", fit)
    with pytest.raises(StudioError, match="ArithmeticError"):
        for _ in range(1000):
            fitting.job("a", "umap2", SPACE.vectors)
            time.sleep(0.01)
    while fitting.job("a", "umap2", SPACE.vectors).running:
        time.sleep(0.01)
    np.testing.assert_allclose(fitting.job("a", "umap2", SPACE.vectors).points, SPACE.vectors[:, :2], rtol=1e-6)


def test_words_of_a_run_are_found_among_the_words_of_another_paper(studio):
    trace = studio.start(dataclasses.replace(ORDER, paper="sedd")).run()
    atlas = Atlas(studio)
    words = atlas.words("diffusion-lm")
    assert [words[place] for _, place in atlas.written("diffusion-lm", trace, 0)] == [VOCAB.words[index] for index in trace.ids[0]]
    foreign = studio.start(dataclasses.replace(ORDER, paper="oracle")).run()
    told = atlas.written("diffusion-lm", foreign, 0)
    assert all(place is None or words[place] == word for word, place in told)
    assert any(place is None for _, place in told)


def test_parts_of_speech_are_named_in_plain_words():
    lexicon = np.eye(5)[[0, 0, 0, 1, 2, 3]][:, :4]
    assert space.by_tag(lexicon, ["NOUN", "ADP", "PROPN", "ZZ"]) == ["", "", "", "preposition (ADP)", "name (PROPN)", "ZZ"]


def test_every_colour_of_the_map_is_told_by_the_style_sheets_light_and_dark():
    for sheet in ("app.css", "dark.css"):
        style = (theme.STYLES / sheet).read_text(encoding="utf-8")
        assert all(f"{colour[4:-1]}:" in style for colour in space.PALETTE)
