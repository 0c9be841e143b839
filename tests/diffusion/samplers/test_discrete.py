"""With exact beliefs the samplers of words follow the corpus, and the same checks find three planted faults."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core.errors import StudioError
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Request, Transition
from diffusion.papers.oracle import CORPUS
from diffusion.papers.sedd import SEDD
from diffusion.samplers.analytic import Analytic, posterior
from diffusion.samplers.confidence import CERTAIN, Confidence
from diffusion.samplers.euler import Euler
from diffusion.samplers.first_hitting import FirstHitting
from diffusion.samplers.uncovering import first
from diffusion.text.vocab import PAD
from tests.diffusion.samplers.exact_words import ORACLE, Fast, chi_square, exact, sampler_of, shares, total_variation, walk

DRAWS, STEPS, LIMIT, FEW = 4_000, 512, 0.05, 64
MASKED, REPLACED = exact(Fast), exact(Fast, graph="uniform")
WALKS = [(MASKED, Analytic), (REPLACED, Analytic), (REPLACED, Euler)]                # on log-linear masks Euler is analytic
IDS = ["masked, analytic", "replaced, analytic", "replaced, Euler"]
UNCOVERING = [Analytic, Euler, Confidence, FirstHitting]


def pinned(place: int, word: str) -> Tensor:
    """The wish that a word stands at a place, (L, V)."""
    wanted = torch.zeros(ORACLE.length, len(ORACLE.vocab))
    wanted[place] = -torch.inf
    wanted[place, ORACLE.vocab.id(word)] = 0
    return wanted


def having(place: int, word: str) -> Tensor:
    """Shares (K,) of the sentences among those that have a word at a place."""
    holding = ORACLE.log_prior.exp() * (ORACLE.tokens[:, place] == ORACLE.vocab.id(word))
    return holding / holding.sum()


# ---- the corpus


def check_one_a_step(kind: type[Sampler]) -> None:
    """Raises AssertionError unless samples of a word a step are draws from the corpus."""
    found = chi_square(walk(exact(), sampler_of(kind, steps=ORACLE.length), DRAWS)[-1])
    assert found > 0.001, f"chances are {found:.5f} that these are draws from the corpus"


def check_replaced(kind: type[Sampler], model: SEDD = REPLACED, steps: int = FEW) -> None:
    """Raises AssertionError unless samples follow the corpus."""
    distance = total_variation(walk(model, sampler_of(kind, steps=steps), DRAWS)[-1])
    assert distance <= LIMIT, f"the samples are {distance:.3f} from the corpus in total variation, of {LIMIT}"


def test_first_hitting_with_a_word_a_step_draws_from_the_corpus():
    check_one_a_step(FirstHitting)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "kind"), WALKS, ids=IDS)
def test_samples_of_512_steps_follow_the_corpus(model, kind):
    check_replaced(kind, model, STEPS)


def distances(model: SEDD, kind: type[Sampler]) -> list[float]:
    """From the corpus, at 8, 16, 32 and 64 steps."""
    return [total_variation(walk(model, sampler_of(kind, steps=steps), DRAWS)[-1]) for steps in (8, 16, 32, 64)]


def test_masked_words_come_closer_to_the_corpus_as_steps_double():
    found = distances(MASKED, Analytic)
    assert all(later < 0.65 * earlier for earlier, later in itertools.pairwise(found)), found


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Analytic, Euler])
def test_replaced_words_come_closer_to_the_corpus_as_steps_double(kind):
    """From 32 steps on they are as close as so many draws of the corpus itself."""
    found = distances(REPLACED, kind)
    assert found[0] > found[1] > max(found[2:]) and max(found[2:]) < 0.02, found


class TwoAtOnce(FirstHitting):
    """The number that stays masked has a wrong coefficient."""

    def keep(self, model, t, s):
        return super().keep(model, t, s) ** 2


class MaskLeft(FirstHitting):
    """The last step is a step like any other, not the final denoising."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        return super().advance(model, state, prediction, t, s if s > 0 else t, rng, memory)


class Swapped(FirstHitting):
    """Takes t for s and s for t."""

    def keep(self, model, t, s):
        return super().keep(model, max(s, 1e-3), t)


@pytest.mark.parametrize("faulty", [TwoAtOnce, MaskLeft, Swapped])
def test_a_planted_fault_makes_the_check_of_masked_words_fail(faulty):
    with pytest.raises(AssertionError, match="draws from the corpus"):
        check_one_a_step(faulty)


class WrongCoefficient(Analytic):
    """Removes the square of the noise."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        kernel = posterior(prediction.probs, state, model.noise_schedule.replaced(t), model.noise_schedule.replaced(s) ** 2)
        return Transition(torch.where(state >= 0, rng.categorical(kernel), state)), None


class NoiseAtTheEnd(Analytic):
    """Draws the last state from the forward process once more."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        transition, _ = super().advance(model, state, prediction, t, s, rng, memory)
        noisy = rng.uniform(state.shape[1]) < model.noise_schedule.replaced(t)
        anything = (rng.uniform(state.shape[1]) * model.states).long()
        return (transition if s > 0 else Transition(torch.where(noisy, anything, transition.state))), None


class SwappedTimes(Analytic):
    """Takes t for s and s for t; kept away from 1, so that the distribution shows it and no division by zero."""

    def advance(self, model, state, prediction, t, s, rng, memory):
        return super().advance(model, state, prediction, max(s, 1e-3), min(t, 0.999), rng, memory)


@pytest.mark.parametrize("faulty", [WrongCoefficient, NoiseAtTheEnd, SwappedTimes])
def test_a_planted_fault_makes_the_check_of_replaced_words_fail(faulty):
    with pytest.raises(AssertionError, match="from the corpus in total variation"):
        check_replaced(faulty, steps=32)


def test_the_sampler_without_a_fault_passes_the_same_check():
    check_replaced(Analytic, steps=32)


# ---- one step


def test_the_analytic_step_of_replaced_words_is_bayes_rule():
    count, rows, moved_t, moved_s = 7, 40, 0.8, 0.35
    generator = torch.Generator().manual_seed(0)
    probs = torch.randn(rows, 1, count, generator=generator, dtype=torch.float64).softmax(-1)
    ids = torch.randint(count, (rows, 1), generator=generator)

    def forward(moved: float) -> Tensor:
        return (1 - moved) * torch.eye(count, dtype=torch.float64) + moved / count

    step = forward((moved_t - moved_s) / (1 - moved_s))
    torch.testing.assert_close(forward(moved_s) @ step, forward(moved_t), rtol=0, atol=1e-15)
    joint = torch.einsum("ks,st->kst", forward(moved_s), step) / forward(moved_t)[:, None]   # q(s | t, k)
    expected = torch.einsum("bk,ksb->bs", probs[:, 0], joint[..., ids[:, 0]])
    torch.testing.assert_close(posterior(probs, ids, moved_t, moved_s)[:, 0], expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(posterior(probs, ids, moved_t, 0.0), probs, rtol=0, atol=1e-15)


def test_the_analytic_step_of_replaced_words_is_the_papers_form_in_scores():
    noise = REPLACED.noise_schedule
    t, s = torch.tensor([[0.8], [0.35]], dtype=torch.float64)
    logits = torch.randn(1, ORACLE.length, REPLACED.states, generator=torch.Generator().manual_seed(0)).double()
    ids = torch.arange(ORACLE.length)[None]
    score, total, count = REPLACED.score(logits, ids, t), noise.total(t) - noise.total(s), REPLACED.states
    weights = score * total.exp() - torch.expm1(total) / count * score.sum(-1, keepdim=True)
    move = -torch.expm1(-total) / count
    kernel = weights * torch.where(torch.arange(count) == ids[..., None], (-total).exp() + move, move)
    found = posterior(logits.softmax(-1), ids, noise.replaced(0.8), noise.replaced(0.35))
    torch.testing.assert_close(kernel, found, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", UNCOVERING)
@pytest.mark.parametrize("revise", [0, 2])
def test_uncovered_words_stay_and_the_share_of_masks_falls_to_nothing(kind, revise):
    path = walk(MASKED, sampler_of(kind, steps=12, revise=revise), 500)
    masked = [(state == MASKED.mask) for state in path]
    for (before, after), (old, new) in zip(itertools.pairwise(masked), itertools.pairwise(path), strict=True):
        again = after & ~before
        assert (again.sum(1) <= revise).all() and torch.equal(old[~before & ~again], new[~before & ~again])
    left = torch.stack([state.float().mean() for state in masked])
    if kind is not Confidence:                           # which uncovers what is surely empty ahead of its time
        torch.testing.assert_close(left, torch.linspace(1, 0, 13), rtol=0, atol=0.05)
    assert not masked[-1].any()


def test_euler_on_masked_words_with_log_linear_noise_is_the_analytic_step():
    for t, s in ((1.0, 0.9), (0.5, 0.25), (0.1, 0.02)):
        keep = [sampler_of(kind).keep(MASKED, t, s) for kind in (Euler, Analytic)]
        assert keep[0] == pytest.approx(keep[1], abs=2e-3)


def test_euler_never_has_negative_chances_however_large_the_step():
    geometric, rows = exact(Fast, noise="geometric"), 200
    for model in (geometric, REPLACED):
        assert not (walk(model, sampler_of(Euler, steps=2), rows)[-1] == model.mask).any()
    assert sampler_of(Euler).keep(geometric, 0.5, 0.1) == 0


@pytest.mark.parametrize("noise", ["log-linear", "geometric"])
def test_equal_numbers_of_words_are_uncovered_at_every_step_and_steps_beyond_the_positions_are_not_taken(noise):
    model = exact(Fast, noise=noise)
    for steps, each in ((4, 3), (12, 1), (100, 1)):
        path = walk(model, sampler_of(FirstHitting, steps=steps), 20)
        masked = torch.stack([(state == model.mask).sum(1) for state in path])
        assert torch.equal(masked, torch.arange(ORACLE.length, -1, -each)[:, None].expand_as(masked))


@pytest.mark.parametrize("steps", [4, 12])
def test_confidence_order_uncovers_what_is_surely_empty_at_once_and_an_equal_share_of_the_rest(steps):
    sampler = sampler_of(Confidence, steps=steps)
    path, times = walk(MASKED, sampler, 200), sampler.times(MASKED, steps)
    for left, before, after, t in zip(range(steps, 0, -1), path, path[1:], times, strict=False):
        masked, uncovered = before == MASKED.mask, (before == MASKED.mask) & (after != MASKED.mask)
        empty = masked & (MASKED.predict(before, t, Request()).probs[..., PAD] > CERTAIN)
        assert torch.equal(uncovered & empty, empty)
        rest = (masked & ~empty).sum(1)
        assert torch.equal((uncovered & ~empty).sum(1), -(-rest // left))


def test_confidence_order_begins_with_the_surest_word_where_nothing_is_left_to_chance(monkeypatch):
    monkeypatch.setattr("diffusion.samplers.confidence.SCATTER", 0.0)
    path = walk(MASKED, sampler_of(Confidence, steps=ORACLE.length), 50)
    probs = MASKED.predict(path[0][:1], 1.0, Request()).probs[0]
    surest = probs.amax(-1).masked_fill(probs[:, PAD] > CERTAIN, 0).argmax()
    first_words = (path[1] != MASKED.mask) & (probs[:, PAD] <= CERTAIN)
    assert first_words.nonzero()[:, 1].tolist() == [surest] * 50


def test_draws_where_they_are_wanted_are_those_of_all_places():
    probs = torch.rand(3, 5, 9, generator=torch.Generator().manual_seed(0))
    where = torch.rand(3, 5, generator=torch.Generator().manual_seed(1)) < 0.5
    for rng in (lambda: Rng((1, 2, 3)), lambda: BatchRng(torch.Generator().manual_seed(0), 3)):
        everywhere, some = rng().categorical(probs), rng().categorical(probs, where)
        assert torch.equal(some, everywhere.where(where, 0)) and len(everywhere.unique()) > 2


def test_the_first_are_those_of_greatest_priority_among_the_eligible():
    priority = torch.tensor([[3.0, 9.0, 5.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    among = torch.tensor([[True, False, True, True], [True, True, False, False]])
    assert first(priority, among, torch.tensor([2, 1])).tolist() == [[False, False, True, True], [False, True, False, False]]


# ---- words that are given, and words that are revised


@pytest.mark.parametrize(("place", "word"), [(0, "Green"), (4, "food"), (5, "by")])
def test_a_given_word_anywhere_leaves_the_sentences_that_have_it_in_their_shares(place, word):
    rows = walk(exact(), sampler_of(FirstHitting, steps=ORACLE.length), DRAWS, pinned(place, word))[-1]
    assert chi_square(rows, having(place, word)) > 0.001


def test_a_given_word_keeps_its_share_when_several_words_are_uncovered_at_once():
    for kind, steps in ((Analytic, 64), (Confidence, 12)):
        rows = walk(exact(), sampler_of(kind, steps=steps), 1_000, pinned(4, "food"))[-1]
        assert total_variation(rows, having(4, "food")) < 0.1


def test_samples_with_a_label_follow_the_sentences_that_fit_it():
    label = ORACLE.labels.encode({"area": "riverside"}, rest=0)
    rows = walk(exact(), sampler_of(FirstHitting, steps=ORACLE.length, label=label), DRAWS)[-1]
    fitting = ORACLE.log_prior.exp() * torch.tensor(["riverside" in sentence.meaning for sentence in CORPUS])
    assert chi_square(rows, fitting / fitting.sum()) > 0.001


@pytest.mark.parametrize("kind", UNCOVERING)
def test_revision_repairs_texts_whose_words_were_drawn_several_at_once(kind):
    broken = [1 - shares(walk(MASKED, sampler_of(kind, steps=6, revise=words), 2_000)[-1]).sum() for words in (0, 1, 2)]
    assert broken[0] > 0.3 and broken[1] < 0.5 * broken[0] and broken[2] < broken[1]


def test_the_least_likely_word_is_revised_and_a_given_one_never():
    state = torch.tensor([[5, 6, 7, 8, *[MASKED.mask] * 8]])
    drawn = torch.tensor([[-0.5, -3.0, -1.0, torch.inf, *[torch.inf] * 8]])
    prediction = MASKED.predict(state, 0.6, Request())
    for words, again in ((1, [1]), (2, [1, 2]), (6, [0, 1, 2])):
        sampler = sampler_of(FirstHitting, revise=words)
        new = sampler.advance(MASKED, state, prediction, 0.6, 0.4, Rng((0,)), drawn)[0].state
        assert [place for place in range(4) if new[0, place] == MASKED.mask] == again


def test_no_word_is_revised_at_the_last_step():
    path = walk(MASKED, sampler_of(Confidence, steps=3, revise=11), 200)
    assert not (path[-1] == MASKED.mask).any()


def test_what_cannot_be_revised_is_refused_with_the_reason():
    request = Request(length=ORACLE.length, sampler="analytic", steps=3, revise=1)
    with pytest.raises(StudioError, match="never final"):
        next(diffusion.stream(exact(graph="uniform"), request))
    with pytest.raises(StudioError, match="choose 0 to 11"):
        next(diffusion.stream(exact(), request.with_(revise=12)))
