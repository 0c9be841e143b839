"""SEDD's mathematics against theory: scores, losses and the bound, with Bayes' rule in place of its network."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Prediction, Request
from diffusion.papers.sedd import CERTAIN, FLOOR, SEDD, Config
from diffusion.text.vocab import END, PAD, SPECIALS, Vocabulary
from tests.diffusion.samplers.exact_words import ORACLE, exact
from tests.tiny import SIZES, shrunk, tiny_labels

GRAPHS = ["absorbing", "uniform"]
ENTROPY = -(ORACLE.log_prior.exp() * ORACLE.log_prior).sum().item()                # of the corpus, nats a text
WORD = torch.tensor([0.72, 0.2, 0.05, 0.03], dtype=torch.float64)                  # shares of four words
WORD_ENTROPY = -(WORD * WORD.log()).sum().item()


def drawn(rows: int) -> tuple[Tensor, Tensor, BatchRng]:
    """Texts of the corpus in their shares (rows, L), labels that tell nothing, and noise and times."""
    chosen = torch.multinomial(ORACLE.log_prior.exp(), rows, replacement=True, generator=torch.Generator().manual_seed(0))
    return ORACLE.tokens[chosen], ORACLE.labels.free().expand(rows, -1), BatchRng(torch.Generator().manual_seed(1), rows)


def of_one_word(graph: str) -> SEDD:
    """A SEDD of texts that are one of four words."""
    sizes = {**SIZES, "length": 1, "label_sizes": tiny_labels().sizes, "graph": graph}
    return SEDD(shrunk(Config(), sizes), Vocabulary([*SPECIALS, "word"]), tiny_labels()).eval()


# ---- the score


@pytest.mark.parametrize("graph", GRAPHS)
def test_score_and_belief_are_each_others_inverse(graph):
    model, generator = exact(graph=graph), torch.Generator().manual_seed(0)
    logits = torch.randn(6, ORACLE.length, len(ORACLE.vocab), generator=generator, dtype=torch.float64)
    ids = torch.randint(model.states, (6, ORACLE.length), generator=generator)
    t = torch.linspace(0.05, 0.95, 6, dtype=torch.float64)
    score = model.score(logits, ids, t)
    belief, expected = model.belief_of_score(score, ids, t), logits.softmax(-1)
    if graph == "absorbing":                             # the score of a committed word says that it is certain
        ids[:, 0] = model.mask
        committed = (ids != model.mask)[..., None]
        certain = torch.nn.functional.one_hot(ids.clamp(max=model.mask - 1), len(ORACLE.vocab)).double()
        score, expected = model.score(logits, ids, t), torch.where(committed, certain, expected)
        belief = model.belief_of_score(score, ids, t)
    torch.testing.assert_close(belief, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(score.gather(-1, ids[..., None]), torch.ones(6, ORACLE.length, 1, dtype=torch.float64))


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_score_is_the_ratio_of_the_probabilities_of_neighbouring_states(graph):
    model, t = exact(graph=graph), torch.tensor([0.6])
    moved = model.noise_schedule.move_probability(t)
    state = model.noise(ORACLE.tokens[1:2], 0.6, Rng((3,)))

    def log_prob(ids: Tensor) -> Tensor:
        """log p_t(x) of states (R, L)."""
        same, masked = ids[:, None] == ORACLE.tokens, (ids == model.mask)[:, None]
        if graph == "absorbing":
            chances = torch.where(masked, moved, torch.where(same, 1 - moved, 0.0))
        else:
            chances = torch.where(same, 1 - moved + moved / model.states, moved / model.states)
        return (chances.double().log().sum(-1) + ORACLE.log_prior.double()).logsumexp(-1)

    score = model.score(model.known(model.believe(state, moved, ORACLE.labels.free()[None]), state), state, t)
    for place in range(ORACLE.length):
        if graph == "absorbing" and state[0, place] != model.mask:
            assert score[0, place].sum() == 1            # the reverse process leaves committed words where they are
            continue
        neighbours = state.repeat(model.states, 1)
        neighbours[:, place] = torch.arange(model.states)
        expected = (log_prob(neighbours) - log_prob(state)).exp().float()
        possible = torch.arange(model.states) > 2        # UNK, and an empty text, are ruled out of the belief
        torch.testing.assert_close(score[0, place][possible], expected[possible], rtol=1e-3, atol=1e-3)


# ---- losses


def test_both_forms_of_the_score_entropy_are_one_number_for_masked_words():
    model, generator = of_one_word("absorbing"), torch.Generator().manual_seed(0)
    logits = torch.randn(64, 1, 4, generator=generator, dtype=torch.float64)
    tokens, t = torch.randint(4, (64, 1), generator=generator), torch.linspace(0.01, 0.99, 64, dtype=torch.float64)
    ids = torch.full_like(tokens, model.mask)
    ratio = 1 / torch.expm1(model.noise_schedule.total(t))                    # 1 / E
    score = model.score(logits, ids, t)[:, 0, :-1]
    general = score.sum(-1) - ratio * score.gather(-1, tokens)[:, 0].log() + ratio * (ratio.log() - 1)
    torch.testing.assert_close(general, ratio * model._masked_entropy(logits, tokens, ids))


def told_by_state(graph: str, moved: float) -> float:
    """Mutual information of the clean word and its state, in nats."""
    if graph == "absorbing":
        return (1 - moved) * WORD_ENTROPY
    likelihood = (1 - moved) * torch.eye(4, dtype=torch.float64) + moved / 4
    joint = WORD[:, None] * likelihood
    return (joint * (likelihood / joint.sum(0)).log()).sum().item()


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_loss_of_the_exact_belief_is_the_entropy_of_a_word(graph):
    """Midpoint rule over time from FLOOR on; every clean word and every state with its probability.

    What the ends of the range leave out is what the state at `FLOOR` does not tell, and what the one at 1 still tells.
    """
    model, points = of_one_word(graph), 4_000
    t = FLOOR + (1 - FLOOR) * (torch.arange(points, dtype=torch.float64) + 0.5) / points
    noise, moved = model.noise_schedule, model.noise_schedule.move_probability(t)
    total = torch.zeros_like(t)
    for clean in range(4):
        for state in range(4) if graph == "uniform" else [model.mask]:
            tokens, ids = (torch.full((points, 1), value) for value in (clean, state))
            likelihood = torch.ones(points, 4, dtype=torch.float64)
            chance = WORD[clean] * moved
            if graph == "uniform":
                likelihood = likelihood * moved[:, None] / 4
                likelihood[:, state] += 1 - moved
                chance = WORD[clean] * likelihood[:, clean]
            logits = (WORD * likelihood).log()[:, None]
            if graph == "uniform":
                loss = noise.rate(t) * model._uniform_score_entropy(logits, tokens, ids, t)
            else:
                loss = noise.rate(t) / torch.expm1(noise.total(t)) * model._masked_entropy(logits, tokens, ids)
            total = total + chance * loss
    told = [told_by_state(graph, noise.move_probability(torch.tensor(t).double()).item()) for t in (FLOOR, 1.0)]
    assert (1 - FLOOR) * total.mean().item() == pytest.approx(told[0] - told[1], abs=1e-4)
    assert told[0] - told[1] == pytest.approx(WORD_ENTROPY, abs=0.01)


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_bound_is_the_entropy_of_the_corpus_and_greater_for_a_worse_belief(graph):
    model, rows = exact(graph=graph), 16_000
    with torch.no_grad():
        bounds = model.bound(*drawn(rows))
        believe = model.believe
        model.believe = lambda *inputs: 0.5 * believe(*inputs)
        worse = model.bound(*drawn(rows))
    error = bounds.std().item() / math.sqrt(rows)
    assert error < 0.05
    assert bounds.mean().item() == pytest.approx(ENTROPY, abs=3 * error + 0.005)
    assert worse.mean() > bounds.mean() + 0.02


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("sharpness", [0.6, 1.6])
def test_no_belief_has_a_smaller_loss_than_the_exact_one(graph, sharpness):
    model = exact(graph=graph)
    with torch.no_grad():
        best = model.loss(*drawn(4_000)).mean()
        believe = model.believe
        model.believe = lambda *inputs: sharpness * believe(*inputs)
        assert best < model.loss(*drawn(4_000)).mean()


# ---- texts


def test_no_word_of_a_text_is_ruled_out_by_other_words_of_it():
    model = exact()
    for t in (0.2, 0.5, 0.8):
        ids = model.noise(ORACLE.tokens, t, Rng(range(8)))
        formed = model.form(torch.zeros(8, ORACLE.length, len(ORACLE.vocab)), ids)
        assert (formed.gather(-1, ORACLE.tokens[..., None]).squeeze(-1)[ids == model.mask] == 0).all()


def test_committed_words_rule_out_what_no_text_with_them_holds():
    model, word = exact(), ORACLE.vocab.id("pub")
    ids = torch.full((2, ORACLE.length), model.mask)
    ids[0, 4], ids[1, 5] = word, END
    formed = model.form(torch.zeros(2, ORACLE.length, len(ORACLE.vocab)), ids)
    assert (formed[0, :4, [END, PAD]] == -CERTAIN).all() and (formed[0, 5:] == 0).all()
    assert (formed[1, :5, [END, PAD]] == -CERTAIN).all() and (formed[1, :5, word] == 0).all()
    assert (formed[1, 6:, word] == -CERTAIN).all() and (formed[1, 6:, END] == -CERTAIN).all()
    assert (formed[1, 6:, PAD] == 0).all()


def test_words_that_were_decided_stand_in_the_finished_text_against_any_belief():
    model = exact()
    logits = torch.randn(8, ORACLE.length, len(ORACLE.vocab), generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.finish(ORACLE.tokens, Prediction(logits, ORACLE.tokens)), ORACLE.tokens)


def test_a_mask_that_is_left_is_filled_with_the_likeliest_text():
    model, state = exact(), ORACLE.tokens.clone()
    state[:, 1] = model.mask
    with torch.no_grad():
        prediction = model.predict(state, 0.1, Request(length=ORACLE.length, seeds=tuple(range(8))))
    others = ORACLE.tokens[:, 1]
    assert torch.equal(model.finish(state, prediction)[:, 1], others)
    assert (model.decode(state)[:, 1] == PAD).all()


