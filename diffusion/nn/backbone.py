"""The transformer that every paper uses: time through adaLN in every block, the label as tokens in front.

Label slots stand before the sequence as eight tokens, so that any word can attend to the value it should name; the
autoregressive baseline takes its label the same way. Time modulates every block, because a time vector that is
only added to the input tends to be ignored (Nosaka 2025).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Sizes of the backbone; `label_sizes` holds the number of values of each slot, absent and unknown included."""

    width: int = 192
    layers: int = 4
    heads: int = 4
    length: int = 64
    label_sizes: tuple[int, ...] = ()
    time_width: int = 128
    dropout: float = 0.0
    source: bool = False


def network_precision(device: torch.device, autocast: bool) -> torch.autocast:
    """bf16 autocast around a network's forward, where asked for; the diffusion maths outside stays fp32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=autocast)


class TimeEmbedding(nn.Module):
    """A vector for each time: sinusoids of 1000 t, then two linear maps."""

    def __init__(self, width: int, features: int = 64) -> None:
        super().__init__()
        frequencies = torch.exp(torch.arange(features // 2) * (-math.log(10_000) / (features // 2)))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.hidden = nn.Linear(features, width)
        self.out = nn.Linear(width, width)

    def forward(self, t: Tensor) -> Tensor:
        """(B,) in [0, 1] -> (B, W)."""
        angles = 1000 * t.float()[:, None] * self.frequencies
        waves = torch.cat([angles.cos(), angles.sin()], -1).to(self.hidden.weight.dtype)
        return self.out(F.silu(self.hidden(waves)))


class LabelEmbedding(nn.Module):
    """A token for each slot, from one table that holds the values of all slots one after the other."""

    def __init__(self, sizes: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(sum(sizes), width)
        nn.init.normal_(self.table.weight, std=0.02)
        starts = torch.tensor([0, *sizes[:-1]]).cumsum(0)
        self.register_buffer("starts", starts, persistent=False)

    def forward(self, label: Tensor) -> Tensor:
        """(B, S) value ids -> (B, S, W)."""
        return self.table(label + self.starts)


class Attention(nn.Module):
    """Multi-head attention without a mask: to itself, or to a source."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Queries x (B, L, W), keys and values from memory (B, M, W), mask (B, M) true where readable."""
        batch, length, width = x.shape
        query = self.query(x).view(batch, length, self.heads, -1).transpose(1, 2)
        key, value = self.key_value(memory).view(batch, memory.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value, None if mask is None else mask[:, None, None, :])
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


def attend(query: Tensor, key: Tensor, value: Tensor, readable: Tensor | None) -> Tensor:
    """Scaled dot-product attention; written out where gradients are wanted on a CPU.

    There torch's fused backward takes 40% of a training step, the plain products a tenth of it.
    """
    if query.is_cuda or not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, key, value, attn_mask=readable)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if readable is not None:
        scores = scores.masked_fill(~readable, float("-inf"))
    return scores.softmax(-1).to(value.dtype) @ value


class Block(nn.Module):
    """Attention and feed-forward, each shifted, scaled and gated by the time vector (adaLN-zero, Peebles & Xie 2023)."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        width = config.width
        self.width, self.dropout = width, config.dropout
        self.attention = Attention(width, config.heads)
        self.source = Attention(width, config.heads) if config.source else None
        self.up = nn.Linear(width, 4 * width)
        self.activation = nn.GELU(approximate="tanh")
        self.down = nn.Linear(4 * width, width)
        self.modulation = nn.Linear(config.time_width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def norm(self, x: Tensor) -> Tensor:
        """Layer norm without parameters: scale and shift come from the time vector."""
        return F.layer_norm(x, (self.width,))

    def forward(self, x: Tensor, time: Tensor, source: Tensor | None, mask: Tensor | None) -> Tensor:
        """x (B, L, W), time (B, time_width), source (B, M, W) with mask (B, M) -> (B, L, W)."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(time)[:, None].chunk(6, -1)   # (B, 1, W) each
        hidden = torch.addcmul(shift1, self.norm(x), 1 + scale1)
        x = torch.addcmul(x, self._drop(self.attention(hidden, hidden)), gate1)
        if self.source is not None and source is not None:
            x = x + self._drop(self.source(self.norm(x), source, mask))
        hidden = torch.addcmul(shift2, self.norm(x), 1 + scale2)
        return torch.addcmul(x, self._drop(self.down(self.activation(self.up(hidden)))), gate2)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class Backbone(nn.Module):
    """Vectors in, vectors out, at every position, given time, label and optionally an encoded source.

    Args:
        config: sizes.
        inputs: width of the vectors that come in.
        outputs: width of the vectors that go out.
    """

    def __init__(self, config: BackboneConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        self.config, self.autocast = config, False
        width, slots = config.width, len(config.label_sizes)
        self.inputs = nn.Linear(inputs, width)
        self.positions = nn.Parameter(torch.randn(slots + config.length, width) * 0.02)
        self.time = TimeEmbedding(config.time_width)
        self.label = LabelEmbedding(config.label_sizes, width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.modulation = nn.Linear(config.time_width, 2 * width)
        self.outputs = nn.Linear(width, outputs)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, x: Tensor, t: Tensor, label: Tensor, source: Tensor | None = None,
                source_mask: Tensor | None = None) -> Tensor:
        """x (B, L, inputs), t (B,) in [0, 1], label (B, S), source (B, M, W) -> (B, L, outputs)."""
        with network_precision(x.device, self.autocast):
            return self._forward(x, t, label, source, source_mask)

    def _forward(self, x: Tensor, t: Tensor, label: Tensor, source: Tensor | None, source_mask: Tensor | None) -> Tensor:
        slots = label.shape[1]
        time = F.silu(self.time(t))
        hidden = torch.cat([self.label(label), self.inputs(x.to(self.inputs.weight.dtype))], 1)
        hidden = hidden + self.positions[: hidden.shape[1]]
        source = None if source is None else source.to(hidden.dtype)
        hidden = self.walk(hidden, time, source, source_mask)
        shift, scale = self.modulation(time)[:, None].chunk(2, -1)
        hidden = F.layer_norm(hidden[:, slots:], (self.config.width,))
        return self.outputs(torch.addcmul(shift, hidden, 1 + scale))

    def walk(self, hidden: Tensor, time: Tensor, source: Tensor | None, mask: Tensor | None) -> Tensor:
        """Through all blocks: hidden (B, S + L, W), time (B, time_width), source (B, M, W) with mask (B, M)."""
        for block in self.blocks:
            hidden = block(hidden, time, source, mask)
        return hidden
