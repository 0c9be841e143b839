"""Copies of samples: seeds that depend on the sample's alone, and rows of whatever a sampler carries."""

import torch

from diffusion.core.copies import SEEDS, STRIDE, copied, rows
from diffusion.core.types import Gaussian, Prediction, Request
from diffusion.samplers.dpm_solver import Memory


def test_the_first_copy_is_the_sample_and_the_others_have_seeds_of_their_own():
    request = Request(seeds=(5, SEEDS - 1), particles=2, rerank=2, label=torch.tensor([[1, 2], [3, 4]]))
    many = copied(request)
    assert many.seeds[:2] == (5, 5 + STRIDE) and many.seeds[4:6] == (SEEDS - 1, STRIDE - 1)
    assert len(set(many.seeds)) == 8 and many.copies == 1
    assert many.label.tolist() == [[1, 2]] * 4 + [[3, 4]] * 4
    assert copied(request.with_(seeds=(SEEDS - 1,))).seeds == many.seeds[4:]


def test_one_copy_is_the_request_itself():
    request = Request(seeds=(1, 2))
    assert copied(request) is request


def test_what_holds_for_all_samples_is_not_repeated():
    request = Request(seeds=(1, 2), particles=3, label=torch.tensor([1, 2]), source=torch.tensor([[7, 1]]))
    assert copied(request).label.tolist() == [1, 2] and copied(request).source.tolist() == [[7, 1]]


def test_rows_are_taken_of_all_that_has_rows():
    x, index = torch.arange(12.0).reshape(3, 2, 2), torch.tensor([2, 0])
    state, memory, prediction = rows((Gaussian(x, -x), Memory(x, torch.ones(1)), Prediction(x, x, 2)), index, 3)
    assert torch.equal(state.x, x[index]) and torch.equal(state.x0_hat, -x[index])
    assert torch.equal(memory.x0_hat, x[index]) and memory.h.shape == (1,)
    assert prediction.nfe == 2 and prediction.probs is None and torch.equal(prediction.logits, x[index])
    assert rows(None, index, 3) is None
