"""Diffusion-LM's variants for ablations: predicted noise means the same x0, within bounds; frozen embeddings stay."""

import dataclasses
import json
import math

import pytest
import torch

import diffusion
from diffusion.core import checkpoint
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Gaussian, Request
from diffusion.papers.diffusion_lm import Config, DiffusionLM
from tests.tiny import SIZES, shrunk, tiny_labels, tiny_vocab

ORACLE = diffusion.load("oracle")
ENTROPY = -(ORACLE.log_prior.exp() * ORACLE.log_prior).sum().item()


def tiny(**changes):
    """A tiny model with random weights."""
    labels = tiny_labels()
    config = shrunk(Config(), {**SIZES, "label_sizes": labels.sizes})
    torch.manual_seed(3)
    model = DiffusionLM(dataclasses.replace(config, **changes), tiny_vocab(), labels).eval()
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.copy_(torch.randn_like(weight) * 0.3)
    return model


def exact(shrink=1.0):
    """A model over the oracle's sentences whose network gives the expected noise, times `shrink`."""
    sizes = {**SIZES, "length": ORACLE.length, "label_sizes": ORACLE.labels.sizes, "embedding_scale": 1.0}
    config = dataclasses.replace(shrunk(Config(), sizes), readout="noise", self_conditioning=False, anchor=False)
    model = DiffusionLM(config, ORACLE.vocab, ORACLE.labels).eval()
    model.embedding.weight.data.copy_(ORACLE.embedding)

    def evaluate(x, t, label):
        signal = model.alpha_bar(t)[:, None, None]
        probs = ORACLE.sentence_beliefs(ORACLE.log_likelihood(x, t.clamp(1e-3, 1)), label).softmax(-1)
        return shrink * (x - signal.sqrt() * (probs @ model.table())) / (1 - signal).sqrt()

    model.evaluate = evaluate
    return model


def drawn(rows=1_000):
    """Texts of the corpus in their shares, with no slot told, and noise."""
    chosen = torch.multinomial(ORACLE.log_prior.exp(), rows, replacement=True, generator=torch.Generator().manual_seed(0))
    return ORACLE.tokens[chosen], ORACLE.labels.free().expand(rows, -1), BatchRng(torch.Generator().manual_seed(1), rows)


@pytest.mark.parametrize("t", [0.05, 0.5, 0.99])
def test_the_expected_noise_means_the_expected_text(t):
    model, tokens = exact(), drawn(50)[0]
    state = model.noise(tokens, t, Rng(range(50)))
    time = torch.full((1,), t)
    with torch.no_grad():
        logits, own = model.believe(state.x, state.x0_hat, time, ORACLE.labels.free().expand(50, -1), model.table())
        native = model.predict(state, t, Request(length=ORACLE.length, seeds=tuple(range(50)), temperature=1.0)).native
    belief = ORACLE.sentence_beliefs(ORACLE.log_likelihood(state.x, time.expand(50)), ORACLE.labels.free().expand(50, -1))
    mean = belief.softmax(-1) @ model.table()
    torch.testing.assert_close(own, mean, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(logits, mean @ model.table().T, atol=2e-2, rtol=1e-3)
    if t < 0.1:                                          # nothing is ruled out of a text that is all but certain
        torch.testing.assert_close(native, mean, atol=0.05, rtol=0.05)


def test_no_noise_is_better_than_the_expected_one():
    with torch.no_grad():
        losses = [exact(shrink).loss(*drawn()).mean().item() for shrink in (0.9, 1.0, 1.1)]
        bounds = [exact(shrink).bound(*drawn()).mean().item() for shrink in (0.9, 1.0, 1.1)]
    assert losses[1] < min(losses[0], losses[2]) and bounds[1] < min(bounds[0], bounds[2])
    assert bounds[1] > ENTROPY


def test_the_loss_of_predicted_noise_is_the_squared_error_of_the_noise():
    """Of a network that says that there is none: the mean square of what was drawn, 1, beside the rounding loss."""
    model = exact(shrink=0.0)
    tokens, label, rng = drawn(2_000)
    weights = model.word_weights(tokens)
    with torch.no_grad():
        loss = model.loss(tokens, label, rng).mean().item()
        rounding = (weights * torch.nn.functional.cross_entropy(
            (model.table()[tokens] @ model.table().T).transpose(1, 2), tokens, reduction="none")).mean().item()
    assert loss == pytest.approx(weights.mean().item() + rounding, rel=0.02)


@pytest.mark.parametrize("t", [1.0, 0.9])
def test_wild_noise_near_the_start_leaves_the_mean_within_the_embeddings(t):
    model = tiny(readout="noise", embedding_scale=1.0)
    state = Gaussian(torch.randn(3, model.length, 8) * 5, torch.zeros(3, model.length, 8))
    request = Request(length=model.length, seeds=(0, 1, 2), temperature=1.0)
    with torch.no_grad():
        own = model.believe(state.x, state.x0_hat, torch.full((1,), t), model.label_batch(request), model.table())[1]
        assert own.norm(dim=-1).max() > 2 * math.sqrt(8)
        assert model._inside(own, model.table()).norm(dim=-1).max() <= math.sqrt(8) * 1.001
        assert torch.isfinite(model.predict(state, t, request).native).all()


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_predicted_noise_writes_texts_and_absorbs_no_wish_bitwise(sampler):
    model = tiny(readout="noise")
    assert diffusion.generate(model, Request(length=model.length, seeds=(1, 2), steps=5, sampler=sampler)).run().ids.shape
    with torch.no_grad():
        free = model.predict(model.noise(torch.full((1, model.length), 4), 0.5, Rng([1])), 0.5, Request(length=model.length))
    same = model.absorb(free, torch.zeros(()))
    assert torch.equal(same.logits, free.logits) and torch.equal(same.native, free.native)


def test_every_weight_that_predicts_noise_is_trained_and_the_loss_falls():
    model = tiny(readout="noise", embedding_scale=1.0).train()
    rows = torch.tensor([[4, 5, 6, 1, 0, 0, 0, 0, 0, 0], [7, 8, 1, 0, 0, 0, 0, 0, 0, 0]]).repeat(4, 1)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)

    def loss(seed):
        return model.loss(rows, model.labels.free().expand(8, -1), BatchRng(torch.Generator().manual_seed(seed), 8)).mean()

    first = sum(loss(seed).item() for seed in range(8))
    for seed in range(100, 180):
        optimiser.zero_grad()
        loss(seed).backward()
        assert all(weight.grad is not None and torch.isfinite(weight.grad).all() for weight in model.parameters())
        optimiser.step()
    assert sum(loss(seed).item() for seed in range(8)) < 0.8 * first


def test_frozen_embeddings_get_no_gradient_and_learned_ones_do():
    rows = torch.tensor([[4, 5, 6, 1, 0, 0, 0, 0, 0, 0]]).repeat(4, 1)
    for learned in (True, False):
        model = tiny(learned_embeddings=learned).train()
        model.loss(rows, model.labels.free().expand(4, -1), BatchRng(torch.Generator().manual_seed(0), 4)).mean().backward()
        assert (model.embedding.weight.grad is not None) == learned == model.embedding.weight.requires_grad
        assert model.network.outputs.weight.grad is not None


def test_checkpoints_from_before_the_variants_are_the_default_model(tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path)
    path = tmp_path / checkpoint.CONFIG
    info = json.loads(path.read_text(encoding="utf-8"))
    assert info["config"].pop("learned_embeddings") is True
    path.write_text(json.dumps(info), encoding="utf-8")
    assert DiffusionLM.from_pretrained(str(tmp_path)).config == model.config
    names = set(checkpoint.distinct(model))
    assert {name for name in names if not name.startswith("network.")} == {"embedding.weight", "bias"}
