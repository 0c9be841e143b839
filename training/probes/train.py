"""Trains the readers that controllers look through, on beliefs about rows: tags, charts or slots.

    tags    mean over the words of -log p(tag_l | belief)
    chart   mean over all spans of -log p(label or none | belief)
    slots   mean over the slots of -log p(value or absent | belief)
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from controllers.linguistics.charts import chart
from controllers.linguistics.tagsets import UNIVERSAL
from controllers.probes.heads import CHART, NONE, SLOTS, TAGS, Classes
from controllers.probes.reader import Reader, ReaderConfig
from diffusion.core.errors import StudioError
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import UNK, Vocabulary
from training import state
from training.data.corpus import Encoded
from training.data.labelled import Labelled

Say = Callable[[str], None]
RARE = 40                # a chain of labels seen in fewer rows is left out of the chart's loss
IGNORED = -100
SAY_EVERY, SAVE_EVERY = 100, 500
BETAS = (0.9, 0.98)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How large a reader is and how it is trained; the rate rises over `warmup` steps and falls in a line to nothing."""

    width: int
    layers: int
    steps: int
    batch: int = 96
    lr: float = 1.5e-3
    warmup: int = 200
    seed: int = 7


RECIPES = {TAGS: Recipe(128, 2, 28_800), CHART: Recipe(144, 3, 18_000), SLOTS: Recipe(128, 2, 22_100)}


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows (N, L) with what a reader should say of them.

    Attributes:
        classes: names of what is told apart, in groups.
        targets: of row i: tags (n,), spans (S, 3) of first word, last word and class, or slot classes (S,).
        lexicon: names of the tags of which `log_lexicon` (V, T) holds log p(tag | word); may be empty.
    """

    kind: str
    tokens: Tensor
    targets: list[Tensor]
    classes: Classes
    lexicon: tuple[str, ...] = ()
    log_lexicon: Tensor | None = None

    def first(self, count: int) -> Examples:
        """The first rows."""
        return dataclasses.replace(self, tokens=self.tokens[:count], targets=self.targets[:count])


# ---- examples


def of_tags(rows: Sequence[Labelled], tokens: Tensor, vocab: Vocabulary, known: Examples | None = None) -> Examples:
    """Universal tags; the lexicon counts them too."""
    ids = {tag: index for index, tag in enumerate(UNIVERSAL)}
    targets = [torch.tensor([ids.get(tag, IGNORED) for tag in row.universal]) for row in rows]
    lexicon = known.log_lexicon if known else lexical(vocab, ((row.words, row.universal) for row in rows), UNIVERSAL)
    return Examples(TAGS, tokens, targets, (UNIVERSAL,), UNIVERSAL, lexicon)


def of_charts(rows: Sequence[Labelled], tokens: Tensor, vocab: Vocabulary, known: Examples | None = None) -> Examples:
    """Labels of spans, over all words of a row; the lexicon counts Penn tags.

    Args:
        known: the training rows' examples, whose classes are used.
    """
    charts = [chart(row.tree) for row in rows]
    if known is None:
        seen = Counter(label for found in charts for label in set(found.values()))
        classes = (NONE, *sorted(label for label, count in seen.items() if count >= min(RARE, len(rows) // 10 + 1)))
        tags = tuple(sorted({tag for row in rows for tag in row.penn}))
        lexicon = lexical(vocab, ((row.words, row.penn) for row in rows), tags)
    else:
        classes, tags, lexicon = known.classes[0], known.lexicon, known.log_lexicon
    ids = {label: index for index, label in enumerate(classes)}
    targets = [torch.tensor([(*span, ids.get(label, IGNORED)) for span, label in found.items()]).view(-1, 3) for found in charts]
    return Examples(CHART, tokens, targets, (classes,), tags, lexicon)


def of_slots(data: Encoded, labels: LabelSet) -> Examples:
    """Values of slots, from the meaning representations."""
    classes = tuple(("absent", *values) for values in labels.slots.values())
    return Examples(SLOTS, data.tokens, list(data.labels - 1), classes)


def lexical(vocab: Vocabulary, rows: Iterable[tuple[Sequence[str], Sequence[str]]], tags: Sequence[str]) -> Tensor:
    """log p(tag | word) (V, T) from counts, each word's with one more count spread as the tags are over all words."""
    counts = torch.zeros(len(vocab), len(tags), dtype=torch.float64)
    ids = {tag: index for index, tag in enumerate(tags)}
    for words, given in rows:
        for word, tag in zip(words, given, strict=True):
            if tag in ids:
                counts[vocab.ids.get(word, UNK), ids[tag]] += 1
    prior = (counts.sum(0) + 1e-3) / (counts.sum() + 1e-3 * len(tags))
    smoothed = counts + prior
    return (smoothed / smoothed.sum(1, keepdim=True)).clamp(min=1e-7).log().float()


# ---- training


def loss(reader: Reader, probs: Tensor, targets: Sequence[Tensor], lengths: Sequence[int]) -> Tensor:
    """Mean cross-entropy of what the reader should say of beliefs (B, L, V) about rows of these many words."""
    if reader.config.kind == TAGS:
        wanted = torch.full(probs.shape[:2], IGNORED)
        for row, target in zip(wanted, targets, strict=True):
            row[: len(target)] = target
        return F.cross_entropy(reader(probs).flatten(0, 1), wanted.flatten().to(probs.device), ignore_index=IGNORED)
    if reader.config.kind == SLOTS:
        groups = reader.groups(reader(probs))
        wanted = torch.stack(list(targets), 1).to(probs.device)
        return torch.stack([F.cross_entropy(logits, slot) for logits, slot in zip(groups, wanted, strict=True)]).mean()
    longest = max(lengths)
    first, last = torch.triu_indices(longest, longest)
    logits = reader.head.spans(reader.features(probs)[0], first, last)                        # (B, S, C)
    wanted = spans_wanted(targets, lengths, longest)[:, first, last].to(probs.device)
    return F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)


def spans_wanted(targets: Sequence[Tensor], lengths: Sequence[int], longest: int) -> Tensor:
    """Classes (B, n, n) of all spans; IGNORED beyond a row's words."""
    wanted = torch.full((len(targets), longest, longest), IGNORED)
    for row, target, length in zip(wanted, targets, lengths, strict=True):
        row[:length, :length] = 0
        row[target[:, 0], target[:, 1]] = target[:, 2]
    return wanted


@dataclass(slots=True)
class Training:
    """A reader with its optimiser; `seconds` over all sittings."""

    reader: Reader
    optimiser: torch.optim.Adam
    recipe: Recipe
    step: int = 0
    seconds: float = 0.0

    @classmethod
    def begin(cls, examples: Examples, recipe: Recipe, vocab: Vocabulary, labels: LabelSet, length: int,
              device: torch.device | str = "cpu") -> Training:
        """Fresh weights from the recipe's seed."""
        torch.manual_seed(recipe.seed)
        config = ReaderConfig(examples.kind, len(vocab), examples.classes, examples.lexicon, recipe.width, recipe.layers,
                              length=length)
        reader = Reader(config, vocab.fingerprint, labels.fingerprint if examples.kind == SLOTS else "")
        if examples.log_lexicon is not None:
            reader.lexicon.copy_(examples.log_lexicon)
        reader.to(device)
        return cls(reader, torch.optim.Adam(reader.parameters(), lr=recipe.lr, betas=BETAS), recipe)

    def run(self, examples: Any, soften: Any, minutes: float, say: Say, folder: Path) -> None:
        """Trains to the last step, or until the minutes are over, and leaves its state in the folder."""
        begun, before, losses = time.monotonic(), self.seconds, []
        while self.step < self.recipe.steps:
            soften.generator.manual_seed(self.recipe.seed + 1_000_003 * self.step)            # a step draws the same after a pause
            losses.append(self._update(examples, soften))
            self.seconds = before + time.monotonic() - begun
            if self.step % SAY_EVERY == 0:
                say(f"step {self.step} of {self.recipe.steps}: loss {sum(losses) / len(losses):.4f}, {self.seconds / 60:.1f} min")
                losses = []
            paused = time.monotonic() - begun > 60 * minutes
            if self.step % SAVE_EVERY == 0 or paused or self.step == self.recipe.steps:
                self.save(folder)
            if paused:
                break

    def batch_loss(self, examples: Any, soften: Any) -> Tensor:
        """Loss of one batch of examples, drawn by the generator of what makes their beliefs."""
        rows = torch.randint(len(examples.tokens), (self.recipe.batch,), generator=soften.generator)
        tokens = examples.tokens[rows]
        probs = soften(tokens.to(soften.device), self.step)
        return loss(self.reader, probs, [examples.targets[row] for row in rows], (tokens >= UNK).sum(1).tolist())

    def _update(self, examples: Any, soften: Any) -> float:
        recipe = self.recipe
        rate = min(1.0, (self.step + 1) / recipe.warmup) * (1 - self.step / recipe.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = recipe.lr * rate
        self.optimiser.zero_grad()
        value = self.batch_loss(examples, soften)
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.reader.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        return float(value.detach())

    # ---- pauses

    def save(self, folder: Path) -> None:
        """Writes what a training goes on from."""
        tensors = dict(self.reader.state_dict())
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in moments.items()}
        state.write(folder, self.step, tensors, {"seconds": self.seconds, **self._about()})

    def resume(self, folder: Path) -> None:
        """Goes on from the state in the folder.

        Raises:
            StudioError: there is none, or it is of another training.
        """
        tensors, info = state.read(folder)
        if {name: info.get(name) for name in self._about()} != self._about():
            raise StudioError(f"'{folder}' holds the state of another training. Give the folder, data and options of this one.")
        moments: dict[int, dict[str, Tensor]] = {}
        for name in [name for name in tensors if name.startswith("optimiser.")]:
            _, index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = tensors.pop(name)
        self.reader.load_state_dict(tensors)
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**whole, "state": moments})
        self.step, self.seconds = info["step"], info["seconds"]

    def _recipe(self) -> list[Any]:
        return [getattr(self.recipe, name) for name in Recipe.__dataclass_fields__]

    def _about(self) -> dict[str, Any]:
        return {"recipe": self._recipe(), "vocab": self.reader.vocab,
                "classes": [list(group) for group in self.reader.config.classes]}
