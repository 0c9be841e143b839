"""How well a reader reads held-out beliefs, by how open they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from controllers.probes.heads import CHART, SLOTS, TAGS
from controllers.probes.reader import Reader
from diffusion.core.model import DiffusionModel
from diffusion.text.vocab import UNK
from training.probes.softening import Softener, frame
from training.probes.train import IGNORED, Examples, spans_wanted

LEVELS = (0.05, 0.5, 1.5, 3.0, 4.5)      # nats: upper ends of the levels of entropy; the last level is open
TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)
_BATCH = 100
MEASURES = {TAGS: "accuracy of tags", CHART: "F1 of labelled spans", SLOTS: "accuracy of slots"}


@dataclass(slots=True)
class Count:
    """What was right, wanted and said; for tags and slots the last two are equal."""

    right: int = 0
    wanted: int = 0
    said: int = 0
    rows: int = 0

    def add(self, right: int, wanted: int, said: int) -> None:
        """Counts one more row."""
        self.right, self.wanted, self.said, self.rows = (self.right + right, self.wanted + wanted, self.said + said,
                                                         self.rows + 1)

    @property
    def f1(self) -> float:
        """2 right / (wanted + said): the accuracy where every item is wanted and said."""
        return 2 * self.right / max(1, self.wanted + self.said)


@torch.no_grad()
def measure(reader: Reader, examples: Examples, models: Sequence[DiffusionModel], seed: int = 1) -> list[dict[str, Any]]:
    """The reader's measure on held-out rows by the mean entropy of their words' beliefs.

    The beliefs: the rows themselves, and what each model believes of them at each of `TIMES`; the number of words is told.
    """
    counts = [Count() for _ in (*LEVELS, None)]
    device = reader.embedding.device
    soften = Softener(models, torch.ones(reader.config.words), torch.Generator().manual_seed(seed), device)
    for start in range(0, len(examples.tokens), _BATCH):
        tokens = examples.tokens[start:start + _BATCH]
        targets, lengths = examples.targets[start:start + _BATCH], (tokens >= UNK).sum(1).tolist()
        tokens, longest = tokens.to(device), max(lengths) + 1
        for probs in _beliefs(tokens, soften):
            framed = frame(probs[:, :longest], tokens[:, :longest])
            entropy = -torch.special.xlogy(framed, framed).sum(-1).sum(1).cpu() / torch.tensor(lengths)
            levels = torch.bucketize(entropy, torch.tensor(LEVELS)).tolist()
            rows = counted(reader.config.kind, _said(reader, framed), targets, lengths)
            for level, row in zip(levels, rows, strict=True):
                counts[level].add(*row)
    ends = [*(f"up to {level:g}" for level in LEVELS), f"above {LEVELS[-1]:g}"]
    return [{"entropy, nats": end, "rows": count.rows, MEASURES[reader.config.kind]: round(count.f1, 4)}
            for end, count in zip(ends, counts, strict=True) if count.rows]


def _beliefs(tokens: Tensor, soften: Softener) -> Iterator[Tensor]:
    yield F.one_hot(tokens, len(soften.unigram)).float()
    for model in soften.models:
        for t in TIMES:
            yield soften.believed(model, tokens, t)


def counted(kind: str, said: Tensor, targets: Sequence[Tensor], lengths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """For each row: right, wanted, said.

    Args:
        kind: of the head.
        said: the likeliest classes: tags (B, L), labels of spans (B, n, n) or more, values of slots (B, S).
        targets: what should be said, as in `training.probes.train.Examples`.
    """
    if kind == TAGS:
        for found, target in zip(said, targets, strict=True):
            known = target != IGNORED
            total = int(known.sum())
            yield int((found[: len(target)] == target)[known].sum()), total, total
    elif kind == CHART:
        wanted = spans_wanted(targets, lengths, max(lengths))
        for found, right, length in zip(said, wanted, lengths, strict=True):
            upper = torch.ones(length, length, dtype=torch.bool).triu()
            found, right = found[:length, :length][upper], right[:length, :length][upper]
            found = torch.where(right == IGNORED, 0, found)
            yield int(((found == right) & (right > 0)).sum()), int((right > 0).sum()), int((found > 0).sum())
    else:
        for found, target in zip(said, targets, strict=True):
            yield int((found == target).sum()), len(target), len(target)


def _said(reader: Reader, probs: Tensor) -> Tensor:
    """The likeliest classes of what a reader tells."""
    if reader.config.kind == SLOTS:
        return torch.stack([logits.argmax(-1) for logits in reader.groups(reader(probs))], 1).cpu()
    return reader(probs).argmax(-1).cpu()
