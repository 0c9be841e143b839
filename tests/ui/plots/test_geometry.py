"""Papers in their own geometry: corners, the middle and shares of a triangle, and points that stay on their sphere."""

import numpy as np
import pytest

from diffusion import StudioError
from ui.plots import geometry
from ui.service import views
from ui.service.run_spec import Order


def test_certainty_lies_in_a_corner_doubt_in_the_middle_and_shares_are_recovered():
    np.testing.assert_allclose(geometry.barycentric(np.eye(3)), geometry.CORNERS)
    np.testing.assert_allclose(geometry.barycentric(np.array([[0.2, 0.2, 0.2], [0, 0, 0]])), [geometry.CORNERS.mean(0)] * 2)
    weights = np.random.default_rng(1).dirichlet(np.ones(3), 20)
    system = np.concatenate([geometry.CORNERS.T, np.ones((1, 3))])
    places = np.concatenate([geometry.barycentric(0.3 * weights).T, np.ones((1, 20))])
    np.testing.assert_allclose(np.linalg.solve(system, places).T, weights, atol=1e-12)


def test_the_triangle_of_a_run_ends_in_the_corner_of_its_word(studio):
    trace = studio.start(Order(paper="sedd", samples=2, steps=8, seed=1)).run()
    chosen = geometry.leading(trace.frames, 1, 2)
    assert chosen[0] == trace.ids[1, 2]
    assert len(set(chosen)) == 3
    probs = geometry.belief(trace.frames, 1, 2, chosen)
    last = trace.frames[-1]
    for word, prob in zip(chosen, probs[-1], strict=True):
        kept = dict(zip(last.top_ids[1, 2].tolist(), last.top_probs[1, 2].tolist(), strict=True))
        assert prob == pytest.approx(kept.get(word, 0.0))
    figure = geometry.simplex(probs, ["a", "b", "c"])
    assert len(figure["frames"]) == 8
    assert figure["data"][2]["text"][0].startswith(f"step 1: a {100 * probs[0, 0]:.1f} %")


def test_points_keep_their_length_and_their_angles_to_symbol_and_mask():
    points = np.random.default_rng(2).normal(size=(6, 2, 5))
    points /= np.linalg.norm(points, axis=-1, keepdims=True)
    seen = geometry.on_sphere(points, [3, 0])
    np.testing.assert_allclose(np.linalg.norm(seen, axis=-1), 1)
    np.testing.assert_allclose(seen[:, 0, 0], points[:, 0, 3])
    np.testing.assert_allclose(seen[:, 1, 0], points[:, 1, 0])
    np.testing.assert_allclose(seen[..., 2], points[..., -1])
    vertex = np.eye(5)[[3, 0]][None]
    np.testing.assert_allclose(geometry.on_sphere(vertex, [3, 0])[0], [[1, 0, 0]] * 2)


def test_digits_of_a_followed_run_walk_from_the_mask_to_the_symbols_of_its_word(studio):
    trace = studio.start(Order(paper="rdlm", samples=2, steps=10, seed=2)).run()
    figure, _ = views.spheres(studio, trace, 2, 1)
    model = studio.model("rdlm")
    walks = [part for part in figure["data"] if part.get("name", "").startswith("digit")]
    assert len(walks) == model.count
    for walk in walks:
        points = np.array([walk["x"], walk["y"], walk["z"]]).T
        np.testing.assert_allclose(np.linalg.norm(points, axis=-1), 1, atol=1e-3)
        assert points[0, 2] > 0.5, "the first step is still near the mask"


def test_a_view_that_is_not_possible_is_refused_with_a_sentence(studio):
    trace = studio.start(Order(paper="diffusion-lm", samples=1, steps=4)).run()
    with pytest.raises(StudioError, match="does not walk on spheres"):
        views.spheres(studio, trace, 1, 1)
    with pytest.raises(StudioError, match="no run to look at"):
        views.triangle(None, 1, 1)
    for named, told in (("the a", "2 words"), ("the a qqq", "'qqq'")):
        with pytest.raises(StudioError, match=told):
            views.triangle(trace, 1, 1, named)
    assert views.triangle(trace, 1, 1, "the, a is")[0]["data"][1]["text"] == ["<b>the</b>", "<b>a</b>", "<b>is</b>"]


@pytest.mark.parametrize("paper", ["diffusion-lm", "sedd", "ld4lg"])
def test_sentences_of_people_and_of_runs_share_a_map(studio, paper):
    trace = studio.start(Order(paper=paper, samples=2, steps=4, seed=1)).run()
    other = studio.start(Order(paper="oracle", samples=1, steps=4)).run()
    figure, told = views.sentences(studio, paper, [other, trace])
    assert figure["layout"]["showlegend"] and "None of your runs" not in told
    assert "None of your runs" in views.sentences(studio, paper, [other])[1]
    names = [part["name"] for part in figure["data"]]
    assert names[0] == "written by people"
    assert set(names[1:]) <= {"run 1"}
    shown = [point for part in figure["data"] for point in part["customdata"]]
    assert sorted(shown) == list(range(len(shown)))
