"""The common strategy and its options: inner steps, the window, and the identity where nothing is asked."""

import pytest
import torch

from controllers.base import Controlled
from controllers.strategies.absorb import Absorb
from diffusion import StudioError, generate, load
from diffusion.core.types import Prediction, Request
from tests.controllers.small import model, request
from tests.controllers.strategies.wishes import Linear, Mentions


@pytest.fixture(scope="module")
def written():
    return model("diffusion-lm")


def belief(built, seed=0):
    logits = torch.randn(2, built.length, len(built.vocab), generator=torch.Generator().manual_seed(seed))
    return Prediction(logits, logits.softmax(-1) @ built.table())


def steered(built, control, t=0.5, **options):
    strategy, free = Absorb([control]), belief(built)
    strategy.begin(built, request(2, **options))
    with torch.no_grad():
        return strategy.before(built, None, free, t, t - 0.1, None), free


def chance(prediction, control):
    return control.controller.log_prob(prediction.logits.softmax(-1))


def test_every_round_raises_the_wish(written):
    control, free = Controlled(Mentions(doubt=1e-6), 2.0), belief(written)
    strategy = Absorb([control])
    strategy.begin(written, request(2))
    last = chance(free, control)
    for _ in range(6):
        free = strategy.before(written, None, free, 0.5, 0.4, None)
        now = chance(free, control)
        assert (now > last).all()
        last = now


@pytest.mark.parametrize("rounds", [1, 3])
def test_no_logit_moves_further_than_the_nats(written, rounds):
    after, free = steered(written, Controlled(Mentions(), 3.0), inner_steps=rounds)
    moved = (after.logits - free.logits).abs().amax((1, 2))
    assert (moved <= 3.0001).all() and (moved > 1).all()


def test_inner_steps_leave_a_wish_that_is_already_in_nats_as_it_is(written):
    weights = torch.randn(1, written.length, len(written.vocab), generator=torch.Generator().manual_seed(1)) * 3
    for rounds in (1, 4):
        after, free = steered(written, Controlled(Linear(weights), 2.0), inner_steps=rounds)
        assert torch.allclose(after.logits - free.logits, weights.clamp(-2, 2).expand_as(free.logits), atol=1e-5)


def test_inner_steps_ask_the_network_nothing(written):
    after, free = steered(written, Controlled(Mentions(), 3.0), inner_steps=5)
    assert after.nfe == free.nfe


@pytest.mark.parametrize(("t", "acts"), [(1.0, False), (0.85, False), (0.75, True), (0.5, True), (0.2, False), (0.01, False)])
def test_wishes_act_inside_their_window_only(written, t, acts):
    after, free = steered(written, Controlled(Mentions(), 3.0), t=t, window_from=0.2, window_until=0.75)
    assert (after is not free) == acts


def test_masks_act_outside_the_window_too():
    from controllers.length import Length

    built = model("diffusion-lm")
    asked = request(4, window_until=0.0)
    trace = generate(built, asked, Absorb([Controlled(Length(5, 5)), Controlled(Mentions(), 8.0)])).run()
    assert [len(built.vocab.tokens(row)) for row in trace.ids] == [5] * 4
    free = generate(built, asked, Absorb([Controlled(Length(5, 5))])).run()
    assert (trace.ids == free.ids).all()


@pytest.mark.parametrize("paper", ["diffusion-lm", "ar"])
@pytest.mark.parametrize("options", [{}, {"inner_steps": 3}, {"window_until": 0.5}])
def test_a_wish_of_no_strength_is_the_identity_bitwise(paper, options):
    built = model(paper)
    free = generate(built, request(3, **options)).run()
    trace = generate(built, request(3, **options), Absorb([Controlled(Mentions(), 0.0)])).run()
    for one, other in zip(free.frames, trace.frames, strict=True):
        assert (one.top_probs == other.top_probs).all() and (one.ids == other.ids).all() and not other.pressure.any()


def test_a_wish_steers_the_oracle():
    oracle = load("oracle")
    wish = Mentions(oracle.vocab.ids["pub"])
    asked = Request(seeds=tuple(range(40)), steps=16)
    shares = []
    for nats in (0.0, 6.0):
        trace = generate(oracle, asked, Absorb([Controlled(wish, nats)])).run()
        shares.append(sum("pub" in oracle.vocab.tokens(row) for row in trace.ids))
    assert shares[1] > shares[0] + 4


@pytest.mark.parametrize("options", [{"window_from": 0.6, "window_until": 0.5}, {"window_until": 1.5}, {"inner_steps": -1},
                                     {"fluency": -0.1}, {"particles": 0}, {"rerank": 300}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(StudioError, match="not possible"):
        next(iter(generate(model("diffusion-lm"), request(2, **options), Absorb([Controlled(Mentions())]))))
