"""LD4LG with Bayes' rule in place of its networks: its samples and its bound are those of the corpus."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

import diffusion
from diffusion.core import schedules
from diffusion.core.rng import BatchRng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction, Request, Transition
from diffusion.nn.autoencoder import unit
from diffusion.papers.ld4lg import BOUND_START, LD4LG, Condition
from diffusion.samplers.ancestral import Ancestral
from diffusion.samplers.ddim import DDIM
from diffusion.samplers.dpm_solver import DPMSolver
from tests.diffusion.papers.test_oracle import SwappedTimes, WrongCoefficient
from tests.tiny import SIZES, shrunk

DRAWS, STEPS, LIMIT = 4_000, 512, 0.05
NEAR = 0.1               # root mean square distance within which final latents are those of a sentence
ORACLE = diffusion.load("oracle")
ENTROPY = -(ORACLE.log_prior.exp() * ORACLE.log_prior).sum().item()


class ExactCodec(nn.Module):
    """Latents drawn once for each of the oracle's sentences; the decoder is Bayes' rule."""

    def __init__(self) -> None:
        super().__init__()
        self.points = unit(torch.randn(len(ORACLE.tokens), 2, 8, generator=torch.Generator().manual_seed(3)))   # (K, l, D)

    @property
    def autoencoder(self) -> ExactCodec:
        """It reads latents itself."""
        return self

    def which(self, tokens: Tensor) -> Tensor:
        """The sentence of each row, (B,)."""
        return (tokens[:, None] == ORACLE.tokens).all(-1).int().argmax(1)

    def log_posterior(self, z: Tensor, signal: Tensor) -> Tensor:
        """log p(k | z) for z (B, l, D) and alpha_bar (B,) or (1,), (B, K)."""
        points, signal = self.points.flatten(1), signal.reshape(-1, 1)
        products = signal.sqrt() * (z.flatten(1) @ points.T) - signal * points.square().sum(1) / 2
        return (ORACLE.log_prior + products / (1 - signal)).log_softmax(-1)

    def encode(self, tokens: Tensor) -> Tensor:
        """The latents of the rows' sentences."""
        return self.points[self.which(tokens)]

    def read(self, x: Tensor, length: int) -> Tensor:
        """What the decoder is given, as it is."""
        return x

    def nll(self, slots: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """-log p(sentence | z) where the decoder takes over, from sqrt(alpha_bar) z."""
        signal = schedules.clamped_cosine(torch.tensor([BOUND_START]))
        log_probs = self.log_posterior(slots / signal.sqrt(), signal)
        return -log_probs.gather(1, self.which(tokens)[:, None])[:, 0], torch.ones(len(tokens))


class Exact(LD4LG):
    """LD4LG over the oracle's sentences with Bayes' rule instead of networks, which `delay` tells a wrong alpha_bar."""

    def __init__(self, delay: float = 0.0) -> None:
        sizes = {**SIZES, "length": ORACLE.length, "label_sizes": ORACLE.labels.sizes, "latents": 2, "latent_width": 8}
        super().__init__(shrunk(LD4LG.config_type(), sizes), ORACLE.vocab, ORACLE.labels)
        self.codec, self.delay = ExactCodec(), delay

    def condition(self, label: Tensor, rows: Tensor | None) -> Condition:
        """Nothing is told."""
        return Condition(label, label, label)

    def velocity(self, z: Tensor, x_hat: Tensor, signal: Tensor, told: object = None) -> Tensor:
        """v = (sqrt(alpha_bar) z - x_hat) / sqrt(1 - alpha_bar) of the exact mean."""
        probs = self.codec.log_posterior(z, (signal - self.delay).clamp(1e-6, 1 - 1e-6)).exp()
        mean, signal = (probs @ self.codec.points.flatten(1)).view_as(z), signal.reshape(-1, 1, 1)
        return (signal.sqrt() * z - mean) / (1 - signal).sqrt()


EXACT = Exact()


@torch.no_grad()
def walked(sampler: Sampler, z: Tensor, times: list[float], rng: BatchRng) -> Tensor:
    """The last state of a walk from z, with exact predictions."""
    state, memory = Gaussian(z, torch.zeros_like(z)), None
    for t, s in itertools.pairwise(times):
        signal = EXACT.signal(t)
        native = EXACT.point(state.x, EXACT.velocity(state.x, state.x0_hat, signal.reshape(1)), signal)
        transition, memory = sampler.advance(EXACT, state, Prediction(native, native), t, s, rng, memory)
        state = transition.state
    return state.x


def total_variation(kind: type[Sampler], steps: int = STEPS, draws: int = DRAWS, **options: float) -> float:
    """Distance of samples from the corpus; what ends at no sentence's latents counts as a text that the corpus lacks."""
    request = Request(length=ORACLE.length, steps=steps, **options)
    rng, sampler = BatchRng(torch.Generator().manual_seed(1), draws), kind(request)
    x = walked(sampler, EXACT.prior(request, rng).x, sampler.times(EXACT, steps), rng)
    distances = torch.cdist(x.flatten(1), EXACT.codec.points.flatten(1)) / math.sqrt(x[0].numel())
    found = (distances < NEAR).float().mean(0)
    return 0.5 * ((found - ORACLE.log_prior.exp()).abs().sum() + (1 - found.sum())).item()


def check_follows_the_corpus(kind: type[Sampler], **options: float) -> None:
    """Raises AssertionError unless samples of 512 steps follow the corpus."""
    distance = total_variation(kind, **options)
    assert distance <= LIMIT, f"the samples are {distance:.3f} from the corpus in total variation, of {LIMIT}"


@pytest.mark.parametrize("kind", [Ancestral, DDIM, DPMSolver])
def test_samples_of_512_steps_with_exact_latents_follow_the_corpus(kind):
    check_follows_the_corpus(kind)


@pytest.mark.parametrize("kind", [Ancestral, DDIM])
def test_samples_come_closer_to_the_corpus_as_steps_double(kind):
    distances = [total_variation(kind, steps, 16_000) for steps in (8, 16, 32, 64)]
    assert distances == sorted(distances, reverse=True) and distances[-1] < distances[0] / 2, distances


class NoiseAtTheEnd(Ancestral):
    """Adds noise of the size of the last steps after the last one."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        transition, _ = super().advance(model, state, prediction, t, s, rng, memory)
        if s > 0:
            return transition, None
        noise = (1 - model.signal(40 * t)).sqrt() * rng.normal(*state.x.shape[1:])
        return Transition(Gaussian(transition.state.x + noise, prediction.native)), None


@pytest.mark.parametrize("faulty", [WrongCoefficient, NoiseAtTheEnd, SwappedTimes])
def test_a_planted_fault_makes_the_check_fail(faulty):
    with pytest.raises(AssertionError, match="from the corpus in total variation"):
        check_follows_the_corpus(faulty)


def test_dpm_solver_is_of_second_order_in_latent_space():
    z = EXACT.prior(Request(length=ORACLE.length), BatchRng(torch.Generator().manual_seed(2), 64)).x

    def end(steps: int) -> Tensor:
        times = torch.linspace(0.9, 0.3, steps + 1, dtype=torch.float64).tolist()
        return walked(DPMSolver(Request()), z, times, BatchRng(torch.Generator(), 64))

    exact = end(4096)
    errors = [(end(steps) - exact).square().mean().sqrt().item() for steps in (32, 64, 128)]
    orders = [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]
    assert all(1.6 < order < 2.6 for order in orders), orders


def drawn(rows: int) -> tuple[Tensor, Tensor, BatchRng]:
    """Texts of the corpus in their shares, labels that tell nothing, and noise and times."""
    chosen = torch.multinomial(ORACLE.log_prior.exp(), rows, replacement=True, generator=torch.Generator().manual_seed(0))
    return ORACLE.tokens[chosen], ORACLE.labels.free().expand(rows, -1), BatchRng(torch.Generator().manual_seed(1), rows)


def test_the_likelihood_bound_with_exact_latents_is_the_entropy_of_the_corpus():
    with torch.no_grad():
        bounds = EXACT.bound(*drawn(20_000))
    error = bounds.std().item() / math.sqrt(len(bounds))
    assert error < 0.05
    assert bounds.mean().item() == pytest.approx(ENTROPY, abs=3 * error)


@pytest.mark.parametrize("delay", [-0.05, 0.05])
def test_a_denoiser_for_another_noise_has_a_greater_bound_and_a_greater_loss(delay):
    with torch.no_grad():
        worse = Exact(delay)
        assert worse.bound(*drawn(8_000)).mean() > EXACT.bound(*drawn(8_000)).mean() + 0.02
        assert worse.loss(*drawn(8_000)).mean() > EXACT.loss(*drawn(8_000)).mean()
