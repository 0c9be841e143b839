"""Readers of the small world, fitted in a moment to texts that say what they are told to."""

import random
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F

from controllers.probes.reader import Reader, ReaderConfig
from tests.controllers.small import CONTEXT, LABELS, LENGTH, VOCAB

SAID = {"area": {"city centre": "in the city centre", "riverside": "by the riverside"},
        "familyFriendly": {"no": "not family friendly", "yes": "family friendly"},
        "food": {"French": "French food", "Italian": "Italian pub"},
        "name": {"Aromi": "Aromi is", "The Vaults": "The Vaults is"}, "near": {"Café Rouge": "near Café Rouge"},
        "customer rating": {"5 out of 5": "5 out of 5 stars", "low": "no stars"}}


@lru_cache(maxsize=1)
def slots_reader() -> Reader:
    """Reads the slots of the small world, from certain beliefs and softened ones."""
    torch.manual_seed(1)
    draw = random.Random(1)
    classes = tuple(("absent", *values) for values in LABELS.slots.values())
    built = Reader(ReaderConfig("slots", len(VOCAB), classes, width=32, layers=1, heads=2, length=2 * LENGTH),
                   VOCAB.fingerprint, LABELS.fingerprint)
    optimiser = torch.optim.Adam(built.parameters(), 8e-3)
    for _ in range(220):
        rows, label = zip(*[_text(draw) for _ in range(32)], strict=True)
        one_hots = F.one_hot(torch.stack(rows), len(VOCAB)).float()
        soft = torch.rand(32, 1, 1) * (torch.rand(32, 1, 1) < 0.5)
        logits = built.groups(built((1 - soft) * one_hots + soft / len(VOCAB)))
        loss = sum(F.cross_entropy(each, target, reduction="none") for each, target in
                   zip(logits, torch.stack(label).T, strict=True))
        optimiser.zero_grad()
        (loss * (1 - soft[:, 0, 0])).mean().backward()
        optimiser.step()
    return built.eval()


def _text(draw: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    """A row of words that says some slots in any order, and the class of each slot."""
    said = {slot: draw.choice(list(values)) for slot, values in SAID.items() if draw.random() < 0.4}
    parts = [SAID[slot][value] for slot, value in said.items()] + draw.sample(["a cheap pub", "it has", ",", "."], 2)
    draw.shuffle(parts)
    row = VOCAB.row(" ".join(" ".join(parts).split()[: LENGTH - 1]), LENGTH)
    kept = {slot: value for slot, value in said.items() if SAID[slot][value] in " ".join(VOCAB.tokens(row))}
    return row, CONTEXT.labels.encode(kept) - 1


def save_readers(folder: Path) -> None:
    """Writes the fitted readers where controllers look for them."""
    slots_reader().save(folder / "slots")
