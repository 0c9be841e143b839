"""With Bayes' rule in place of its network, each trained paper has the loss and the likelihood that theory gives it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core.rng import BatchRng
from diffusion.papers.autoregressive import Autoregressive
from diffusion.papers.diffusion_lm import DiffusionLM
from diffusion.papers.oracle import CORPUS
from tests.tiny import SIZES, shrunk

ORACLE = diffusion.load("oracle")
ENTROPY = -(ORACLE.log_prior.exp() * ORACLE.log_prior).sum().item()                # of the corpus, nats a text
HOLDS = torch.nn.functional.one_hot(ORACLE.tokens, len(ORACLE.vocab)).float()      # (K, L, V)
ROWS = 2_000


def drawn(rows: int = ROWS) -> tuple[Tensor, Tensor, BatchRng]:
    """Texts of the corpus in their shares (rows, L), labels that tell nothing, and noise and times."""
    chosen = torch.multinomial(
        ORACLE.log_prior.exp(), rows, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    return (
        ORACLE.tokens[chosen],
        ORACLE.labels.free().expand(rows, -1),
        BatchRng(torch.Generator().manual_seed(1), rows),
    )


def diffusion_lm(sharpness: float = 1.0, delay: float = 0.0, **changes: object) -> DiffusionLM:
    """A Diffusion-LM over the oracle's words whose beliefs are exact, or sharpened, or those of another time."""
    sizes = {**SIZES, "length": ORACLE.length, "embedding_scale": 1.0, "label_sizes": ORACLE.labels.sizes, **changes}
    model = DiffusionLM(shrunk(DiffusionLM.config_type(), sizes), ORACLE.vocab, ORACLE.labels).eval()
    model.embedding.weight.data.copy_(ORACLE.embedding)

    def believe(x: Tensor, x0_hat: Tensor, t: Tensor, label: Tensor, table: Tensor) -> tuple[Tensor, Tensor | None]:
        logits = sharpness * ORACLE.sentence_beliefs(ORACLE.log_likelihood(x, (t + delay).clamp(1e-3, 1)), label)
        return logits, None if model.config.readout == "belief" else logits.softmax(-1) @ table

    model.believe = believe
    return model


def baseline(sharpness: float = 1.0) -> Autoregressive:
    """A baseline over the oracle's words that knows how each beginning goes on, or thinks so too firmly."""
    sizes = {**SIZES, "length": ORACLE.length, "label_sizes": ORACLE.labels.sizes}
    model = Autoregressive(shrunk(Autoregressive.config_type(), sizes), ORACLE.vocab, ORACLE.labels).eval()

    def logits(tokens: Tensor, label: Tensor) -> Tensor:
        agrees = (tokens[:, None] == ORACLE.tokens[:, :tokens.shape[1]]).cumprod(-1)                   # (B, K, L)
        agrees = torch.cat([torch.ones_like(agrees[..., :1]), agrees], -1)
        weights = agrees * ORACLE.log_prior.exp()[:, None]                                             # (B, K, L + 1)
        length = weights.shape[-1]
        words = torch.einsum("bkl,klv->blv", weights[..., :ORACLE.length], HOLDS[:, :length])
        return sharpness * words.log()

    model.model.logits = logits
    return model


PAPERS: dict[str, Callable[..., diffusion.DiffusionModel]] = {
    "diffusion-lm": diffusion_lm, "diffusion-lm by rounding": partial(diffusion_lm, readout="rounding"), "ar": baseline}


def mean_loss(model: diffusion.DiffusionModel) -> float:
    """Over the corpus."""
    with torch.no_grad():
        return model.loss(*drawn()).mean().item()


@pytest.mark.parametrize("name", PAPERS)
def test_no_belief_has_a_smaller_loss_than_the_exact_one(name):
    exact = mean_loss(PAPERS[name]())
    assert exact < mean_loss(PAPERS[name](sharpness=0.6))
    assert exact < mean_loss(PAPERS[name](sharpness=1.6))


@pytest.mark.parametrize("delay", [-0.1, 0.1])
def test_beliefs_of_another_time_have_a_greater_loss(delay):
    later = diffusion_lm()
    assert mean_loss(later) < mean_loss(diffusion_lm(delay=delay))


def test_the_loss_falls_when_exact_beliefs_replace_the_network():
    for exact, kind in ((diffusion_lm(), DiffusionLM), (baseline(), Autoregressive)):
        assert mean_loss(exact) < 0.5 * mean_loss(kind(exact.config, ORACLE.vocab, ORACLE.labels).eval())


def test_the_likelihood_bound_of_diffusion_lm_is_the_entropy_of_the_corpus():
    """Variational and tight: with the exact denoiser nothing is lost between noise and text."""
    with torch.no_grad():
        bounds = diffusion_lm(self_conditioning=False).bound(*drawn(20_000))
    error = bounds.std().item() / math.sqrt(len(bounds))
    assert error < 0.05
    assert bounds.mean().item() == pytest.approx(ENTROPY, abs=3 * error)


def test_a_worse_denoiser_of_diffusion_lm_has_a_greater_bound():
    with torch.no_grad():
        exact, worse = (model.bound(*drawn()).mean().item() for model in (diffusion_lm(), diffusion_lm(sharpness=0.5)))
    assert worse > exact + 0.1


def test_the_likelihood_of_the_baseline_is_the_share_of_each_sentence():
    free = ORACLE.labels.free().expand(len(CORPUS), -1)
    nats = baseline().bound(ORACLE.tokens, free, BatchRng(torch.Generator(), len(CORPUS)))
    torch.testing.assert_close(nats, -ORACLE.log_prior)
