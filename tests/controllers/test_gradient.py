"""The direction of a wish: the gradient of its log-probability, brought to size 1 in each row."""

import pytest
import torch

from controllers.gradient import FAINT, ascent, slope


def chance(probs):
    """Log-probability (B,) that word 2 stands at position 1."""
    return probs[:, 1, 2].clamp(min=1e-30).log()


def belief(seed=0, batch=3):
    return torch.randn(batch, 4, 5, generator=torch.Generator().manual_seed(seed))


def test_the_slope_of_a_log_probability_is_one_hot_minus_belief():
    logits = belief()
    expected = torch.zeros_like(logits)
    expected[:, 1] = -logits[:, 1].softmax(-1)
    expected[:, 1, 2] += 1
    assert torch.allclose(slope(chance, logits), expected, atol=1e-6)


def test_the_largest_entry_of_each_row_is_one_and_directions_stay():
    logits = belief()
    wish, steep = ascent(chance, logits), slope(chance, logits)
    assert torch.equal(wish.abs().amax((1, 2)), torch.ones(3))
    assert torch.allclose(torch.cosine_similarity(wish.flatten(1), steep.flatten(1)), torch.ones(3))


def test_a_row_does_not_depend_on_the_others():
    logits = belief()
    assert torch.equal(ascent(chance, logits), torch.cat([ascent(chance, row[None]) for row in logits]))


def test_a_wish_that_holds_already_fades():
    logits = belief(batch=1)
    logits[0, 1, 2] = 12.0
    assert float(slope(chance, logits).abs().max()) < FAINT
    assert 0 < float(ascent(chance, logits).abs().max()) < 0.5
    logits[0, 1, 2] = 200.0
    assert not ascent(chance, logits).any()


def test_ruled_out_words_are_left_alone():
    logits = belief()
    logits[:, 1, 0] = -torch.inf
    wish = ascent(chance, logits)
    assert torch.isfinite(wish).all() and not wish[:, 1, 0].any()


def test_it_works_where_gradients_are_off_and_leaves_nothing_behind():
    logits = belief()
    with torch.no_grad():
        wish = ascent(chance, logits)
        assert not torch.is_grad_enabled()
    assert not wish.requires_grad and not logits.requires_grad and wish.any()


@pytest.mark.parametrize("nats", [0.1, 1.0, 4.0])
def test_following_it_raises_the_wish(nats):
    logits = belief()
    assert (chance((logits + nats * ascent(chance, logits)).softmax(-1)) > chance(logits.softmax(-1))).all()
