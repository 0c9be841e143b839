"""The speed path `onednn` is the reference network to rounding, with fewer kernels."""

import pytest
import torch
from torch import nn

from diffusion.core import compute
from diffusion.nn.backbone import Backbone, BackboneConfig


class Model:
    """What a path needs to know of a model: a network with random weights."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.network = Backbone(BackboneConfig(width=32, layers=2, heads=2, length=12, label_sizes=(3, 4), time_width=16), 6, 20)
        for parameter in self.network.parameters():
            nn.init.normal_(parameter, std=0.3)


pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture
def both():
    """The reference and its `onednn` copy."""
    model = Model()
    return model.network.eval(), compute._prepared(model, "onednn")


@torch.no_grad()
def test_packed_network_gives_the_reference_to_rounding_and_a_row_alone_the_same_bits(both):
    plain, packed = both
    x, label = torch.randn(3, 12, 6), torch.randint(3, (3, 2))
    time = torch.full((1,), 0.4)
    expected, found = plain(x, time, label), packed(x, time, label)
    assert expected.abs().max() > 1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    for row in range(3):
        assert torch.equal(packed(x[row : row + 1], time, label[row : row + 1])[0], found[row])


def test_every_linear_map_is_packed_and_the_activation_is_part_of_the_one_before_it(both):
    plain, packed = both
    assert not any(isinstance(module, nn.Linear | nn.GELU) for module in packed.modules())
    assert all(isinstance(block.activation, nn.GELU) for block in plain.blocks)
    assert [block.up.then for block in packed.blocks] == [("gelu", "tanh")] * 2
    assert plain.state_dict().keys() == Model().network.state_dict().keys()
    assert not any("activation" in name for name in plain.state_dict())
