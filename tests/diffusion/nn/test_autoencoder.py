"""The autoencoder's parts: what must not matter does not, what must does; the frozen language model writes what it scores."""

from __future__ import annotations

import pytest
import torch

from diffusion.nn.autoencoder import Autoencoder, AutoencoderConfig, NormedAttention, unit
from diffusion.nn.backbone import Backbone, BackboneConfig
from diffusion.nn.codec import Remembered
from diffusion.nn.denoiser import DenseBackbone
from diffusion.nn.language_model import LanguageModel, LanguageModelConfig
from diffusion.text.vocab import END, PAD
from tests.tiny import tiny_labels, tiny_model, tiny_vocab

CONFIG = AutoencoderConfig(latents=4, latent_width=8, width=16, layers=2, heads=2)


def autoencoder(features: int = 12, length: int = 10, words: int = 9) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(CONFIG, features, length, words).eval()


def features(rows: int = 3, length: int = 7, width: int = 12, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, length, width, generator=torch.Generator().manual_seed(seed))


def test_unit_vectors_have_root_mean_square_1_and_the_zero_vector_stays():
    x = torch.cat([features(), torch.zeros(1, 7, 12)])
    torch.testing.assert_close(unit(x).square().mean(-1), torch.cat([torch.ones(3, 7), torch.zeros(1, 7)]))


def test_attention_does_not_depend_on_the_size_of_its_queries_and_keys():
    torch.manual_seed(0)
    attention, x = NormedAttention(16, 2), features(width=16)
    before = attention(x, x)
    with torch.no_grad():
        attention.query.weight.mul_(30), attention.query.bias.mul_(30)
        attention.key_value.weight[:16].mul_(0.1), attention.key_value.bias[:16].mul_(0.1)
    torch.testing.assert_close(attention(x, x), before, rtol=1e-4, atol=1e-5)


def test_what_is_masked_in_the_features_does_not_reach_the_latents():
    model, x, mask = autoencoder(), features(), torch.ones(3, 7, dtype=torch.bool)
    mask[:, 5:] = False
    other = torch.cat([x[:, :5], 9 * torch.randn(3, 2, 12)], 1)
    torch.testing.assert_close(model.encode(x, mask), model.encode(other, mask))
    assert not torch.allclose(model.encode(x, mask), model.encode(x, torch.ones_like(mask)), atol=1e-3)
    torch.testing.assert_close(model.encode(x[:, :5], mask[:, :5]), model.encode(x, mask))


def test_latents_know_the_order_of_the_features():
    model, x, mask = autoencoder(), features(), torch.ones(3, 7, dtype=torch.bool)
    assert not torch.allclose(model.encode(x, mask), model.encode(x.flip(1), mask), atol=1e-2)


def test_a_short_text_is_read_as_the_beginning_of_a_long_one():
    model, x = autoencoder(), features(length=4, width=8)
    torch.testing.assert_close(model.logits(x, 10)[:, :6], model.logits(x, 6))
    torch.testing.assert_close(model.decode(model.read(x, 10))[:, :6], model.decode(model.read(x, 6)))


def test_every_latent_has_a_say_at_every_position():
    x = features(rows=1, length=4, width=8).requires_grad_()
    logits = autoencoder().logits(x, 10)
    for place in range(10):
        slope = torch.autograd.grad(logits[0, place].square().sum(), x, retain_graph=True)[0]
        assert (slope.abs().sum(-1) > 1e-6).all()


# ---- dense connections


@pytest.mark.parametrize("layers", [1, 4, 8])
def test_a_dense_backbone_begins_close_to_a_plain_one_and_its_joins_have_a_say(layers):
    config = BackboneConfig(width=16, layers=layers, heads=2, length=5, label_sizes=(3, 4), time_width=16)
    torch.manual_seed(0)
    dense = DenseBackbone(config, 8, 8)
    with torch.no_grad():                                # a new backbone gives zeros: let it give something
        for name, weight in dense.named_parameters():
            if "modulation" in name or name.startswith("outputs"):
                weight.normal_(std=0.3)
    plain = Backbone(config, 8, 8)
    plain.load_state_dict({name: value for name, value in dense.state_dict().items() if "joins" not in name})
    inputs = features(length=5, width=8), torch.tensor([0.1, 0.5, 0.9]), torch.tensor([[0, 1], [2, 3], [0, 0]])
    assert len(dense.joins) == layers // 4
    torch.testing.assert_close(dense(*inputs), plain(*inputs), rtol=0, atol=0.3)
    dense(*inputs).square().sum().backward()
    assert all(join.weight.grad[:, 16:].abs().max() > 1e-4 for join in dense.joins)


# ---- the language model


def language_model() -> LanguageModel:
    return tiny_model("ld4lg").codec.language_model


def test_the_writer_writes_what_the_scorer_finds_most_likely():
    model = language_model()
    read = features(rows=4, length=5, width=16)
    written = model.write(read, 10)
    likely = model.logits(read, written).argmax(-1)
    before_end = (written == END).cumsum(1) - (written == END).long() == 0
    assert torch.equal(written[before_end], likely[before_end])
    assert (written[~before_end] == PAD).all()


def test_the_writer_obeys_its_rules_at_every_place():
    model, read = language_model(), features(rows=4, length=5, width=16)
    allowed = torch.rand(10, model.size, generator=torch.Generator().manual_seed(0)) < 0.3
    allowed[:, END], allowed[:, 4] = False, True
    rules = torch.zeros(10, model.size).masked_fill(~allowed, -torch.inf)
    written = model.write(read, 10, rules)
    assert written.shape == (4, 10)
    assert allowed.expand(4, -1, -1).gather(2, written[..., None]).all()


def test_what_is_padding_in_a_text_is_not_read():
    model = language_model()
    ids = torch.tensor([[4, 5, 6, END]])
    short, mask = model.encode(ids)
    long, padded = model.encode(torch.nn.functional.pad(ids, (0, 3), value=PAD))
    torch.testing.assert_close(long[:, :4], short)
    assert mask.all() and padded.tolist() == [[True] * 4 + [False] * 3]


def test_the_bundled_model_begins_ready_to_copy():
    """One head of its encoder looks at the word before, one at the word behind; queries and keys have one size."""
    torch.manual_seed(0)
    model = LanguageModel(LanguageModelConfig(width=32, layers=1, heads=4, length=16), tiny_vocab(), tiny_labels())
    attention = model.network.encoder.block[0].layer[0].SelfAttention
    bias = attention.compute_bias(9, 9)[0]               # (heads, from, to)
    assert bias[0, 4].argmax() == 3 and bias[1, 4].argmax() == 5
    assert bias[0, 4, 3] > 3 and bias[1, 4, 5] > 3 and bias[2:].abs().max() < 3
    assert 0.5 < attention.q.weight.std() / attention.k.weight.std() < 2
    assert model.sentinel == len(tiny_vocab()) + len(tiny_labels().slots)


def test_what_is_remembered_is_computed_once_whatever_the_padding():
    seen: list[int] = []

    def compute(rows: torch.Tensor) -> torch.Tensor:
        seen.append(len(rows))
        return rows.float().sum(1)

    remembered, rows = Remembered(most=3), torch.tensor([[4, 1, 0], [256, 1, 0], [4, 1, 0]])
    assert [float(value) for value in remembered(rows, compute)] == [5, 257, 5]
    assert [float(value) for value in remembered(torch.tensor([[256, 1, 0, 0], [1, 0, 0, 0]]), compute)] == [257, 1]
    assert [float(value) for value in remembered(torch.tensor([[7, 1], [7, 1]]), compute)] == [8, 8]
    assert seen == [2, 1, 1] and len(remembered.known) == 3
