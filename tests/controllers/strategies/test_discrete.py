"""First-order guidance: exact where the wish is linear, re-scored exactly where it is not, and an aid to revision."""

import pytest
import torch

from controllers.base import Controlled
from controllers.strategies import discrete
from controllers.strategies.absorb import Absorb
from controllers.strategies.discrete import Discrete
from diffusion import SAMPLERS, generate
from diffusion.core.rng import Rng
from diffusion.samplers.uncovering import against
from tests.controllers.small import VOCAB, model, request
from tests.controllers.strategies.wishes import Linear, Mentions

WORDS = len(VOCAB)


@pytest.fixture(scope="module")
def sedd():
    return model("sedd")


def half_written(built, seed=0):
    ids = torch.randint(3, WORDS, (2, built.length), generator=torch.Generator().manual_seed(seed))
    return ids.masked_fill(torch.arange(built.length) % 2 == 0, built.mask)


def guided(built, control):
    strategy, state = Discrete([control]), half_written(built)
    strategy.begin(built, request(2))
    with torch.no_grad():
        free = built.predict(state, 0.5, request(2))
        return strategy, state, free, strategy.before(built, state, free, 0.5, 0.4, None)


def replaced(probs, place):
    """Beliefs (V, L, V) of the first row with each word at one place."""
    texts = probs[:1].repeat(WORDS, 1, 1)
    texts[:, place] = torch.eye(WORDS)
    return texts


def linear():
    return Linear(torch.randn(1, 16, WORDS, generator=torch.Generator().manual_seed(3)))


def test_the_first_order_is_exact_for_a_linear_log_probability(sedd):
    control = Controlled(linear(), 2.0)
    strategy, _, free, _ = guided(sedd, control)
    probs = free.logits.softmax(-1)
    for place in (0, 4):
        exact = 2.0 * (control.controller.log_prob(replaced(probs, place)) - control.controller.log_prob(probs[:1]))
        assert torch.allclose(strategy.gain(probs)[0, place], exact, atol=1e-4)


def test_drawn_from_the_guess_or_from_exact_weights_is_the_same_for_a_linear_one(sedd, monkeypatch):
    monkeypatch.setattr(discrete, "CANDIDATES", WORDS)
    _, state, _, steered = guided(sedd, Controlled(linear(), 2.0))
    open_ = state == sedd.mask
    assert torch.allclose(steered.refine(open_)[open_], steered.probs[open_], atol=1e-5)


def test_what_is_drawn_has_the_exact_weights_of_a_wish_that_is_not_linear(sedd, monkeypatch):
    monkeypatch.setattr(discrete, "CANDIDATES", WORDS)
    control = Controlled(Mentions(doubt=0.01), 1.5)
    _, state, free, steered = guided(sedd, control)
    chosen = torch.zeros_like(state, dtype=torch.bool)
    chosen[0, 4] = True
    exact = 1.5 * control.controller.log_prob(replaced(free.logits.softmax(-1), 4))
    expected = (free.logits[0, 4] + exact).softmax(-1)
    assert torch.allclose(steered.refine(chosen)[0, 4], expected, atol=1e-5)
    assert (steered.probs[0, 4] - expected).abs().max() > 1e-3      # the first order alone errs
    assert torch.equal(steered.refine(chosen)[1], steered.logits[1].softmax(-1))


def test_only_the_likeliest_candidates_are_drawn(sedd):
    _, state, _, steered = guided(sedd, Controlled(Mentions(), 1.0))
    open_ = state == sedd.mask
    assert ((steered.refine(open_)[open_] > 0).sum(-1) <= discrete.CANDIDATES).all()


def test_committed_words_stay_and_those_that_the_wish_speaks_against_are_known(sedd):
    weights = torch.zeros(1, 16, WORDS)
    weights[0, 3] = 5.0
    state = half_written(sedd)
    weights[0, 3, state[0, 3]] = 0.0                     # any other word there would be liked better
    _, state, free, steered = guided(sedd, Controlled(Linear(weights), 2.0))
    committed = state != sedd.mask
    assert (steered.logits.argmax(-1) == state)[committed].all()
    held = against(steered.logits, state, sedd)
    assert float(held[0, 3]) == pytest.approx(-10, abs=0.01)
    assert not against(free.logits, state, sedd)[committed].any()


@pytest.mark.parametrize("kind", [Absorb, Discrete])
@pytest.mark.parametrize("sampler", ["confidence", "first-hitting"])
def test_the_word_that_the_steered_belief_likes_least_is_revised_first(sedd, kind, sampler):
    state, weights = half_written(sedd), torch.zeros(1, 16, WORDS)
    for place, pull in ((3, 2.0), (9, 4.0)):             # other words would be liked better at both, at the second more
        weights[0, place] = pull
        weights[0, place, state[:, place]] = 0.0
    strategy = kind([Controlled(Linear(weights), 5.0)])
    asked = request(2, sampler=sampler, revise=1)
    strategy.begin(sedd, asked)
    with torch.no_grad():
        free = sedd.predict(state, 0.5, asked)
        drawn = torch.full(state.shape, -0.5).masked_fill(state == sedd.mask, torch.inf)
        drawn[:, 7] = -1.5                               # without steering, the doubtful one
        again = []
        for prediction in (free, strategy.before(sedd, state, free, 0.5, 0.4, None)):
            new = SAMPLERS[sampler](asked).advance(sedd, state, prediction, 0.5, 0.4, Rng((1, 2)), drawn)[0].state
            again.append(((state != sedd.mask) & (new == sedd.mask)).nonzero()[:, 1].tolist())
    assert again == [[7, 7], [9, 9]]


@pytest.mark.parametrize("sampler", ["analytic", "euler", "confidence", "first-hitting"])
@pytest.mark.parametrize("revise", [0, 2])
def test_it_steers_with_every_sampler_and_with_revision(sedd, sampler, revise):
    wish = Mentions(VOCAB.ids["pub"], doubt=0.001)
    asked = request(12, steps=12, sampler=sampler, revise=revise)
    found = []
    for nats in (0.0, 3.0):
        trace = generate(sedd, asked, Discrete([Controlled(wish, nats)])).run()
        found.append(sum("pub" in VOCAB.tokens(row) for row in trace.ids))
    assert found[1] > found[0] + 3


def test_no_strength_is_the_identity_bitwise(sedd):
    free = generate(sedd, request(3, revise=1, sampler="confidence")).run()
    trace = generate(sedd, request(3, revise=1, sampler="confidence"), Discrete([Controlled(Mentions(), 0.0)])).run()
    assert all((one.top_probs == other.top_probs).all() for one, other in zip(free.frames, trace.frames, strict=True))
