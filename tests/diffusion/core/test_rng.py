"""Random numbers: a row depends on its seed alone, and draws follow the probabilities they were given."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from diffusion.core.rng import BatchRng, Rng

SEEDS = (3, 14, 15, 92, 65)
PROBS = torch.tensor([0.0, 0.02, 0.38, 0.0, 0.5, 0.1, 0.0])


@pytest.mark.parametrize("row", range(len(SEEDS)))
def test_a_row_draws_the_same_numbers_alone_and_in_a_batch(row):
    together, alone = Rng(SEEDS), Rng(SEEDS[row:row + 1])
    probs = torch.rand(len(SEEDS), 4, 6, generator=torch.Generator().manual_seed(0))
    for _ in range(3):                                   # the generators stay in step over several draws of all kinds
        assert torch.equal(together.normal(4, 2)[row], alone.normal(4, 2)[0])
        assert torch.equal(together.uniform(7)[row], alone.uniform(7)[0])
        assert torch.equal(together.categorical(probs)[row], alone.categorical(probs[row:row + 1])[0])


def test_other_seeds_draw_other_numbers():
    draws = Rng(SEEDS).normal(3)
    assert len({tuple(row) for row in draws.tolist()}) == len(SEEDS)


def test_categorical_draws_follow_the_probabilities():
    counts = torch.bincount(Rng((1,)).categorical(PROBS.expand(1, 20_000, -1))[0], minlength=len(PROBS))
    possible = PROBS > 0
    assert chisquare(counts[possible].numpy(), (20_000 * PROBS[possible]).numpy()).pvalue > 0.01


def test_categorical_never_draws_a_word_of_zero_probability():
    draws = Rng(range(5)).categorical(PROBS.expand(5, 20_000, -1))
    assert set(draws.unique().tolist()) == {1, 2, 4, 5}


@given(certain=st.integers(0, 8), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=50)
def test_a_certain_word_is_always_drawn(certain, seed):
    probs = torch.zeros(1, 3, 9)
    probs[..., certain] = 0.3                            # need not sum to one
    assert Rng((seed,)).categorical(probs).tolist() == [[certain] * 3]


def test_a_word_too_rare_for_float32_sums_keeps_its_share_of_the_unit_interval():
    class Near(Rng):
        def uniform(self, *shape, dtype=torch.float32):
            return torch.full((1, *shape), 1 - 1e-8, dtype=dtype)

    assert Near((0,)).categorical(torch.tensor([[1.0, 2e-8]])).tolist() == [1]
    assert Near((0,)).categorical(torch.tensor([[1.0, 2e-9]])).tolist() == [0]


def test_normal_and_uniform_draws_have_their_distributions():
    rng = Rng((11,))
    assert kstest(rng.normal(20_000)[0].numpy(), "norm").pvalue > 0.01
    assert kstest(rng.uniform(20_000)[0].numpy(), "uniform").pvalue > 0.01


@given(batch=st.integers(1, 300), seed=st.integers(0, 10_000))
@settings(max_examples=50)
def test_low_discrepancy_times_fall_one_into_each_bin(batch, seed):
    times = BatchRng(torch.Generator().manual_seed(seed), batch).times()
    bins = (times.double() * batch + 1e-4).floor() if batch > 1 else torch.zeros(1)
    assert sorted(bins.int().tolist()) == list(range(batch))
    assert 0 <= times.min() <= times.max() <= 1


def test_each_row_sees_every_time_equally_often():
    generator = torch.Generator().manual_seed(2)
    first = torch.stack([BatchRng(generator, 8).times()[0] for _ in range(4_000)])
    assert kstest(first.numpy(), "uniform").pvalue > 0.01
