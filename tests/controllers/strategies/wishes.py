"""Wishes whose effect is known in closed form, for the tests of strategies."""

from dataclasses import dataclass

import torch
from torch import Tensor

from controllers.base import Context, Controlled, Controller, Score
from controllers.gradient import ascent
from diffusion.papers.oracle import CORPUS, Oracle


@dataclass(frozen=True)
class Mentions(Controller):
    """The text mentions a word: log(doubt + (1 - doubt) P(the word stands somewhere))."""

    index: int = 5
    doubt: float = 0.05

    slug = "mentions"
    title = "Mentions"
    example = "pub"
    has_strength = True

    @classmethod
    def parse(cls, text: str, context: Context) -> "Mentions":
        return cls(context.vocab.ids[text])

    @property
    def target(self) -> str:
        return str(self.index)

    def wish(self, logits: Tensor) -> Tensor:
        return ascent(self.log_prob, logits)

    def log_prob(self, probs: Tensor) -> Tensor:
        nowhere = torch.log1p(-probs[..., self.index].clamp(max=1 - 1e-6)).sum(1).exp()
        return torch.log(self.doubt + (1 - self.doubt) * (1 - nowhere))

    def score(self, words: list[str]) -> Score:
        raise AssertionError("the judge was asked while sampling")


@dataclass(frozen=True)
class Linear(Controller):
    """A log-probability that is linear in the belief: sum_l,v w[l,v] p[l,v]; its wish is w, in nats."""

    weights: Tensor

    slug = "linear"
    title = "Linear"
    example = "x"
    has_strength = True
    unit_wish = False

    @classmethod
    def parse(cls, text: str, context: Context) -> "Linear":
        raise NotImplementedError

    @property
    def target(self) -> str:
        return "w"

    def wish(self, logits: Tensor) -> Tensor:
        return self.weights.expand_as(logits)

    def log_prob(self, probs: Tensor) -> Tensor:
        return (self.weights * probs).sum((1, 2))

    def score(self, words: list[str]) -> Score:
        raise AssertionError("the judge was asked while sampling")


def mentions(oracle: Oracle, word: str = "pub", nats: float = 4.0, doubt: float = 0.05) -> Controlled:
    """The wish that a text mentions a word of the oracle's."""
    return Controlled(Mentions(oracle.vocab.ids[word], doubt), nats)


def posterior(word: str = "pub", doubt: float = 0.05) -> Tensor:
    """p(k) p(wish | k) / Z of the oracle's sentences, (K,)."""
    joint = [sentence.share * (1.0 if word in sentence.text.split() else doubt) for sentence in CORPUS]
    return torch.tensor(joint) / sum(joint)
