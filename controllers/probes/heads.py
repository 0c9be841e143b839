"""What a reader says of a belief: a tag for every word, a label for every span, a value for every slot."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NONE = ""                # the class of a span that is no constituent
TAGS, CHART, SLOTS = "tags", "chart", "slots"
Classes = tuple[tuple[str, ...], ...]


class Tags(nn.Module):
    """Logits (B, L, T) of the tag of every word.

    Args:
        width: of the features.
        classes: one group, the tags.
    """

    def __init__(self, width: int, classes: Classes) -> None:
        super().__init__()
        self.out = nn.Linear(width, len(classes[0]))

    def forward(self, features: Tensor, log_alive: Tensor) -> Tensor:
        """Features (B, L, D) -> (B, L, T)."""
        return self.out(features)


class Chart(nn.Module):
    """Logits (B, L, L, C) of the label of every span, from the features of its first and its last word.

    Entry [b, i, j] is the span from word i to word j, both included; those with i > j mean nothing.

    Args:
        width: of the features.
        classes: one group, the labels, that of no constituent (NONE) first.
    """

    def __init__(self, width: int, classes: Classes) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, len(classes[0]))

    def forward(self, features: Tensor, log_alive: Tensor) -> Tensor:
        """Features (B, L, D) -> (B, L, L, C)."""
        pairs = self.first(features)[:, :, None] + self.last(features)[:, None]                # (B, L, L, D)
        return self.out(F.gelu(pairs, approximate="tanh"))

    def spans(self, features: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """The same for some spans alone: features (B, L, D), ends (S,) and (S,) -> (B, S, C)."""
        pairs = self.first(features)[:, first] + self.last(features)[:, last]
        return self.out(F.gelu(pairs, approximate="tanh"))


class Slots(nn.Module):
    """Logits (B, sum of C_s) of the value of every slot, slot after slot; a query for each slot gathers the words.

    Args:
        width: of the features.
        classes: a group for each slot: `absent`, then its values. The class c of a slot has the id c + 1 in a label.
    """

    def __init__(self, width: int, classes: Classes) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(classes), width) * width**-0.5)
        self.hidden = nn.Linear(width, width)
        self.outs = nn.ModuleList(nn.Linear(width, len(group)) for group in classes)

    def forward(self, features: Tensor, log_alive: Tensor) -> Tensor:
        """Features (B, L, D), log-probabilities (B, L) that the text has not ended before -> (B, sum of C_s)."""
        weights = (self.queries @ features.transpose(1, 2) + log_alive[:, None]).softmax(-1)   # (B, S, L)
        hidden = F.gelu(self.hidden(weights @ features), approximate="tanh")                   # (B, S, D)
        return torch.cat([out(hidden[:, slot]) for slot, out in enumerate(self.outs)], -1)


HEADS: dict[str, type[nn.Module]] = {TAGS: Tags, CHART: Chart, SLOTS: Slots}
