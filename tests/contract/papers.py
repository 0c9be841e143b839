"""What the contract tests of papers share: tiny models, requests, texts and states for them."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from diffusion.core.rng import Rng
from diffusion.core.types import Prediction, Request
from diffusion.text import source
from diffusion.text.vocab import END, PAD
from tests.tiny import NAMES, kind_of, tiny_model

WITH_WEIGHTS = [name for name in NAMES if not kind_of(name).weightless]
SEEDS, STEPS = (4, 8, 15, 16, 23), 6

model = cache(tiny_model)
PAIRS = [(name, sampler) for name in NAMES for sampler in model(name).samplers]


def ask(name: str, seeds: tuple[int, ...] = SEEDS, **options: Any) -> Request:
    """A request that fits the model and leaves nothing open."""
    return Request(**{"length": model(name).length, "seeds": seeds, "steps": STEPS, "temperature": 1.0, **options})


def told(name: str) -> Tensor:
    """A label with one slot told: a value of the first slot."""
    labels = model(name).labels
    slot, values = next(iter(labels.slots.items()))
    return labels.encode({slot: values[0]}, rest=0)


def text_rows(name: str, count: int = 5) -> Tensor:
    """Texts (count, L) that the model knows: the oracle's own sentences, any words for the others."""
    paper = model(name)
    if name == "oracle":
        return paper.tokens[:count]
    rows = [[3 + (7 * row + 5 * place) % (len(paper.vocab) - 3) for place in range(2 + row)] for row in range(count)]
    return torch.tensor([[*words, END, *[PAD] * (paper.length - len(words) - 1)] for words in rows])


def sources(name: str, count: int = 5) -> list[Tensor]:
    """Sources (count, M) with every slot told, as the last arguments of a loss; none for a paper that reads none."""
    labels, vocab = model(name).labels, model(name).vocab
    meaning = ", ".join(f"{slot}[{values[0]}]" for slot, values in labels.slots.items())
    return [source.encode(meaning, vocab, labels).expand(count, -1)] if model(name).source else []


def halfway(name: str, t: float = 0.6) -> Any:
    """A state at time t, of texts."""
    return model(name).noise(text_rows(name), t, Rng(SEEDS))


def believe(name: str, **options: Any) -> Prediction:
    """The belief about such a state."""
    with torch.no_grad():
        return model(name).predict(halfway(name), 0.6, ask(name, **options))


class Wish:
    """A strategy that asks for one and the same change of every belief."""

    slug = "wish"

    def __init__(self, wanted: Tensor) -> None:
        self.wanted = wanted

    def request(self, request):
        return request

    def begin(self, model, request):
        return None

    def before(self, model, state, prediction, t, s, rng):
        return model.absorb(prediction, self.wanted.expand_as(prediction.logits))

    def after(self, model, previous, transition, t, s, rng):
        return transition.state

    def satisfaction(self, steered):
        return {}
