"""Diffusion-LM's inner loop through the denoiser: the size and the sign of its steps, where it is off, and what it costs."""

import pytest
import torch

from controllers.base import Controlled
from controllers.length import Length
from controllers.strategies.inner_loop import RATE
from controllers.strategies.langevin_denoiser import LangevinDenoiser
from diffusion import generate
from diffusion.core.types import Gaussian, Request, Transition
from tests.controllers.small import LABELS, LENGTH, VOCAB, model, request
from tests.controllers.strategies.wishes import Mentions
from tests.tiny import tiny_model

NONE = 1e-30             # lambda; 0 asks for the strategy's own


@pytest.fixture(scope="module")
def written():
    return model("diffusion-lm")


def drawn(built, seed=0, std=0.3):
    noise = torch.randn(2, 2, built.length, built.state_width, generator=torch.Generator().manual_seed(seed))
    mean = noise[0]
    return Transition(Gaussian(mean + std * noise[1], torch.zeros_like(mean)), mean=mean, std=torch.tensor(std))


def begun(built, *controls, **options):
    strategy = LangevinDenoiser(controls or [Controlled(Mentions(doubt=1e-3))])
    strategy.begin(built, request(2, **options))
    return strategy


def moved(strategy, built, t=0.5, s=0.4, std=0.3):
    transition = drawn(built, std=std)
    with torch.no_grad():
        return strategy.after(built, None, transition, t, s, None).x - transition.state.x, transition


def test_without_fluency_a_step_is_a_tenth_of_the_spread_against_the_sign_of_the_wish(written):
    strategy = begun(written, inner_steps=1, fluency=NONE)
    step, transition = moved(strategy, written)
    size = RATE * float(written.table().detach().std(correction=0))
    leaf = transition.state.x.clone().requires_grad_()
    belief = written.predict(Gaussian(leaf, transition.state.x0_hat), 0.4, request(2)).logits.softmax(-1)
    slope = torch.autograd.grad(Mentions(doubt=1e-3).log_prob(belief).sum(), leaf)[0]
    assert slope.any()
    assert torch.allclose(step, size * slope.sign(), atol=1e-6)


def test_a_step_is_that_of_an_adagrad_made_anew(written):
    strategy = begun(written, inner_steps=1)
    step, transition = moved(strategy, written)
    y = transition.state.x.clone().requires_grad_()
    y.grad = 1e6 * strategy.slope(written, y.detach(), transition, 0.4)              # far from Adagrad's 1e-10
    torch.optim.Adagrad([y], lr=RATE).step()
    unit = (y.detach() - transition.state.x) / RATE
    assert torch.allclose(step / (RATE * written.table().std(correction=0)), unit, atol=1e-4)


def test_much_fluency_pulls_towards_the_models_own_mean(written):
    strategy = begun(written, inner_steps=1, fluency=1e6)
    step, transition = moved(strategy, written)
    assert torch.equal(step.sign(), (transition.mean - transition.state.x).sign())


def test_the_fluency_term_is_the_square_over_the_deviation(written):
    for std, divisor in ((0.3, 0.3), (0.0, 1.0)):
        weighted, plain = (begun(written, fluency=value) for value in (2.0, NONE))
        transition = drawn(written, std=std)
        y = transition.state.x + 0.1
        found = weighted.slope(written, y, transition, 0.4) - plain.slope(written, y, transition, 0.4)
        assert torch.allclose(found, 2 * 2.0 * (y - transition.mean) / divisor, atol=1e-3)


def test_a_row_moves_the_same_alone(written):
    strategy, transition = begun(written), drawn(written)
    both = strategy.slope(written, transition.state.x, transition, 0.4)
    alone = LangevinDenoiser([Controlled(Mentions(doubt=1e-3))])
    alone.begin(written, request(1))
    first = Transition(Gaussian(transition.state.x[:1], transition.state.x0_hat[:1]), mean=transition.mean[:1], std=transition.std)
    own = alone.slope(written, first.state.x, first, 0.4)                            # the last bit of a gradient is the batch's
    torch.testing.assert_close(own, both[:1], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("t", "s", "inner"), [(0.5, 0.4, 3), (0.06, 0.05, 3), (0.05, 0.045, 0), (0.02, 0.0, 0)])
def test_the_last_twentieth_is_not_steered(written, t, s, inner):
    strategy = begun(written)
    step, _ = moved(strategy, written, t, s)
    assert strategy.guided(t, s) == inner and bool(step.any()) == (inner > 0)


def test_inner_evaluations_are_counted(written):
    asked = request(2, steps=10)
    trace = generate(written, asked, LangevinDenoiser([Controlled(Mentions())])).run()
    assert trace.frames[-1].nfe == 10 + 3 * 9            # all but the last step, to s = 0


def test_it_raises_the_wish_in_the_belief_about_the_moved_vectors(written):
    strategy, wish = begun(written, fluency=NONE, inner_steps=8), Mentions(doubt=1e-9)
    step, transition = moved(strategy, written)
    state = transition.state
    before, after = (wish.log_prob(written.predict(Gaussian(x, state.x0_hat), 0.4, request(2)).logits.softmax(-1))
                     for x in (state.x, state.x + step))
    assert (after > before + 0.1).all()


def test_masks_hold_and_no_strength_is_the_identity(written):
    controls = [Controlled(Length(5, 5)), Controlled(Mentions(), 4.0)]
    assert all(len(written.vocab.tokens(row)) == 5 for row in generate(written, request(3), LangevinDenoiser(controls)).run().ids)
    free = generate(written, request(3)).run()
    trace = generate(written, request(3), LangevinDenoiser([Controlled(Mentions(), 0.0)])).run()
    assert all((one.top_probs == other.top_probs).all() for one, other in zip(free.frames, trace.frames, strict=True))


def test_noise_of_its_own_at_every_position_is_heeded():
    built = tiny_model("seqdiffuseq", VOCAB, LABELS, length=LENGTH).eval()
    wish, asked = Mentions(doubt=1e-3), Request(length=LENGTH, seeds=(0, 1), steps=6)
    free, steered = (generate(built, asked, LangevinDenoiser([Controlled(wish, nats)])).run() for nats in (0.0, 4.0))
    assert free.frames[0].top_probs.tobytes() == steered.frames[0].top_probs.tobytes()
    assert free.frames[1].top_probs.tobytes() != steered.frames[1].top_probs.tobytes()
