"""Every paper on a device that is not the CPU, pretended: it trains, bounds and writes there, and writes the same texts."""

import pytest
import torch

import diffusion
from diffusion.core.rng import BatchRng
from diffusion.core.types import Request
from diffusion.text import source
from tests.contract.papers import PAIRS, WITH_WEIGHTS
from tests.support.elsewhere import MixedDevices, carry, elsewhere
from tests.tiny import tiny_model


def test_tensors_of_two_devices_do_not_mix():
    with elsewhere() as device:
        there = torch.ones(3, device=device)
        assert there.device == device and (there + torch.tensor(2.0)).tolist() == [3, 3, 3]
        with pytest.raises(MixedDevices):
            there + torch.ones(3)
        assert (there.cpu() + torch.ones(3)).tolist() == [2, 2, 2]


def rows(model):
    tokens = torch.full((2, model.length), 0)
    tokens[:, :3] = torch.tensor([[4, 5, 1], [6, 1, 0]])
    return tokens, model.labels.free().expand(2, -1)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_a_paper_trains_and_bounds_on_another_device_as_on_the_cpu(name):
    found = []
    for model in (tiny_model(name), carry(tiny_model(name))):
        with elsewhere():
            device = next(model.parameters()).device
            (tokens, label), rng = rows(model), BatchRng(torch.Generator().manual_seed(1), 2, device)
            told = [source.empty().expand(2, -1).to(device)] if model.source else []
            model.train()
            loss = model.loss(tokens.to(device), label.to(device), rng, *told)
            loss.mean().backward()
            model.eval()
            with torch.no_grad():
                bound = model.bound(tokens.to(device), label.to(device), rng)
            found.append((loss.detach().cpu(), bound.cpu()))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize(("name", "sampler"), [pair for pair in PAIRS if pair[0] in WITH_WEIGHTS])
def test_a_paper_writes_on_another_device_what_it_writes_on_the_cpu(name, sampler):
    model = tiny_model(name)
    label = model.labels.free()
    label[0] = 2
    request = Request(length=model.length, seeds=(3, 4), steps=4, sampler=sampler, label=label, guidance_scale=2.0)
    near = diffusion.generate(model, request).run()
    with elsewhere():
        far = diffusion.generate(carry(model), request).run()     # the model that has written here
    assert near.ids.tolist() == far.ids.tolist()
