"""Several copies of each sample in one batch, of which a strategy lets some go on: particles, and finished candidates.

Rows are sample by sample, a sample's copies side by side. The first copy has the sample's own seed, so a single one is the
sample itself; every further copy has a seed of its own that depends on the sample's alone.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor

from diffusion.core.types import Request

STRIDE = 100_000_007     # between the seeds of a sample's copies; seeds that people choose are closer together
SEEDS = 2**32            # torch's CPU generator tells no more apart


def copied(request: Request) -> Request:
    """The request with `request.copies` rows for each of its samples, and one copy of each row; itself where that is one."""
    count = request.copies
    if count == 1:
        return request
    seeds = tuple((seed + number * STRIDE) % SEEDS for seed in request.seeds for number in range(count))
    return request.with_(seeds=seeds, particles=1, rerank=1, label=_repeated(request.label, request, count),
                         source=_repeated(request.source, request, count))


def _repeated(given: Tensor | None, request: Request, count: int) -> Tensor | None:
    """What was given for each sample, (B, ...), for each of its copies; what holds for all stays as it is."""
    if given is None or given.dim() < 2 or len(given) != len(request.seeds):
        return given
    return given.repeat_interleave(count, 0)


def rows(value: Any, index: Tensor, count: int) -> Any:
    """The rows `index` (R,) of all tensors of `count` rows within a tensor, a dataclass or a tuple; the rest as it is."""
    if isinstance(value, Tensor):
        return value[index] if value.dim() > 0 and len(value) == count else value
    if isinstance(value, tuple):
        return tuple(rows(item, index, count) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {field.name: rows(getattr(value, field.name), index, count) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **changes)
    return value
