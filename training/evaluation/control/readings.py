"""What an analyser says of texts: many at once, and each distinct text once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from controllers.linguistics.analysis import Analyser, Analysis

Words = tuple[str, ...]
Read = Callable[[Words], Analysis]
LABELLER, JUDGE = "labeller", "judge"


class Readings:
    """An analyser that remembers: a text that has been read is not read again.

    Calling it gives the analysis of one text; ask `read` for all of them first, which is faster.
    """

    def __init__(self, analyser: Analyser) -> None:
        self.analyser = analyser
        self._found: dict[Words, Analysis] = {}

    def read(self, texts: Iterable[Words], trees: bool) -> list[Analysis]:
        """What is said of each text; `trees` asks for trees too.

        Raises:
            StudioError: a text has no word, or the analyser is not to be had.
        """
        texts = list(texts)
        new = [text for text in dict.fromkeys(texts) if self._lacks(text, trees)]
        if new:
            self._found |= zip(new, self.analyser.analyse_all(new, trees), strict=True)
        return [self._found[text] for text in texts]

    def _lacks(self, text: Words, trees: bool) -> bool:
        found = self._found.get(text)
        return found is None or (trees and found.tree is None)

    def __call__(self, text: Words) -> Analysis:
        """What was said of a text that has been read."""
        return self._found[text]


def both() -> dict[str, Readings]:
    """The analyser that labels targets and the one that judges, by role; each is loaded when it is first needed."""
    return {role: Readings(Analyser(role)) for role in (LABELLER, JUDGE)}


def prepare(readings: Iterable[Readings], texts: Sequence[Words], trees: bool) -> None:
    """Lets all analysers read all texts."""
    for each in readings:
        each.read(texts, trees)
