"""Models that count: n-grams with Witten-Bell smoothing, the floor that every likelihood should be compared with.

p(w | h) = (c(h w) + T(h) p(w | h')) / (c(h) + T(h)); h' is h without its oldest token, T(h) counts the different tokens
seen after h. Before the first token stand start symbols; END is predicted like any token; PAD is not.

Source: Witten and Bell (1991); the interpolated form of Chen and Goodman (1998), section 2.4.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from diffusion.core.errors import StudioError
from diffusion.text.vocab import PAD


class WittenBell:
    """An n-gram model of rows.

    Args:
        rows: ids (N, L) of words, END, PAD ...
        order: n; the model looks n - 1 tokens back.
        size: of the vocabulary, PAD included.

    Raises:
        StudioError: the order is below 1, or n-grams of that many tokens cannot be numbered in 64 bits.
    """

    def __init__(self, rows: Tensor, order: int, size: int) -> None:
        if order < 1 or (size + 1) ** order >= 2**63:
            raise StudioError(f"n-grams of {order} tokens of a vocabulary of {size} are not possible. Choose 1 to "
                              f"{next(n for n in range(1, 64) if (size + 1) ** (n + 1) >= 2**63)} tokens.")
        self.order, self.size, self.base = order, size, size + 1
        self.levels = [self._counted(grams) for _, grams in self._grams(rows)]

    def _grams(self, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For 0, 1 ... n - 1 tokens of context, the numbers of contexts and of n-grams at all positions but PAD's."""
        starts = torch.full((len(rows), self.order - 1), self.size)
        padded, kept = torch.cat([starts, rows], 1), rows != PAD
        context = torch.zeros(int(kept.sum()), dtype=torch.long)
        for back in range(self.order):
            if back:                                     # one more token of context, as the most significant digit
                first = self.order - 1 - back
                context = context + padded[:, first:first + rows.shape[1]][kept] * self.base ** (back - 1)
            yield context, context * self.base + rows[kept]

    def _counted(self, grams: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Sorted n-grams with counts c(h w), and sorted contexts with c(h) and T(h)."""
        seen, counts = grams.unique(return_counts=True)
        contexts, inverse, different = (seen // self.base).unique(return_inverse=True, return_counts=True)
        return seen, counts, contexts, torch.zeros_like(contexts).index_add(0, inverse, counts), different

    def nats(self, rows: Tensor) -> Tensor:
        """Negative log-likelihood of each row (N, L), words and END, (N,) in float64."""
        probs = torch.full((int((rows != PAD).sum()),), 1 / (self.size - 1), dtype=torch.float64)
        for (context, gram), (grams, counts, contexts, totals, different) in zip(self._grams(rows), self.levels, strict=True):
            novel = _found(different, contexts, context)
            total = _found(totals, contexts, context) + novel
            mixed = (_found(counts, grams, gram) + novel * probs) / total.clamp(min=1)
            probs = torch.where(total > 0, mixed, probs)
        owner = torch.arange(len(rows))[:, None].expand(rows.shape)[rows != PAD]
        return torch.zeros(len(rows), dtype=torch.float64).index_add(0, owner, -probs.log())


def _found(values: Tensor, keys: Tensor, wanted: Tensor) -> Tensor:
    """The value of each wanted key among sorted keys, 0 where it is not there."""
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[place] == wanted, values[place], 0).double()
