"""The direction in which a controller's log-probability rises, on the scale of wishes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SMALLEST = 1e-20         # a gradient below this is rounding, and gives no direction


def ascent(log_prob: Callable[[Tensor], Tensor], logits: Tensor) -> Tensor:
    """Gradient of `log_prob` with respect to the logits, each row scaled so that its largest entry is 1, (B, L, V).

    Sampling runs without gradients; this turns them on for the belief alone, not for the model behind it.

    Args:
        log_prob: of beliefs (B, L, V) -> (B,), each row of its own.
        logits: (B, L, V), finite. A row whose gradient vanishes gives zeros.
    """
    with torch.enable_grad():
        leaf = logits.detach().requires_grad_()
        slope = torch.autograd.grad(log_prob(leaf.softmax(-1)).sum(), leaf)[0]
    largest = slope.abs().amax((1, 2), keepdim=True)
    return torch.where(largest > SMALLEST, slope / largest.clamp(min=SMALLEST), torch.zeros_like(slope))
