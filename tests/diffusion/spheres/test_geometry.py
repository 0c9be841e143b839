"""Walking on spheres and writing words as digits, against definitions and closed forms."""

import math

import pytest
import torch

from diffusion.spheres import geometry as sphere
from diffusion.spheres.bridge import cosine_moment

GENERATOR = torch.Generator().manual_seed(0)


def points(count: int, coordinates: int) -> torch.Tensor:
    """Random points on a sphere, (count, coordinates) in fp64."""
    return torch.nn.functional.normalize(torch.randn(count, coordinates, generator=GENERATOR, dtype=torch.float64), dim=-1)


def tangents(x: torch.Tensor, length: float) -> torch.Tensor:
    """A random tangent vector of that length at each point."""
    v = sphere.project(x, torch.randn(x.shape, generator=GENERATOR, dtype=torch.float64))
    return torch.nn.functional.normalize(v, dim=-1) * length


@pytest.mark.parametrize("angle", [1e-7, 1e-4, 0.01, 0.5, 1.5, 3.0, 3.1])
def test_log_undoes_exp_and_its_length_is_the_distance(angle):
    x = points(50, 6)
    v = tangents(x, angle)
    y = sphere.exp(x, v)
    torch.testing.assert_close(sphere.log(x, y), v, rtol=1e-6, atol=1e-6 * angle)
    torch.testing.assert_close(sphere.distance(x, y), torch.full((50,), angle, dtype=torch.float64), rtol=1e-7, atol=0)
    torch.testing.assert_close(torch.linalg.vector_norm(y, dim=-1), torch.ones(50, dtype=torch.float64))


def test_walking_nowhere_stays_and_leads_nowhere():
    x = points(5, 4)
    torch.testing.assert_close(sphere.exp(x, torch.zeros_like(x)), x)
    assert sphere.log(x, x).abs().max() < 1e-12


def test_transport_keeps_lengths_and_turns_the_way_out_into_the_way_back():
    x, y = points(20, 5), points(20, 5)
    v = tangents(x, 0.7)
    carried = sphere.transport(x, y, v)
    assert sphere.dot(y, carried).abs().max() < 1e-12
    torch.testing.assert_close(torch.linalg.vector_norm(carried, dim=-1), torch.linalg.vector_norm(v, dim=-1))
    torch.testing.assert_close(sphere.transport(x, y, sphere.log(x, y)), -sphere.log(y, x))


@pytest.mark.parametrize("angle", [0.0, 1e-4, 0.01, 0.5, 2.0, 3.1])
def test_safe_quotients_are_the_quotients(angle):
    value = torch.tensor(angle, dtype=torch.float64)
    small = angle < 1e-3
    sine = 1.0 if small else math.sin(angle) / angle
    curve = 1 / 3 if small else (1 / angle - 1 / math.tan(angle)) / angle
    assert sphere.sinc(value).item() == pytest.approx(sine, rel=1e-6)
    assert sphere.cosc(value).item() == pytest.approx(curve, rel=1e-6)
    assert sphere.stretch(value.cos()).item() == pytest.approx(1 / sine, rel=1e-6)


def test_a_belief_pulls_by_the_mean_of_the_ways_to_the_vertices():
    x = points(30, 5)
    probs = torch.rand(30, 4, generator=GENERATOR, dtype=torch.float64).softmax(-1)
    vertices = torch.eye(5, dtype=torch.float64)
    expected = sum(probs[:, k, None] * sphere.log(x, vertices[k].expand(30, -1)) for k in range(4))
    torch.testing.assert_close(sphere.pull(x, probs), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("n", "spread"), [(3, 0.1), (3, 0.4), (28, 0.08)])
def test_the_density_is_that_of_a_normal_step_from_the_mean(n, spread):
    """The mean cosine of the distance, by quadrature over shells of the sphere and by the closed form for normal steps."""
    r = torch.linspace(1e-4, 3.1, 20_001, dtype=torch.float64)
    x = torch.zeros(len(r), n + 1, dtype=torch.float64)
    x[:, 0], x[:, 1] = r.cos(), r.sin()
    weight = (sphere.log_normal(x, torch.eye(n + 1, dtype=torch.float64)[0], torch.tensor(spread))
              + (n - 1) * r.sin().log()).softmax(0)
    assert (weight * r.cos()).sum().item() == pytest.approx(cosine_moment(torch.tensor([spread]).double(), n).item(), abs=1e-5)


# ---- digits


@pytest.mark.parametrize(("words", "base", "count"), [(817, 29, 2), (31, 6, 2), (30, 30, 1), (12, 12, 1), (1000, 10, 3),
                                                      (1001, 10, 4), (30_522, 3, 10)])
def test_every_word_is_told_by_its_digits(words, base, count):
    ids = torch.arange(words)
    assert sphere.digits_needed(words, base) == count
    digits = sphere.to_digits(ids, base, count)
    assert digits.min() >= 0 and digits.max() < base
    assert torch.equal(sphere.from_digits(digits, base), ids)


@pytest.mark.parametrize(("words", "base"), [(817, 29), (27, 27), (64, 64), (65, 9), (2, 2), (5000, 18)])
def test_the_chosen_base_is_the_smallest_for_the_fewest_digits(words, base):
    assert sphere.choose_base(words) == base


def test_the_least_significant_digit_comes_first():
    assert sphere.to_digits(torch.tensor(5 + 29 * 3), 29, 2).tolist() == [5, 3]


@pytest.mark.parametrize(("words", "base", "count"), [(31, 6, 2), (100, 5, 3), (7, 7, 1), (5, 7, 1)])
def test_words_sum_over_their_digits_and_digits_over_their_words(words, base, count):
    values = torch.randn(4, count, base, generator=GENERATOR, dtype=torch.float64)
    digits = sphere.to_digits(torch.arange(words), base, count)
    expected = sum(values[:, place, digits[:, place]] for place in range(count))
    torch.testing.assert_close(sphere.join(values, words), expected)
    probs = torch.randn(4, words, generator=GENERATOR, dtype=torch.float64).softmax(-1)
    found = sphere.marginals(probs, base, count)
    for place in range(count):
        for digit in range(base):
            torch.testing.assert_close(found[:, place, digit], probs[:, digits[:, place] == digit].sum(-1))


def test_marginals_are_the_nearest_product_of_digits():
    probs = torch.randn(36, generator=GENERATOR, dtype=torch.float64).softmax(-1)
    best = sphere.marginals(probs, 6, 2)

    def divergence(parts: torch.Tensor) -> float:
        return (probs * (probs.log() - sphere.join(parts.log(), 36))).sum().item()

    for _ in range(20):
        other = (best.log() + 0.1 * torch.randn(2, 6, generator=GENERATOR, dtype=torch.float64)).softmax(-1)
        assert divergence(best) < divergence(other)
