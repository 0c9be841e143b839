"""The direction in which a belief has to change for a wish to come true: the gradient of its log-probability."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

FAINT = 1e-3             # slope of a log-probability by a logit below which a wish fades instead of being scaled up


def slope(log_prob: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Gradient of log_prob(softmax(logits)) by the logits, row by row, (B, L, V); also where nothing else wants gradients.

    Args:
        log_prob: from beliefs (B, L, V) to (B,), each row from its own belief alone; differentiable.
        logits: (B, L, V); -inf rules a word out, whose slope is 0.
    """
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_()
        return torch.autograd.grad(log_prob(leaf.softmax(-1)).sum(), leaf)[0]


def ascent(log_prob: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """The slope of each row, scaled so that its largest absolute entry is 1: `nats` times it is what a control asks for.

    A row whose slope is nowhere above `FAINT` has its wish already, or no way to it: its entries stay below 1.

    Args:
        log_prob, logits: as for `slope`.
    """
    steep = slope(log_prob, logits)
    return steep / steep.abs().amax((1, 2), keepdim=True).clamp(min=FAINT)
