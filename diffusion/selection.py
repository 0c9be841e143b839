"""The choice of one text among several candidates for the same request, with what speaks for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from diffusion.core.errors import StudioError


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen among candidates.

    Attributes:
        index: of the chosen one.
        scores: of every candidate, in the order they came in; mean sentence BLEU against the others, 0 to 100.
    """

    index: int
    scores: tuple[float, ...]


def minimum_bayes_risk(texts: Sequence[str]) -> Choice:
    """The candidate that the others agree with most: the highest mean sentence BLEU, each other candidate as its reference.

    The order of the candidates plays no part: among equal scores the first in the alphabet is chosen.
    Source: Kumar and Byrne (2004), as SeqDiffuSeq and Diffusion-LM use it.

    Raises:
        StudioError: there are fewer than two candidates.
    """
    from sacrebleu.metrics import BLEU

    if len(texts) < 2:
        raise StudioError(f"A choice by minimum Bayes risk compares candidates with each other; there is {len(texts)}. "
                          f"Draw at least two.")
    metric = BLEU(effective_order=True)
    agreement = {(one, other): metric.sentence_score(one, [other]).score for one in set(texts) for other in set(texts)}
    scores = []
    for index, text in enumerate(texts):
        others = [*texts[:index], *texts[index + 1:]]
        scores.append(math.fsum(agreement[text, other] for other in others) / len(others))    # exact in any order
    best = min(range(len(texts)), key=lambda index: (-scores[index], texts[index]))
    return Choice(best, tuple(scores))
