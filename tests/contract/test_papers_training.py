"""The promises that every paper keeps about its forward process, its training and its checkpoints."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core import checkpoint
from diffusion.core.rng import BatchRng, Rng
from tests.contract.papers import SEEDS, WITH_WEIGHTS, ask, halfway, model, sources, text_rows, told
from tests.tiny import AS_IN_THE_PAPER, NAMES, kind_of, tiny_model


def tensors(state: Any) -> list[Tensor]:
    """The tensors of a state, in order."""
    if isinstance(state, Tensor):
        return [state]
    values = [getattr(state, field.name) for field in dataclasses.fields(state)]
    return [value if isinstance(value, Tensor) else torch.tensor(float(value)) for value in values]


# ---- the forward process


# The paper's own head rounds what was trained with it: of random vectors of different lengths another may win. Where states
# are not made of words, an untrained decoder writes anything.
@pytest.mark.parametrize("name", [name for name in NAMES if kind_of(name).hard and not name.endswith(AS_IN_THE_PAPER)])
def test_noise_at_time_0_decodes_to_the_text(name):
    assert torch.equal(model(name).decode(model(name).noise(text_rows(name), 0.0, Rng(SEEDS))), text_rows(name))


@pytest.mark.parametrize("name", NAMES)
def test_noise_at_time_1_says_nothing_about_the_text(name):
    """With the same noise, two texts end in the same state; halfway they do not."""
    def apart(t: float) -> float:
        first, second = (
            tensors(model(name).noise(rows, t, Rng(SEEDS))) for rows in (text_rows(name), text_rows(name).flip(0))
        )
        return max(
            (left.double() - right.double()).abs().max().item() for left, right in zip(first, second, strict=True)
        )

    assert apart(1.0) < 5e-3 < 0.2 < apart(0.3)


@pytest.mark.parametrize("name", NAMES)
def test_noise_at_time_1_has_the_distribution_that_sampling_starts_from(name):
    rng, many = Rng(range(2_000)), text_rows(name)[:1].expand(2_000, -1)
    noised, started = (
        tensors(model(name).noise(many, 1.0, rng)),
        tensors(model(name).prior(ask(name, tuple(range(2_000))), rng)),
    )
    for left, right in zip(noised, started, strict=True):
        left, right = left.double(), right.double()
        spread = right.std(correction=0).item()
        assert left.mean().item() == pytest.approx(right.mean().item(), abs=0.02 * max(1, spread))
        assert left.std(correction=0).item() == pytest.approx(spread, abs=0.02 * max(1, spread))


# ---- training


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_bound_are_one_number_for_each_row(name):
    rows, label = text_rows(name), model(name).labels.free().expand(5, -1)
    for measure in (model(name).loss, model(name).bound):
        values = measure(rows, label, BatchRng(torch.Generator().manual_seed(0), 5))
        assert values.shape == (5,) and torch.isfinite(values).all() and (values >= 0).all()


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_every_weight_that_the_loss_reads_gets_a_gradient(name):
    """Weights that only the paper's own settings use may have none."""
    paper = tiny_model(name).train()
    label = told(name).expand(5, -1)
    paper.loss(text_rows(name), label, BatchRng(torch.Generator().manual_seed(0), 5), *sources(name)).mean().backward()
    trained = {name: weight for name, weight in paper.named_parameters() if weight.requires_grad}
    without = {name for name, weight in trained.items() if weight.grad is None or not weight.grad.abs().any()}
    assert without == set(), without


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_a_few_steps_of_training_on_one_batch_lower_the_loss(name):
    paper = tiny_model(name).train()
    rows, label = text_rows(name), paper.labels.free().expand(5, -1)
    optimiser = torch.optim.AdamW(paper.parameters(), lr=1e-2)

    def loss(seed: int) -> Tensor:
        return paper.loss(rows, label, BatchRng(torch.Generator().manual_seed(seed), 5), *sources(name)).mean()

    first = sum(loss(seed).item() for seed in range(8))
    for seed in range(100, 160):
        optimiser.zero_grad()
        loss(seed).backward()
        optimiser.step()
    assert sum(loss(seed).item() for seed in range(8)) < 0.7 * first


# ---- checkpoints


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_round_trip_keeps_every_logit(name, tmp_path):
    """Weights are kept in bf16: the first saving rounds them, and from then on nothing changes any more."""
    tiny_model(name).save_pretrained(tmp_path / "first")
    once = kind_of(name).from_pretrained(str(tmp_path / "first"))
    once.save_pretrained(tmp_path / "second")
    twice = (
        diffusion.load(str(tmp_path / "second"))
        if not once.weightless
        else once.from_pretrained(str(tmp_path / "second"))
    )
    rounded = tiny_model(name)
    with torch.no_grad():
        for weight in rounded.parameters():
            weight.copy_(weight.bfloat16())
        logits = [paper.predict(halfway(name, 1.0), 1.0, ask(name)).logits for paper in (once, twice, rounded)]
    assert torch.equal(logits[0], logits[1]) and torch.equal(logits[0], logits[2])
    assert once.hash == twice.hash
    first, second = ((tmp_path / folder / checkpoint.WEIGHTS).read_bytes() for folder in ("first", "second"))
    assert first == second
