"""The labeller and the judge, each loaded once and shared by all controllers; texts are analysed together.

The judge is asked about finished texts alone, the labeller about what a person typed: neither is called while sampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from controllers.linguistics.analysis import Analyser, Analysis


@lru_cache(maxsize=4)
def of(role: str) -> Analyser:
    """The analyser of a role, "labeller" or "judge"; its tagger and parser are loaded when they are first needed."""
    return Analyser(role)


@lru_cache(maxsize=4096)
def _known(words: tuple[str, ...], role: str, trees: bool) -> Analysis:
    return of(role).analyse(words, trees)


def analyses(texts: Sequence[Sequence[str]], role: str, trees: bool) -> list[Analysis | None]:
    """What is said of each text, given by its words; None of a text without words. Each distinct text is read once.

    Raises:
        StudioError: the role's analysers are not there, or a sentence is too long for the parser.
    """
    distinct = list(dict.fromkeys(tuple(text) for text in texts if text))
    if len(distinct) == 1:                               # several controllers score one text in turn
        found = {distinct[0]: _known(distinct[0], role, trees)}
    else:
        found = dict(zip(distinct, of(role).analyse_all(distinct, trees) if distinct else (), strict=True))
    return [found.get(tuple(text)) for text in texts]


def tags(texts: Sequence[Sequence[str]], role: str) -> list[tuple[str, ...]]:
    """The universal tags of each text; none of a text without words.

    Raises:
        StudioError: the role's tagger is not there.
    """
    return [analysis.universal if analysis else () for analysis in analyses(texts, role, trees=False)]
