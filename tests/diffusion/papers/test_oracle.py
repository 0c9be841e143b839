"""With exact beliefs samples follow the corpus, and the same check finds three planted faults in a sampler."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core.errors import StudioError
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Gaussian, Prediction, Request, Transition
from diffusion.papers.oracle import CORPUS, Oracle
from diffusion.samplers.ancestral import Ancestral
from diffusion.samplers.ddim import DDIM

DRAWS, STEPS, LIMIT = 4_000, 512, 0.05
NEAR = 0.05              # root mean square distance within which a final state is a sentence


class Means(Oracle):
    """The oracle without the logits of single words, which no Gaussian sampler reads: faster on large batches."""

    def predict(self, state: Gaussian, t: float, request: Request) -> Prediction:
        """x0_hat, (B, L, D)."""
        label = None if request.label is None else self.label_batch(request)
        probs = self.sentence_log_probs(self.log_likelihood(state.x, t), label).exp()
        native = (probs @ self.embedding[self.tokens].flatten(1)).view_as(state.x)
        return Prediction(native, native)


ORACLE, MEANS = Oracle.from_nothing(), Means.from_nothing()


@torch.no_grad()
def shares(sampler: Sampler, draws: int, seed: int = 1) -> Tensor:
    """Shares (K,) of `draws` samples that end at each sentence; they sum to less than 1 where samples end elsewhere."""
    request = sampler.request
    rng = BatchRng(torch.Generator().manual_seed(seed), draws)
    state, memory = MEANS.prior(request, rng), None
    times = sampler.times(MEANS, request.steps)
    for t, s in itertools.pairwise(times):
        transition, memory = sampler.advance(MEANS, state, MEANS.predict(state, t, request), t, s, rng, memory)
        state = transition.state
    sentences = MEANS.embedding[MEANS.tokens].flatten(1)
    distances = torch.cdist(state.x.flatten(1), sentences) / math.sqrt(sentences.shape[1])
    return (distances < NEAR).float().mean(0)


def total_variation(sampler: Sampler, draws: int = DRAWS) -> float:
    """Distance of the samples from the corpus; what ends at no sentence counts as a text that the corpus lacks."""
    found = shares(sampler, draws)
    return 0.5 * ((found - MEANS.log_prior.exp()).abs().sum() + (1 - found.sum())).item()


def check_follows_the_corpus(kind: type[Sampler], **options: float) -> None:
    """Raises AssertionError unless samples of 512 steps follow the corpus."""
    distance = total_variation(kind(Request(length=MEANS.length, steps=STEPS, **options)))
    assert distance <= LIMIT, f"the samples are {distance:.3f} from the corpus in total variation, of {LIMIT}"


# Clamping is left out: it replaces a mean of words by one of them, so that samples need not follow the corpus.
WALKS = [("ancestral", {}), ("ddim", {}), ("ddim", {"eta": 0.5}), ("dpm-solver++", {})]


@pytest.mark.slow
@pytest.mark.parametrize(("slug", "options"), WALKS)
def test_samples_of_512_steps_follow_the_corpus(slug, options):
    check_follows_the_corpus(diffusion.SAMPLERS[slug], **options)


def test_every_sampler_of_the_oracle_is_checked():
    assert {slug for slug, _ in WALKS} == set(Oracle.samplers)


@pytest.mark.slow
@pytest.mark.parametrize("slug", Oracle.samplers)
def test_samples_come_closer_to_the_corpus_as_steps_double(slug):
    distances = [total_variation(diffusion.SAMPLERS[slug](Request(length=MEANS.length, steps=steps)), 16_000)
                 for steps in (8, 16, 32, 64)]
    assert distances == sorted(distances, reverse=True) and distances[-1] < distances[0] / 2, distances


class WrongCoefficient(Ancestral):
    """Weighs the prediction with alpha_bar where the posterior has its square root."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        transition, _ = super().advance(model, state, prediction, t, s, rng, memory)
        alpha_t, alpha_s = model.signal(t), model.signal(s)
        right = alpha_s.sqrt() * (1 - alpha_t / alpha_s) / (1 - alpha_t) * prediction.native
        return Transition(Gaussian(transition.state.x - right + alpha_s.sqrt() * right, prediction.native)), None


class NoiseAtTheEnd(Ancestral):
    """Adds the noise of the forward step at the last step too."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        transition, _ = super().advance(model, state, prediction, t, s, rng, memory)
        if s > 0:
            return transition, None
        noise = (1 - model.signal(t) / model.signal(s)).sqrt() * rng.normal(*state.x.shape[1:])
        return Transition(Gaussian(transition.state.x + noise, prediction.native)), None


class SwappedTimes(DDIM):
    """Takes t for s and s for t; kept away from 0, so that the distribution shows it and no division by zero."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        return super().advance(model, state, prediction, max(s, 1e-3), t, rng, memory)


@pytest.mark.slow
@pytest.mark.parametrize("faulty", [WrongCoefficient, NoiseAtTheEnd, SwappedTimes])
def test_a_planted_fault_makes_the_check_fail(faulty):
    with pytest.raises(AssertionError, match="from the corpus in total variation"):
        check_follows_the_corpus(faulty)


@pytest.mark.parametrize(("slug", "options"), WALKS)
def test_samples_with_a_label_follow_the_sentences_that_fit_it(slug, options):
    label = ORACLE.labels.encode({"area": "riverside"}, rest=0)
    found = shares(
        diffusion.SAMPLERS[slug](
            Request(length=MEANS.length, steps=64, label=label, seeds=tuple(range(2_000)), **options)
        ),
        2_000,
    )
    expected = ORACLE.log_prior.exp() * torch.tensor(["riverside" in sentence.meaning for sentence in CORPUS])
    assert 0.5 * (found - expected / expected.sum()).abs().sum() < LIMIT


# ---- the beliefs themselves


def states(t: float, draws: int = 6) -> Gaussian:
    """Noised sentences of the corpus, the first ones."""
    return ORACLE.noise(ORACLE.tokens[torch.arange(draws) % len(CORPUS)], t, Rng(range(draws)))


def ask(draws: int = 6, **options) -> Request:
    """A request for that many rows."""
    return Request(length=ORACLE.length, seeds=tuple(range(draws)), temperature=1.0, **options)


@pytest.mark.parametrize("t", [0.05, 0.4, 0.8, 0.95, 1.0])
def test_beliefs_are_bayes_rule_written_out(t):
    x, signal = states(t).x.double(), ORACLE.signal(t).double()
    weights = torch.tensor([float(sentence.share) for sentence in CORPUS]).double()
    expected = torch.zeros(6, ORACLE.length, len(ORACLE.vocab)).double()
    for row in range(6):
        likelihoods = []
        for sentence in ORACLE.tokens:
            distance = (x[row] - signal.sqrt() * ORACLE.embedding[sentence].double()).square().sum()
            likelihoods.append(-distance / (2 * (1 - signal)))
        posterior_of_sentences = (torch.stack(likelihoods) + weights.log()).softmax(0)
        for share, sentence in zip(posterior_of_sentences, ORACLE.tokens, strict=True):
            expected[row, range(ORACLE.length), sentence] += share
    prediction = ORACLE.predict(states(t), t, ask())
    torch.testing.assert_close(prediction.logits.exp().double(), expected, rtol=2e-3, atol=1e-5)
    torch.testing.assert_close(prediction.native.double(), expected @ ORACLE.embedding.double(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("t", [0.3, 0.9])
def test_the_fast_oracle_of_these_tests_predicts_what_the_oracle_does(t):
    for label in (None, ORACLE.labels.encode({"food": "French"}, rest=0)):
        request = ask(label=label)
        torch.testing.assert_close(
            MEANS.predict(states(t), t, request).native,
            ORACLE.predict(states(t), t, request).native,
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("t", [0.5, 0.85, 0.95])
def test_beliefs_are_calibrated_against_what_was_noised(t):
    draws = 20_000
    chosen = torch.multinomial(
        ORACLE.log_prior.exp(), draws, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    x = ORACLE.noise(ORACLE.tokens[chosen], t, BatchRng(torch.Generator().manual_seed(1), draws)).x
    probs = ORACLE.sentence_log_probs(ORACLE.log_likelihood(x, t)).exp()
    torch.testing.assert_close(probs.mean(0), ORACLE.log_prior.exp(), rtol=0, atol=0.01)
    given_to_the_truth = probs.gather(1, chosen[:, None]).mean()
    assert given_to_the_truth.item() == pytest.approx(probs.square().sum(1).mean().item(), abs=0.01)


def test_sentence_beliefs_of_no_evidence_are_the_word_shares_of_the_corpus():
    beliefs = ORACLE.sentence_beliefs(torch.zeros(1, len(CORPUS))).exp()
    total = sum(sentence.share for sentence in CORPUS)
    starts = {
        word: sum(s.share for s in CORPUS if s.text.startswith(word)) / total
        for word in ("Blue", "Green", "Harbour", "Try")
    }
    for word, share in starts.items():
        assert beliefs[0, 0, ORACLE.vocab.id(word)].item() == pytest.approx(share, rel=1e-5)
    torch.testing.assert_close(beliefs.sum(-1), torch.ones(1, ORACLE.length))


def test_gradients_through_the_beliefs_are_finite_where_words_are_ruled_out():
    likelihood = torch.randn(2, len(CORPUS), requires_grad=True)
    beliefs = ORACLE.sentence_beliefs(likelihood, ORACLE.labels.encode({"food": "French"}, rest=0).expand(2, -1))
    beliefs[torch.isfinite(beliefs)].sum().backward()
    assert torch.isfinite(likelihood.grad).all() and likelihood.grad.abs().max() > 0


def test_the_bound_is_the_exact_negative_log_likelihood():
    rng, free = BatchRng(torch.Generator(), len(CORPUS)), ORACLE.labels.free().expand(len(CORPUS), -1)
    torch.testing.assert_close((-ORACLE.bound(ORACLE.tokens, free, rng)).exp(), ORACLE.log_prior.exp())
    told = ORACLE.labels.encode({"familyFriendly": "no"}, rest=0).expand(len(CORPUS), -1)
    certain = ORACLE.bound(ORACLE.tokens, told, rng)
    assert certain[5].item() == pytest.approx(0, abs=1e-6)
    assert torch.isinf(certain[[0, 1, 2, 3, 4, 6, 7]]).all()
    assert torch.isinf(ORACLE.bound(ORACLE.tokens.roll(1, 1), free, rng)).all()


def test_the_loss_is_the_expected_surprise_and_falls_when_the_label_is_told():
    draws = 4_000
    tokens, labels = ORACLE.tokens.repeat(draws // 8, 1), ORACLE.says.repeat(draws // 8, 1)
    untold = ORACLE.loss(tokens, torch.zeros_like(labels), BatchRng(torch.Generator().manual_seed(0), draws)).mean()
    told = ORACLE.loss(tokens, labels, BatchRng(torch.Generator().manual_seed(0), draws)).mean()
    assert 0 < untold < 0.3
    assert told.item() == pytest.approx(0, abs=1e-5)      # no two sentences say the same


def test_a_label_that_no_sentence_fits_is_refused_with_the_nearest_that_one_says():
    label = ORACLE.labels.encode({"area": "riverside", "eatType": "pub", "familyFriendly": "no"}, rest=0)
    with pytest.raises(
        StudioError, match=r"area: riverside, eatType: pub, familyFriendly: no\. The nearest says name\[Green Door\]"
    ):
        diffusion.generate(ORACLE, ask(label=label)).run()


def test_a_length_that_is_not_the_sentences_own_is_refused():
    with pytest.raises(StudioError, match="16 positions"):
        diffusion.generate(ORACLE, ask().with_(length=12)).run()


def test_a_pinned_word_that_no_sentence_has_there_is_written_all_the_same():
    mask = torch.zeros(ORACLE.length, len(ORACLE.vocab))
    mask[1] = -torch.inf
    mask[1, ORACLE.vocab.id("cheap")] = 0
    free = ORACLE.predict(states(0.8), 0.8, ask())
    steered = ORACLE.absorb(free, mask.expand(6, -1, -1))
    assert (ORACLE.finish(states(0.8), steered)[:, 1] == ORACLE.vocab.id("cheap")).all()
    assert torch.isfinite(steered.native).all()
    torch.testing.assert_close(steered.native[:, 1] - free.native[:, 1],
                               ORACLE.embedding[ORACLE.vocab.id("cheap")] - free.logits[:, 1].exp() @ ORACLE.embedding)


def test_the_corpus_has_eight_sentences_of_five_to_ten_words_and_labels_that_tell_all_apart():
    words = [len([word for word in sentence.text.split() if word.isalnum()]) for sentence in CORPUS]
    assert len(CORPUS) == 8 and min(words) >= 5 and max(words) <= 10 and len(set(words)) > 2
    assert len({tuple(row) for row in ORACLE.says.tolist()}) == 8
    assert diffusion.load("oracle").hash == ORACLE.hash
