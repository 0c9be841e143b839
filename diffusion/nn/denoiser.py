"""The backbone with dense connections, for latents whose positions have no order of their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffusion.nn.backbone import Backbone, BackboneConfig


class DenseBackbone(Backbone):
    """A backbone whose first blocks hand their outputs to its last ones too, the latest first; a quarter of them each.

    Source: Lovelace et al. (2023), 3 of 12 blocks; Bao et al. (2023), U-ViT.
    """

    def __init__(self, config: BackboneConfig, inputs: int, outputs: int) -> None:
        super().__init__(config, inputs, outputs)
        width = config.width
        self.joins = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(config.layers // 4))
        for join in self.joins:                          # at first what comes along the blocks alone
            nn.init.normal_(join.weight[:, width:], std=0.02 * width**-0.5)
            nn.init.eye_(join.weight[:, :width])
            nn.init.zeros_(join.bias)

    def walk(self, hidden: Tensor, time: Tensor, source: Tensor | None, mask: Tensor | None) -> Tensor:
        """Through all blocks: hidden (B, S + L, W), time (B, time_width), source (B, M, W) with mask (B, M)."""
        kept: list[Tensor] = []
        joins, last = list(self.joins), len(self.blocks) - len(self.joins)
        for index, block in enumerate(self.blocks):
            if index >= last:
                hidden = joins[index - last](torch.cat([hidden, kept.pop()], -1))
            hidden = block(hidden, time, source, mask)
            if index < len(joins):
                kept.append(hidden)
        return hidden
