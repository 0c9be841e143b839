"""With exact beliefs SeqDiffuSeq's samples follow the corpus and its bound is the corpus's entropy, whatever its schedules."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction, Request, Transition
from diffusion.samplers.ancestral import Ancestral, posterior
from diffusion.samplers.ddim import DDIM
from diffusion.samplers.dpm_solver import DPMSolver, Memory
from tests.diffusion.papers.test_oracle import NoiseAtTheEnd, SwappedTimes, WrongCoefficient
from tests.diffusion.positioned import ORACLE, Exact

MODEL = Exact.build()
ENTROPY = -(ORACLE.log_prior.exp() * ORACLE.log_prior).sum().item()                # of the corpus, nats a text
DRAWS, STEPS, LIMIT = 4_000, 512, 0.05
NEAR = 0.1               # root mean square distance within which a final state is a sentence


@torch.no_grad()
def total_variation(sampler: Sampler, draws: int = DRAWS) -> float:
    """Distance of the samples from the corpus; what ends at no sentence counts as a text that the corpus lacks."""
    request, rng = sampler.request, BatchRng(torch.Generator().manual_seed(1), draws)
    state, memory = MODEL.prior(request, rng), None
    for t, s in itertools.pairwise(sampler.times(MODEL, request.steps)):
        transition, memory = sampler.advance(MODEL, state, MODEL.predict(state, t, request), t, s, rng, memory)
        state = transition.state
    sentences = MODEL.sentences().flatten(1)
    distances = torch.cdist(state.x.flatten(1), sentences) / math.sqrt(sentences.shape[1])
    found = (distances < NEAR).float().mean(0)
    return 0.5 * ((found - ORACLE.log_prior.exp()).abs().sum() + (1 - found.sum())).item()


def ask(steps: int = STEPS, **options: float) -> Request:
    """A request of that many steps."""
    return Request(length=ORACLE.length, steps=steps, **options)


def check_follows_the_corpus(kind: type[Sampler], draws: int = DRAWS) -> None:
    """Raises AssertionError unless samples of 512 steps follow the corpus."""
    distance = total_variation(kind(ask()), draws)
    assert distance <= LIMIT, f"the samples are {distance:.3f} from the corpus in total variation, of {LIMIT}"


# Re-noising is left out: it draws around a mean of texts instead of around a text, so that samples need not follow the corpus.
WALKS = ["ancestral", "ddim", "dpm-solver++"]


@pytest.mark.slow
@pytest.mark.parametrize("slug", WALKS)
def test_samples_of_512_steps_follow_the_corpus(slug):
    check_follows_the_corpus(diffusion.SAMPLERS[slug])


def test_every_sampler_but_renoise_is_checked():
    assert {*WALKS, "renoise"} == set(MODEL.samplers)


@pytest.mark.parametrize("slug", WALKS)
def test_samples_come_closer_to_the_corpus_as_steps_double(slug):
    distances = [total_variation(diffusion.SAMPLERS[slug](ask(steps))) for steps in (8, 16, 32, 64)]
    assert distances == sorted(distances, reverse=True) and distances[-1] < distances[0] / 2, distances


class OneVarianceForAll(Ancestral):
    """The released code's fault: the variance of another time and position, one number for all positions."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        mean, stds = posterior(state.x, prediction.native, model.signal(t), model.signal(s))
        std = stds[0]
        x = mean if s == 0 else mean + std * rng.normal(*mean.shape[1:])
        return Transition(Gaussian(x, prediction.native), mean=mean, std=std), None


@pytest.mark.slow
@pytest.mark.parametrize("faulty", [WrongCoefficient, NoiseAtTheEnd, SwappedTimes, OneVarianceForAll])
def test_a_planted_fault_makes_the_check_fail(faulty):
    with pytest.raises(AssertionError, match="from the corpus in total variation"):
        check_follows_the_corpus(faulty, 1_000)


# ---- one step


@pytest.mark.parametrize(("t", "s"), [(1.0, 0.98), (0.9, 0.5), (0.5, 0.49), (0.3, 0.004)])
def test_mean_and_deviation_of_a_step_match_quadrature_at_every_position(t, s):
    """q(x_s | x_t, x_0) is proportional to q(x_s | x_0) q(x_t | x_s): its moments by summing over a fine grid of x_s."""
    rng = Rng((5, 6))
    state, x0 = MODEL.noise(ORACLE.tokens[:2], t, rng), MODEL.sentences()[:2]
    transition, _ = Ancestral(ask()).advance(MODEL, state, Prediction(x0, x0), t, s, rng, None)
    for place in (0, 7, 15):
        alpha_t, alpha_s = MODEL.signal(t)[place].double(), MODEL.signal(s)[place].double()
        x_t, clean = state.x[1, place, 2].double(), x0[1, place, 2].double()
        centre, reach = transition.mean[1, place, 2].double(), 10 * transition.std[place].double()
        grid = centre + reach * torch.linspace(-1, 1, 20_001, dtype=torch.float64)
        log_density = -(grid - alpha_s.sqrt() * clean) ** 2 / (2 * (1 - alpha_s))
        log_density -= (x_t - (alpha_t / alpha_s).sqrt() * grid) ** 2 / (2 * (1 - alpha_t / alpha_s))
        weight = log_density.softmax(0)
        mean = (weight * grid).sum()
        std = (weight * (grid - mean) ** 2).sum().sqrt()
        torch.testing.assert_close(centre, mean, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(transition.std[place, 0].double(), std, rtol=1e-3, atol=1e-5)
    assert len(set(transition.std.flatten().tolist())) == ORACLE.length


@pytest.mark.parametrize("slug", MODEL.samplers)
def test_every_sampler_stays_finite_where_neighbouring_times_have_nearly_one_noise_level(slug):
    stiff = Exact.build()
    stiff.schedule.alpha_bar[1:-1, ::2] = torch.linspace(0.5 + 1e-5, 0.5 - 1e-5, len(stiff.schedule.alpha_bar) - 2)[:, None]
    request = ask(40, eta=0.5, mix=0.5).with_(seeds=(1, 2, 3))
    sampler, rng = diffusion.SAMPLERS[slug](request), Rng(request.seeds)
    state, memory = stiff.prior(request, rng), None
    for t, s in itertools.pairwise(sampler.times(stiff, request.steps)):
        transition, memory = sampler.advance(stiff, state, stiff.predict(state, t, request), t, s, rng, memory)
        state = transition.state
        assert torch.isfinite(state.x).all() and state.x.abs().max() < 20


def test_a_long_step_of_dpm_solver_after_a_short_one_extrapolates_by_one_difference_at_most():
    """The last prediction may have moved little by little; a thousand times that move would leave all texts behind."""
    state, (old, new) = MODEL.noise(ORACLE.tokens[:1], 0.6, Rng((1,))), MODEL.sentences()[:2, None]
    solver = DPMSolver(ask())
    moved, _ = solver.advance(MODEL, state, Prediction(new, new), 0.6, 0.4, None, Memory(old, torch.tensor(1e-4)))
    straight, _ = solver.advance(MODEL, state, Prediction(2 * new - old, new * 2 - old), 0.6, 0.4, None, None)
    torch.testing.assert_close(moved.mean, straight.mean)


def test_a_text_shorter_than_the_model_takes_the_first_positions_of_its_schedule():
    x = torch.zeros(2, 5, 4)
    assert torch.equal(MODEL.signal_for(x, 0.5), MODEL.signal(0.5)[:5])
    assert MODEL.signal(0.5).shape == (ORACLE.length, 1) and MODEL.signal(0.5)[0] > MODEL.signal(0.5)[-1]


def test_noise_has_each_positions_own_mean_and_variance():
    many = ORACLE.tokens[:1].expand(20_000, -1)
    x = MODEL.noise(many, 0.6, BatchRng(torch.Generator().manual_seed(0), 20_000)).x
    torch.testing.assert_close(x.mean(0), MODEL.signal(0.6).sqrt() * MODEL.sentences()[0], rtol=0, atol=0.03)
    torch.testing.assert_close(x.var(0), (1 - MODEL.signal(0.6)).expand_as(x[0]), rtol=0.06, atol=0)


# ---- likelihood and loss


def drawn(rows: int) -> tuple[Tensor, Tensor, BatchRng]:
    """Texts of the corpus in their shares, labels that tell nothing, and noise and times."""
    chosen = torch.multinomial(ORACLE.log_prior.exp(), rows, replacement=True, generator=torch.Generator().manual_seed(0))
    return ORACLE.tokens[chosen], ORACLE.labels.free().expand(rows, -1), BatchRng(torch.Generator().manual_seed(1), rows)


def exact(sharpness: float = 1.0) -> Exact:
    """Without self-conditioning, which exact beliefs do not need."""
    model = Exact.build(self_conditioning=False)
    model.sharpness_of_beliefs = sharpness
    return model


@pytest.mark.parametrize("start", [0.05, 0.3])
def test_the_bound_is_the_entropy_of_the_corpus_with_a_schedule_for_every_position(start):
    model = exact()
    model.bound_start = start
    bounds = model.bound(*drawn(12_000))
    error = bounds.std().item() / math.sqrt(len(bounds))
    assert error < 0.06
    assert bounds.mean().item() == pytest.approx(ENTROPY, abs=3 * error)


def test_a_worse_denoiser_has_a_greater_bound():
    right, worse = (exact(sharpness).bound(*drawn(2_000)).mean().item() for sharpness in (1.0, 0.5))
    assert worse > right + 0.1


def test_no_belief_has_a_smaller_loss_than_the_exact_one():
    right, vague, sharp = (exact(sharpness).loss(*drawn(2_000)).mean().item() for sharpness in (1.0, 0.6, 1.6))
    assert right < vague and right < sharp


def test_the_exact_belief_is_bayes_rule_with_each_positions_signal():
    """The helper of these tests, against the rule written out for one state."""
    x = MODEL.noise(ORACLE.tokens[:1], 0.85, Rng((3,))).x
    signal = MODEL.signal(0.85).double()
    distances = ((x[0].double() - signal.sqrt() * MODEL.sentences().double()) ** 2 / (1 - signal)).sum((1, 2))
    expected = (ORACLE.log_prior.double() - distances / 2).softmax(0)
    found = ORACLE.sentence_log_probs(MODEL.log_likelihood(x, torch.tensor([0.85]))).exp()[0]
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-5)
    assert 0.01 < expected.max() < 0.999


def test_ddim_with_all_of_the_ancestral_noise_takes_the_ancestral_step():
    state = MODEL.noise(ORACLE.tokens[:3], 0.7, Rng((1, 2, 3)))
    prediction = MODEL.predict(state, 0.7, ask())
    one = Ancestral(ask()).advance(MODEL, state, prediction, 0.7, 0.6, Rng((4, 5, 6)), None)[0]
    other = DDIM(ask(eta=1.0)).advance(MODEL, state, prediction, 0.7, 0.6, Rng((4, 5, 6)), None)[0]
    torch.testing.assert_close(other.state.x, one.state.x, rtol=1e-4, atol=1e-5)
