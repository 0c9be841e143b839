"""Trains the classifiers on noisy vectors that Diffusion-LM's published steering looks through.

    loss    mean over all positions of -log p(tag_l | x_t)                       END and PAD have tags
            + mean over all spans of the words of -log p(label or none | x_t)    times its weight
            + mean over the slots of -log p(value or absent | x_t)

    x_t = sqrt(alpha_bar) E[w] + sqrt(1 - alpha_bar + alpha_bar sigma_0^2) eps,   t uniform in {0, 1/200, ..., 1} for each row
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from controllers.probes.heads import CHART, SLOTS, TAGS
from controllers.probes.noisy import ENDS, STEPS, NoisyConfig, NoisyReader, fingerprint
from diffusion.papers.diffusion_lm import DiffusionLM
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import UNK, Vocabulary
from training.data.corpus import Encoded
from training.data.labelled import Labelled
from training.probes import reading
from training.probes import train as controllers
from training.probes.train import BETAS, IGNORED, Examples, Recipe, Training, spans_wanted

RECIPE = Recipe(160, 3, 9_000, batch=64, lr=2e-3)
CHART_WEIGHT = 4.0       # most spans are none, so that its mean is small beside the others
SHORT, SHORT_SHARE = 32, 0.85            # positions of most batches, of rows that fit: PAD teaches little
TIMES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
_BATCH = 100


@dataclass(frozen=True, slots=True)
class NoisyExamples:
    """Rows (N, L) with what the three heads should say of them, by kind."""

    tokens: Tensor
    parts: Mapping[str, Examples]

    @classmethod
    def of(cls, rows: Sequence[Labelled], data: Encoded, vocab: Vocabulary, labels: LabelSet,
           known: NoisyExamples | None = None) -> NoisyExamples:
        """From labelled rows; `known` are the training rows' examples, whose classes are used."""
        before = known.parts if known else {}
        return cls(data.tokens, {TAGS: controllers.of_tags(rows, data.tokens, vocab, before.get(TAGS)),
                                 CHART: controllers.of_charts(rows, data.tokens, vocab, before.get(CHART)),
                                 SLOTS: controllers.of_slots(data, labels)})

    @property
    def lengths(self) -> Tensor:
        """Words of each row, (N,)."""
        return (self.tokens >= UNK).sum(1)

    def first(self, count: int) -> NoisyExamples:
        """The first rows."""
        parts = {kind: part.first(count) for kind, part in self.parts.items()}
        return NoisyExamples(self.tokens[:count], parts)


class Noiser:
    """Draws x_t of a model's forward process.

    Args:
        model: whose embeddings and schedule.
        generator: of everything that is drawn, on the CPU; a seed means the same on every device.
    """

    def __init__(self, model: DiffusionLM, generator: torch.Generator) -> None:
        self.model, self.generator = model, generator
        self.table = model.table().detach()

    def times(self, count: int) -> Tensor:
        """A time for each row, (B,), from the rows of the table of times."""
        return torch.randint(STEPS + 1, (count,), generator=self.generator) / STEPS

    def __call__(self, tokens: Tensor, t: Tensor) -> Tensor:
        """x_t (B, L, D) of tokens (B, L) at times (B,), on the model's device."""
        clean = self.table[tokens.to(self.table.device)]
        noise = torch.randn(clean.shape, generator=self.generator).to(clean)
        signal = self.model.alpha_bar(t.to(clean))[:, None, None]
        return signal.sqrt() * clean + (1 - signal + signal * self.model.entry_variance).sqrt() * noise


def losses(reader: NoisyReader, x: Tensor, t: Tensor, targets: Mapping[str, Sequence[Tensor]],
           lengths: Sequence[int]) -> dict[str, Tensor]:
    """Mean cross-entropies by kind, (), of what should be said of x_t (B, L, D) at times (B,) of rows of these many words."""
    features = reader.features(x, t)
    longest = max(lengths)
    first, last = torch.triu_indices(longest, longest)
    tags = tags_wanted(targets[TAGS], lengths, x.shape[1], len(reader.config.tags[0])).to(x.device)
    spans = spans_wanted(targets[CHART], lengths, longest)[:, first, last].to(x.device)
    slots = torch.stack(list(targets[SLOTS]), 1).to(x.device)                                 # (S, B)
    told = [F.nll_loss(group, wanted) for group, wanted in zip(reader.slots(features), slots, strict=True)]
    return {TAGS: F.nll_loss(reader.tags(features).flatten(0, 1), tags.flatten(), ignore_index=IGNORED),
            CHART: F.nll_loss(reader.spans(features, first, last).flatten(0, 1), spans.flatten(), ignore_index=IGNORED),
            SLOTS: torch.stack(told).mean()}


def tags_wanted(targets: Sequence[Tensor], lengths: Sequence[int], positions: int, count: int) -> Tensor:
    """Classes (B, L) of all positions: the words' own, then END, then PAD, which are the last two of `count`."""
    wanted = torch.full((len(targets), positions), count - 1)
    for row, target, length in zip(wanted, targets, lengths, strict=True):
        row[:length] = target
        row[length:length + 1] = count - 2
    return wanted


class NoisyTraining(Training):
    """The classifiers with their optimiser."""

    @classmethod
    def begin(cls, examples: NoisyExamples, recipe: Recipe, model: DiffusionLM) -> NoisyTraining:
        """Fresh weights from the recipe's seed, on the model's device."""
        torch.manual_seed(recipe.seed)
        parts = examples.parts
        config = NoisyConfig(model.state_width, ((*parts[TAGS].classes[0], *ENDS),), parts[CHART].classes, parts[SLOTS].classes,
                             tuple(model.labels.slots), recipe.width, recipe.layers, length=model.length)
        reader = NoisyReader(config, fingerprint(model), model.labels.fingerprint).to(model.device)
        return cls(reader, torch.optim.Adam(reader.parameters(), lr=recipe.lr, betas=BETAS), recipe)

    def batch_loss(self, examples: NoisyExamples, soften: Noiser) -> Tensor:
        """Loss of one batch: rows of at most `SHORT` positions in most batches."""
        lengths, generator = examples.lengths, soften.generator
        short = float(torch.rand((), generator=generator)) < SHORT_SHARE
        fitting = (lengths < SHORT).nonzero()[:, 0] if short else torch.arange(len(lengths))
        if not len(fitting):
            fitting, short = torch.arange(len(lengths)), False
        rows = fitting[torch.randint(len(fitting), (self.recipe.batch,), generator=generator)]
        tokens, t = examples.tokens[rows, : SHORT if short else None], soften.times(len(rows))
        targets = {kind: [part.targets[row] for row in rows] for kind, part in examples.parts.items()}
        found = losses(self.reader, soften(tokens, t), t, targets, lengths[rows].tolist())
        return found[TAGS] + CHART_WEIGHT * found[CHART] + found[SLOTS]

    def _about(self) -> dict[str, Any]:
        return {"recipe": self._recipe(), "embeddings": self.reader.embeddings, "chart": list(self.reader.config.chart[0])}


@torch.no_grad()
def measure(reader: NoisyReader, examples: NoisyExamples, model: DiffusionLM, seed: int = 1) -> list[dict[str, Any]]:
    """What the classifiers get right of held-out rows, a row for each of `TIMES`."""
    return [_measured(reader, examples, Noiser(model, torch.Generator().manual_seed(seed)), t) for t in TIMES]


def _measured(reader: NoisyReader, examples: NoisyExamples, noiser: Noiser, t: float) -> dict[str, Any]:
    counts = {kind: reading.Count() for kind in examples.parts}
    for start in range(0, len(examples.tokens), _BATCH):
        tokens = examples.tokens[start:start + _BATCH]
        lengths = (tokens >= UNK).sum(1).tolist()
        features = reader.features(noiser(tokens, torch.full((len(tokens),), t)), t)
        for kind, said in _said(reader, features, max(lengths)):
            targets = examples.parts[kind].targets[start:start + _BATCH]
            for row in reading.counted(kind, said, targets, lengths):
                counts[kind].add(*row)
    signal = float(noiser.model.alpha_bar(torch.tensor(t)))
    return {"t": t, "alpha_bar": round(signal, 4), **{reading.MEASURES[kind]: round(count.f1, 4) for kind, count in counts.items()}}


def _said(reader: NoisyReader, features: Tensor, longest: int) -> Iterator[tuple[str, Tensor]]:
    """The likeliest tags (B, L), labels (B, n, n) and values (B, S)."""
    yield TAGS, reader.tags(features).argmax(-1).cpu()
    first, last = torch.triu_indices(longest, longest)
    chart = torch.zeros(len(features), longest, longest, dtype=torch.long)
    chart[:, first, last] = reader.spans(features, first, last).argmax(-1).cpu()
    yield CHART, chart
    yield SLOTS, torch.stack([group.argmax(-1) for group in reader.slots(features)], 1).cpu()
