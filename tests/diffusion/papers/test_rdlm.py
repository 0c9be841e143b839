"""RDLM: with exact beliefs its bound is the entropy; its beliefs, digits, guidance and wishes are what they should be."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

import diffusion
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Request
from diffusion.papers.rdlm import RDLM, Config
from diffusion.spheres import geometry as sphere
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import SPECIALS, Vocabulary
from tests.diffusion.exact_spheres import ORACLE, PRIORS, SHARES, Exact, corpus, entropy, one_word
from tests.tiny import SIZES, WORDS, shrunk, tiny_labels, tiny_vocab

# ---- the likelihood


def mean_bound(model: Exact, rows: int, seed: int = 0) -> tuple[float, float]:
    """Over texts drawn by their shares, with its standard error."""
    chosen = torch.multinomial(model.log_shares.exp(), rows, replacement=True,
                               generator=torch.Generator().manual_seed(seed))
    label = model.labels.free().expand(rows, -1)
    with torch.no_grad():
        bounds = model.bound(model.texts[chosen], label, BatchRng(torch.Generator().manual_seed(seed), rows))
    return bounds.mean().item(), bounds.std().item() / math.sqrt(rows)


@pytest.mark.parametrize("prior", ["mask", "uniform"])
def test_the_bound_of_one_word_is_its_entropy(prior):
    found, error = mean_bound(one_word(prior=prior), 20_000)
    assert error < 0.03
    assert found == pytest.approx(entropy(SHARES.log()), abs=3 * error)


def test_the_bound_of_the_corpus_is_its_entropy():
    found, error = mean_bound(corpus([2, 5]), 8_000)
    assert error < 0.15
    assert found == pytest.approx(entropy(ORACLE.log_prior), abs=3 * error)


def test_a_worse_belief_has_a_greater_bound():
    class Duller(Exact):
        def believe(self, x, t, label):
            return 0.4 * super().believe(x, t, label)

    duller = Duller(torch.arange(3)[:, None], SHARES.log(), Vocabulary([*SPECIALS]), LabelSet({"slot": []}))
    assert mean_bound(duller, 8_000)[0] > mean_bound(one_word(), 8_000)[0] + 0.1


def test_only_walks_of_one_start_have_a_strict_bound():
    assert [corpus([2, 5], prior=prior).bound_is_strict for prior in PRIORS] == [True, True, False]


@pytest.mark.parametrize("objective", ["cross-entropy-is", "cross-entropy", "drift"])
def test_no_belief_has_a_smaller_loss_than_the_exact_one(objective):
    def loss(sharpness: float) -> float:
        class Other(Exact):
            def believe(self, x, t, label):
                return sharpness * super().believe(x, t, label).clamp(min=-50)

        model = Other(torch.arange(3)[:, None], SHARES.log(), Vocabulary([*SPECIALS]), LabelSet({"slot": []}),
                      objective=objective)
        texts = torch.multinomial(SHARES, 8_000, replacement=True, generator=torch.Generator().manual_seed(0))[:, None]
        with torch.no_grad():
            return model.loss(texts, model.labels.free().expand(8_000, -1),
                              BatchRng(torch.Generator().manual_seed(1), 8_000)).mean().item()

    assert loss(1.0) < loss(0.6) and loss(1.0) < loss(1.6)


def test_the_drift_loss_of_exact_beliefs_is_the_entropy():
    """The paper's ELBO form is the bound by interpolated points instead of simulated walks."""
    model = one_word(objective="drift")
    texts = torch.multinomial(SHARES, 20_000, replacement=True, generator=torch.Generator().manual_seed(0))[:, None]
    losses = model.loss(texts, model.labels.free().expand(20_000, -1), BatchRng(torch.Generator().manual_seed(1), 20_000))
    assert losses.mean().item() == pytest.approx(entropy(SHARES.log()), abs=4 * losses.std().item() / math.sqrt(20_000))


# ---- beliefs


def random_model(**changes: object) -> RDLM:
    """A tiny RDLM whose network has random weights."""
    labels = tiny_labels()
    model = RDLM(shrunk(Config(), {**SIZES, "label_sizes": labels.sizes, "base": 4, **changes}), tiny_vocab(), labels).eval()
    generator = torch.Generator().manual_seed(5)
    for weight in model.parameters():
        weight.data.copy_(0.5 * torch.randn(weight.shape, generator=generator))
    return model


@pytest.mark.parametrize("readout", ["words", "digits"])
def test_evidence_alone_is_nearly_bayes_rule_for_equally_likely_words(readout):
    """A new network adds nothing, so that what is left is what the points say of themselves."""
    labels = tiny_labels()
    model = RDLM(shrunk(Config(), {**SIZES, "label_sizes": labels.sizes, "base": 4, "readout": readout}), tiny_vocab(), labels)
    words = torch.arange(12).repeat(20)[:, None]
    exact = Exact(torch.arange(12)[:, None], torch.zeros(12), tiny_vocab(), labels, base=4)
    for t in (0.8, 0.5, 0.3):
        x, time = model.noise(words, t, BatchRng(torch.Generator().manual_seed(0), 240)), torch.tensor([t])
        believed = model.believe(x, time, labels.free().expand(240, -1)).softmax(-1)
        assert (believed - exact.believe(x, time, labels.free()).softmax(-1)).abs().mean() < 0.003


@pytest.mark.parametrize("readout", ["words", "digits"])
@torch.no_grad()
def test_guidance_scale_1_is_conditional_and_0_is_free(readout):
    model = random_model(readout=readout)
    label = model.labels.encode({"dish": "tea"}, rest=0)
    x = model.noise(torch.full((2, 10), 5), 0.6, Rng((1, 2)))
    request = Request(length=10, seeds=(1, 2), temperature=1.0, label=label)
    conditional = model.predict(x, 0.6, request)
    believed = model.believe(x, torch.tensor([0.6]), label.expand(2, -1)) + model.ruled_out
    assert torch.equal(conditional.logits, believed) and conditional.nfe == 1
    barely = model.predict(x, 0.6, request.with_(guidance_scale=1 + 1e-6))
    torch.testing.assert_close(barely.logits, conditional.logits, rtol=0, atol=1e-4)
    free = model.predict(x, 0.6, request.with_(guidance_scale=0.0)).logits
    torch.testing.assert_close(free, model.predict(x, 0.6, request.with_(label=None)).logits, rtol=0, atol=0)
    assert not torch.allclose(free, conditional.logits)


def test_guided_samples_of_the_exact_model_fit_their_label():
    model = corpus()
    label = ORACLE.labels.encode({"area": "riverside"}, rest=0)
    request = Request(length=16, seeds=tuple(range(40)), steps=16, label=label, temperature=1.0)
    ids = torch.from_numpy(diffusion.generate(model, request).run().ids.astype("int64"))
    written = (ids[:, None] == ORACLE.tokens).all(-1)
    assert written.any(-1).float().mean() > 0.9
    assert not written[:, ~ORACLE.fits(label[None])[0]].any()


@pytest.mark.parametrize("readout", ["words", "digits"])
@torch.no_grad()
def test_the_walk_is_pulled_by_the_digits_of_the_words_that_were_asked_for(readout):
    model = random_model(readout=readout)
    free = model.predict(model.noise(torch.full((2, 10), 5), 0.6, Rng((1, 2))), 0.6, Request(length=10, seeds=(1, 2)))
    wanted = torch.zeros_like(free.logits)
    wanted[:, 2, [word for word in range(12) if word not in (6, 9)]] = -torch.inf
    moved = model.absorb(free, wanted)
    probs = moved.logits.softmax(-1)[:, 2]
    expected = sum(probs[:, word, None, None] * F.one_hot(model.digits[word], 4) for word in (6, 9))
    torch.testing.assert_close(moved.native[:, 2], expected)
    untouched = [place for place in range(10) if place != 2]
    torch.testing.assert_close(moved.native[:, untouched], free.native[:, untouched])


@torch.no_grad()
def test_what_digits_lose_of_a_belief_is_the_divergence_from_their_product():
    model = random_model(readout="digits")
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(0.2)                                             # vague beliefs
    vague = Request(length=10, temperature=1.0)
    free = model.predict(model.noise(torch.full((1, 10), 5), 0.6, Rng((1,))), 0.6, vague)
    wanted = torch.zeros_like(free.logits)
    wanted[:, 3, 7] = 3.0                                                # one word: no product of digits can say that
    steered = model.absorb(free, wanted)
    probs = steered.logits.double().softmax(-1)
    product = sphere.join(steered.native.double().log(), 12)
    divergence = torch.where(probs > 0, probs * (probs.log() - product), 0.0).sum(-1)
    torch.testing.assert_close(model.lost(steered.logits).double(), divergence, rtol=0, atol=1e-5)
    assert model.lost(steered.logits)[0, 3] > model.lost(free.logits)[0, 3] + 0.01


@torch.no_grad()
def test_a_read_out_of_digits_believes_in_products_of_digits():
    """All 16 codes of two digits are words here, so nothing is cut off and nothing is lost."""
    labels, vocab = tiny_labels(), Vocabulary([*SPECIALS, *WORDS, "a", "b", "c", "d"])
    model = RDLM(shrunk(Config(), {**SIZES, "label_sizes": labels.sizes, "base": 4, "readout": "digits"}), vocab, labels)
    for weight in model.parameters():
        weight.copy_(0.5 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel())))
    x = model.noise(torch.full((3, 10), 5), 0.7, Rng((1, 2, 3)))
    assert model.lost(model.believe(x, torch.tensor([0.7]), labels.free().expand(3, -1))).abs().max() < 1e-4


def test_a_vocabulary_of_few_symbols_has_one_digit_and_one_of_words_two():
    few = random_model(base=0)
    assert (few.base, few.count, few.network.inputs.in_features) == (12, 1, 12)
    two = random_model()
    assert (two.base, two.count, two.network.inputs.in_features) == (4, 2, 8)
    assert torch.equal(two.decode(two.noise(torch.arange(10)[None], 0.0, Rng((0,)))), torch.arange(10)[None])


def test_the_paper_s_settings_read_digits_from_two_starts():
    paper = Config.paper(Config().backbone)
    assert (paper.readout, paper.prior, paper.threshold, paper.evidence) == ("digits", "mixed", 0.35, False)
    assert (paper.beta_low, paper.beta_high, paper.schedule) == (1e-3, 0.2, "geometric")


def test_the_network_reads_beside_the_points_the_mean_word_vector_under_what_they_say(monkeypatch):
    model, read = random_model(word_width=6), []
    evaluate = model.evaluate
    monkeypatch.setattr(model, "evaluate", lambda inputs, *rest: read.append(inputs[..., -6:]) or evaluate(inputs, *rest))
    tokens, label = torch.tensor([[3, 5, 4, 1]]), model.labels.free()[None]
    with torch.no_grad():
        for t in (0.0, 1.0):
            model.believe(model.noise(tokens, t, Rng([1])), torch.tensor([t]), label)
        model.frequent[4] = 50.0                         # what is frequent is what a point at the start can mean
        model.believe(model.noise(tokens, 1.0, Rng([1])), torch.tensor([1.0]), label)
    torch.testing.assert_close(read[0], model.words[tokens], atol=1e-3, rtol=0)      # a point at its vertex says its word
    assert (read[1] - read[1][:, :1]).abs().max() < 1e-4                             # at the start all points say the same
    torch.testing.assert_close(read[2], model.words[4].expand(1, 4, -1), atol=1e-3, rtol=0)
    assert model.network_inputs(2)[0].shape[-1] == model.base * model.count + 6
