"""The encoder of a source text: read once, before the first step of a run."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.nn.backbone import Attention, network_precision


class EncoderBlock(nn.Module):
    """Attention and feed-forward, each on normed vectors and added to them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before_attention, self.before_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, M, W) with a mask (B, M), true where readable -> (B, M, W)."""
        hidden = self.before_attention(x)
        x = x + self.attention(hidden, hidden, mask)
        return x + self.down(F.gelu(self.up(self.before_feed(x)), approximate="tanh"))


class SourceEncoder(nn.Module):
    """Encodes sources whose words have the embeddings of the text, and whose slot markers have their own.

    Args:
        inputs: D, width of an embedding.
        width, layers, heads: W and the sizes of the transformer.
        length: M positions at most.
        markers: how many ids follow those of the words.
    """

    def __init__(self, inputs: int, width: int, layers: int, heads: int, length: int, markers: int) -> None:
        super().__init__()
        self.autocast = False
        self.markers = nn.Parameter(torch.randn(markers, inputs) * 0.5)
        self.inputs = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width))
        self.positions = nn.Parameter(torch.randn(length, width) * 0.02)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, source: Tensor, mask: Tensor, words: Tensor) -> Tensor:
        """source (B, M) ids, mask (B, M) true where readable, words (V, D) embeddings -> (B, M, W)."""
        with network_precision(source.device, self.autocast):
            vectors = F.embedding(source, torch.cat([words, self.markers]))
            hidden = self.inputs(vectors) + self.positions[: source.shape[1]]
            for block in self.blocks:
                hidden = block(hidden, mask)
            return self.norm(hidden)
