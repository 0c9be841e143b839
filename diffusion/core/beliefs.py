"""What can be read off a belief: the most likely text, and how far steering moved it."""

from __future__ import annotations

import torch
from torch import Tensor

from diffusion.core.types import Request
from diffusion.text.vocab import END, PAD, UNK


def most_likely_text(logits: Tensor) -> Tensor:
    """The most likely row of the form words, END, PAD ... PAD, (B, L, V) -> (B, L).

    A belief is one distribution for each position and does not know that PAD only follows END, so the best place of END is
    found over all of them at once. UNK is never chosen, nor is a text without words.
    """
    log_probs = torch.log_softmax(logits.float(), -1).clamp(min=-1e4)
    words = log_probs.clone()
    words[..., [PAD, END, UNK]] = -torch.inf
    best, ids = words.max(-1)                                                 # (B, L) each
    before = best.clamp(min=-1e4).cumsum(1) - best.clamp(min=-1e4)            # words at 0 .. l-1
    pad = log_probs[..., PAD]
    after = pad.flip(1).cumsum(1).flip(1) - pad                               # PAD at l+1 .. L-1
    score = before + log_probs[..., END] + after
    score[:, 0] = -torch.inf
    end = score.argmax(1, keepdim=True)                                       # (B, 1)
    position = torch.arange(logits.shape[1], device=logits.device)
    ids = torch.where(position < end, ids, torch.full_like(ids, PAD))
    return ids.scatter(1, end, END)


def of_noisy(x: Tensor, table: Tensor, signal: Tensor, variance: Tensor) -> Tensor:
    """Which embedding a noisy vector is of, log-probabilities (B, L, V), all words equally likely beforehand.

    Bayes' rule on q(x | w) = N(sqrt(signal) E_w, variance I), for x (B, L, D) and embeddings E (V, D).

    Args:
        signal, variance: () or (L, 1).
    """
    products = signal.sqrt() * (x @ table.T) - signal * table.square().sum(-1) / 2
    return torch.log_softmax(products / variance.clamp(min=1e-6), -1)


def guide(conditional: Tensor, free: Tensor, request: Request) -> Tensor:
    """Classifier-free guidance of logits (B, L, V): free at scale 0, conditional at 1, sharpened above.

    Above 1 no logit is pushed further from the conditional one than `guidance_limit` nats. Without that limit the early,
    vague beliefs are pushed furthest, at every position towards the same few words, and the text repeats them.
    Source: Ho and Salimans (2022), equation 6, on logits; the limit is ours.
    """
    scale, limit = request.guidance_scale, request.guidance_limit
    if scale <= 1:
        return torch.lerp(free, conditional, scale)
    return conditional + ((scale - 1) * (conditional - free)).clamp(-limit, limit)


def with_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Beliefs (B, L, V) with the choice among words sharpened or flattened; END, PAD and any word keep their chances.

    Where positions are decided one by one, a sharper END or PAD would shorten the text: what is likelier than not at a place
    would become certain there.
    """
    words = logits[..., END + 1:]
    scaled = words / temperature
    shift = words.logsumexp(-1, keepdim=True) - scaled.logsumexp(-1, keepdim=True)
    return torch.cat([logits[..., : END + 1], scaled + shift], -1)


def entropy_below(logits: Tensor, probs: Tensor, most: Tensor, best: Tensor) -> Tensor:
    """Entropy (B, L) in nats of beliefs whose softmax is known, without a logarithm for every word: -log p* - sum p (l - l*).

    Args:
        logits, probs: l and p, (B, L, V).
        most, best: p* and its word, the likeliest at each position, (B, L, 1).
    """
    below = (logits - logits.gather(-1, best)).clamp_(min=-1e4)               # 0 x -inf would be nan
    return -most[..., 0].log() - torch.linalg.vecdot(probs, below)


def pressure(free: Tensor, steered: Tensor) -> Tensor:
    """How far steering moved the belief at each position: KL(steered || free) in nats, (B, L, V) twice -> (B, L)."""
    if steered is free:
        return torch.zeros(free.shape[:2], device=free.device)
    log_steered, log_free = torch.log_softmax(steered, -1), torch.log_softmax(free, -1)
    difference = (log_steered - log_free).masked_fill(torch.isneginf(log_steered), 0.0)
    return (log_steered.exp() * difference).sum(-1).clamp(min=0)
