"""SEDD with Bayes' rule in place of its network, over the oracle's sentences, and walks through its states."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor

from diffusion.core.rng import BatchRng
from diffusion.core.sampler import Sampler
from diffusion.core.types import Prediction, Request
from diffusion.papers.oracle import Config as OracleConfig
from diffusion.papers.oracle import Oracle
from diffusion.papers.sedd import SEDD, Config
from tests.tiny import SIZES, shrunk

WRONG = -60.0            # log-likelihood of a word that a sentence lacks: texts that fit no sentence have the nearest one
NEVER = 1e-30            # probability of a word that no sentence has there; a mask of the port has 0


def short_oracle() -> Oracle:
    """The oracle with as many positions as its longest sentence takes."""
    found = Oracle.from_nothing()
    return Oracle(OracleConfig(length=12), found.vocab, found.labels).eval()


ORACLE = short_oracle()
WORDS = len(ORACLE.vocab)
HOLDS = torch.nn.functional.one_hot(ORACLE.tokens, WORDS).float()                            # (K, L, V)


class ExactSEDD(SEDD):
    """A SEDD whose beliefs are exact."""

    def log_likelihood(self, ids: Tensor, moved: Tensor) -> Tensor:
        """log q(x_t | k) up to a constant, (B, L) -> (B, K)."""
        same = ids[:, None] == ORACLE.tokens
        if self.config.graph == "absorbing":
            return WRONG * (~same & (ids != self.mask)[:, None]).sum(-1)
        other = moved / self.states
        return same.sum(-1) * torch.log((1 - moved + other) / other)[:, None]

    def sentences(self, ids: Tensor, moved: Tensor, label: Tensor | None = None) -> Tensor:
        """p(k | x_t), (B, K)."""
        return ORACLE.sentence_log_probs(self.log_likelihood(ids, moved), label).exp()

    def believe(self, ids: Tensor, moved: Tensor, label: Tensor) -> Tensor:
        """The exact belief."""
        return (self.sentences(ids, moved, label) @ HOLDS.flatten(1)).view(len(ids), -1, WORDS).clamp(min=NEVER).log()


PATTERNS = torch.arange(256)[:, None] >> torch.arange(8) & 1                                 # which sentences are possible
TABLE = ((PATTERNS * ORACLE.log_prior.exp()) / (PATTERNS * ORACLE.log_prior.exp()).sum(1, keepdim=True)).nan_to_num()
TABLE = torch.einsum("pk,klv->plv", TABLE, HOLDS).clamp(min=NEVER)                           # the belief for each pattern


class Fast(ExactSEDD):
    """The same, free of a label, for thousands of rows: without what `predict` rules out, as exact beliefs have done that, and
    from a table where words are masked; what no sampler reads is left out."""

    def predict(self, state: Tensor, t: float, request: Request) -> Prediction:
        """Probabilities, and logits for the sampler that reads them."""
        if self.config.graph == "absorbing":
            likelihood = self.log_likelihood(state, torch.ones(1))
            probs = TABLE[((likelihood == likelihood.amax(1, keepdim=True)) << torch.arange(8)).sum(1)]
            return Prediction(probs, state, 1, probs)
        moved = self.noise_schedule.move_probability(torch.full((1,), t))
        probs = (self.sentences(state, moved) @ HOLDS.flatten(1)).view(*state.shape, WORDS)
        return Prediction(probs.clamp_(min=NEVER).log() if request.sampler == "euler" else probs, state, 1, probs)


def exact(kind: type[ExactSEDD] = ExactSEDD, **changes: Any) -> ExactSEDD:
    """A model of that kind; changes are fields of SEDD's `Config`."""
    sizes = {**SIZES, "length": ORACLE.length, "label_sizes": ORACLE.labels.sizes, **changes}
    return kind(shrunk(Config(), sizes), ORACLE.vocab, ORACLE.labels).eval()


@torch.no_grad()
def walk(model: SEDD, sampler: Sampler, draws: int, wanted: Tensor | None = None, seed: int = 1) -> list[Tensor]:
    """States (draws, L) at all times, the first included; `wanted` (L, V) nats are absorbed at every step."""
    request = sampler.request.with_(seeds=tuple(range(draws)))
    rng = BatchRng(torch.Generator().manual_seed(seed), draws)
    path, memory = [model.prior(request, rng)], None
    for t, s in itertools.pairwise(sampler.times(model, request.steps)):
        prediction = model.predict(path[-1], t, request)
        if wanted is not None:
            prediction = model.absorb(prediction, wanted)
        transition, memory = sampler.advance(model, path[-1], prediction, t, s, rng, memory)
        path.append(transition.state)
    return path


def shares(rows: Tensor) -> Tensor:
    """Shares (K,) of rows (B, L) that are each of the sentences; they sum to less than 1 where some are none."""
    return (rows[:, None] == ORACLE.tokens).all(-1).float().mean(0)


def total_variation(rows: Tensor, expected: Tensor | None = None) -> float:
    """Distance of rows from the corpus, or from other shares of its sentences."""
    found, expected = shares(rows), ORACLE.log_prior.exp() if expected is None else expected
    return 0.5 * ((found - expected).abs().sum() + (1 - found.sum())).item()


def chi_square(rows: Tensor, expected: Tensor | None = None) -> float:
    """Probability that rows of the corpus differ by so much from its shares; 0 where a row is no sentence that is expected."""
    found, expected = shares(rows) * len(rows), len(rows) * (ORACLE.log_prior.exp() if expected is None else expected)
    possible = expected > 0
    if found[possible].sum() < len(rows) - 0.5:
        return 0.0
    statistic = ((found - expected)[possible].square() / expected[possible]).sum().double()
    return torch.special.gammaincc((possible.sum() - 1).double() / 2, statistic / 2).item()


def sampler_of(kind: type[Sampler], **options: Any) -> Sampler:
    """A sampler for texts of the corpus; options are fields of `Request`."""
    return kind(Request(length=ORACLE.length, temperature=1.0, sampler=kind.slug, **options))


