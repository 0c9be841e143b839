"""LD4LG's autoencoder: a language model's features become a few latent vectors, and latent vectors become features again.

Resampler: learned queries read the encoder's features and become `latents` vectors of root mean square 1.
Reconstruction: the latents are mixed, then one query for each position of the text reads them; what it reads becomes the
features that the frozen decoder attends to, and, through one linear map, the probe's belief about the word there.

Source: Lovelace et al. (2023), arXiv 2212.09462; Perceiver: Jaegle et al. (2021); normalised attention: Henry et al. (2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.nn.backbone import network_precision

SHARP = 2.0              # how fast a latent's attention falls off around its place at the start, in the exponent a word


@dataclass(frozen=True, slots=True)
class AutoencoderConfig:
    """Sizes of the autoencoder.

    Attributes:
        latents, latent_width: number and width of the latent vectors; the paper has 32 of 64.
        width: inside of both networks.
        layers: of the resampler; the reconstruction has as many that mix the latents and one that reads them by position.
        probe_weight: how much of the belief about a place the decoder hears while it writes; 0 in the paper.
    """

    latents: int = 40
    latent_width: int = 48
    width: int = 192
    layers: int = 2
    heads: int = 4
    probe_weight: float = 1.0


def unit(x: Tensor) -> Tensor:
    """Latents (..., D) with every vector at root mean square 1; the zero vector stays."""
    return F.normalize(x, dim=-1) * x.shape[-1] ** 0.5


class NormedAttention(nn.Module):
    """Attention whose queries and keys are scaled to root mean square 1 times a learned gain, so that scores stay bounded."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, size = heads, width // heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.query_gain = nn.Parameter(torch.ones(size))
        self.key_gain = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None, near: Tensor | None = None) -> Tensor:
        """Queries x (B, N, W), keys and values from memory (B, M, W) -> (B, N, W).

        Args:
            mask: (B, M), true where memory can be read.
            near: (heads, N, M), added to the scores.
        """
        batch, length, width = x.shape
        query = self.query(x).view(batch, length, self.heads, -1).transpose(1, 2)
        key, value = self.key_value(memory).view(batch, memory.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key = unit(query) * self.query_gain, unit(key) * self.key_gain
        mixed = _attend(query.to(value.dtype), key.to(value.dtype), value, _added(mask, near))
        return self.out(mixed.transpose(1, 2).reshape(batch, length, width))


def _added(mask: Tensor | None, near: Tensor | None) -> Tensor | None:
    """What is added to the scores (B, heads, N, M): -inf where the mask (B, M) forbids, `near` elsewhere."""
    if mask is None:
        return near
    unread = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, -torch.inf)[:, None, None]
    return unread if near is None else unread + near


def _attend(query: Tensor, key: Tensor, value: Tensor, added: Tensor | None) -> Tensor:
    """Scaled dot-product attention; written out where gradients are wanted, where torch's fused backward is slow."""
    if not torch.is_grad_enabled():
        return F.scaled_dot_product_attention(query, key, value, attn_mask=None if added is None else added.to(query.dtype))
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return (scores if added is None else scores + added).softmax(-1).to(value.dtype) @ value


class Layer(nn.Module):
    """Attention to a memory, or to itself where there is none, then a feed-forward network; layer norms in front."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = NormedAttention(width, heads)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None,
                near: Tensor | None = None) -> Tensor:
        """x (B, N, W), memory (B, M, W), mask (B, M), near (heads, N, M) -> (B, N, W)."""
        hidden = self.norm1(x)
        x = x + self.attention(hidden, hidden if memory is None else memory, mask, near)
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Resampler(nn.Module):
    """Features (B, N, F) of any length -> `latents` vectors (B, l, D) of root mean square 1.

    Each latent begins with its attention at a place of its own: one head at word i, the next at word i + l, and so on. From
    there it is learned; without it the networks need many times as long to find out which latent holds what.
    """

    def __init__(self, config: AutoencoderConfig, features: int, length: int) -> None:
        super().__init__()
        width = config.width
        self.inputs, self.norm = nn.Linear(features, width), nn.LayerNorm(width)
        self.positions = nn.Parameter(torch.randn(length, width) * 0.5)
        self.queries = nn.Parameter(torch.randn(config.latents, width) * 0.5)
        self.layers = nn.ModuleList(Layer(width, config.heads) for _ in range(config.layers))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.latent_width))
        passes, head = -(-length // config.latents), torch.arange(config.heads)[:, None, None]
        place = torch.arange(config.latents)[:, None] + config.latents * (head % passes)
        self.near = nn.Parameter(-SHARP * (torch.arange(length) - place).abs().float())     # (heads, l, L)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features (B, N, F) with mask (B, N) -> (B, l, D)."""
        memory = self.norm(self.inputs(features) + self.positions[: features.shape[1]])
        x = self.queries.expand(len(features), -1, -1)
        readable = F.pad(mask, (0, x.shape[1]), value=True)
        near = F.pad(self.near[..., : features.shape[1]], (0, x.shape[1]), value=-SHARP)
        for layer in self.layers:
            x = layer(x, torch.cat([memory, x.to(memory.dtype)], 1), readable, near)         # each latent reads the others too
        return unit(self.out(x).float())


class Reconstruction(nn.Module):
    """Latents (B, l, D), noisy or averaged ones too -> one vector for each position of the text, (B, L, W).

    The latents come as they are, not scaled anew: how short they are says how little is known.
    """

    def __init__(self, config: AutoencoderConfig, length: int) -> None:
        super().__init__()
        width = config.width
        self.inputs = nn.Linear(config.latent_width, width)
        self.positions = nn.Parameter(torch.randn(config.latents, width) * 0.5)
        self.queries = nn.Parameter(torch.randn(length, width) * 0.5)
        self.layers = nn.ModuleList(Layer(width, config.heads) for _ in range(config.layers))
        apart = (torch.arange(length)[:, None] % config.latents - torch.arange(config.latents)).abs().float()
        wide = torch.linspace(1, 0.25, config.heads)[:, None, None]
        self.near = nn.Parameter(-SHARP * wide * apart)                                      # (heads, L, l)
        self.reader, self.norm, self.memory_norm = Layer(width, config.heads), nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, length: int) -> Tensor:
        """x (B, l, D) -> (B, length, W)."""
        hidden = self.inputs(x) + self.positions
        for layer in self.layers:
            hidden = layer(hidden)
        queries = self.queries[:length].expand(len(x), -1, -1)
        return self.norm(self.reader(queries, self.memory_norm(hidden), near=self.near[:, :length]))


class Autoencoder(nn.Module):
    """Resampler, reconstruction and probe around a frozen language model with features of width F.

    `temperature` is what the probe's logits are divided by, fitted on held-out rows.

    Args:
        words: how many the probe tells apart.
        table: the language model's own vectors of them (V, F), which it then uses; None to learn others.
    """

    temperature: Tensor

    def __init__(self, config: AutoencoderConfig, features: int, length: int, words: int,
                 table: Callable[[], Tensor] | None = None) -> None:
        super().__init__()
        self.config, self.autocast = config, False
        self.resampler = Resampler(config, features, length)
        self.reconstruction = Reconstruction(config, length)
        self.features = nn.Linear(config.width, features)
        self.probe = nn.Linear(config.width, features if table else words)
        self.bias, self.table = nn.Parameter(torch.zeros(words)), table
        self.register_buffer("temperature", torch.ones(()))

    def encode(self, features: Tensor, mask: Tensor) -> Tensor:
        """Latents (B, l, D) of the language model's features (B, N, F) with mask (B, N)."""
        with network_precision(features.device, self.autocast):
            return self.resampler(features, mask)

    def read(self, x: Tensor, length: int) -> Tensor:
        """What each position reads in latents (B, l, D), (B, length, W)."""
        with network_precision(x.device, self.autocast):
            return self.reconstruction(x, length)

    def logits(self, x: Tensor, length: int) -> Tensor:
        """The probe's belief about the word at each position, (B, l, D) -> (B, length, V), before its temperature."""
        return self.believe(self.read(x, length))

    def believe(self, slots: Tensor) -> Tensor:
        """The probe's logits of what was read, (B, L, W) -> (B, L, V)."""
        with network_precision(slots.device, self.autocast):
            said = self.probe(slots)
            if self.table is not None:                   # rare words are known from the start: a map into them is learned
                said = said @ (self.table() * said.shape[-1] ** -0.5).T.to(said.dtype)
            return said.float() + self.bias

    def decode(self, slots: Tensor) -> Tensor:
        """Features for the frozen decoder of what was read, (B, L, W) -> (B, L, F)."""
        with network_precision(slots.device, self.autocast):
            return self.features(slots).float()
