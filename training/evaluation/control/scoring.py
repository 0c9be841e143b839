"""Scores of texts against targets: each target's over its texts, then the mean over targets and its spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from training.evaluation.control.readings import Readings, Words
from training.evaluation.control.wishes import SUCCESS, Scores, Value, Wish
from training.evaluation.report.results import Row

Texts = Sequence[Sequence[Words]]        # the texts of each target


@dataclass(frozen=True, slots=True)
class Scoring:
    """The same wish of all targets, scored by one analyser."""

    wishes: Sequence[Wish]
    readings: Readings

    def values(self, texts: Texts) -> list[Scores]:
        """The scores of every target that has texts; analysers read all texts at once."""
        pairs = [(wish, found) for wish, found in zip(self.wishes, texts, strict=True) if found]
        needed = [text for wish, found in pairs for text in wish.readings(found)]
        if needed:
            self.readings.read(needed, self.wishes[0].trees)
        return [wish.score(found, self.readings) for wish, found in pairs]

    def mean(self, texts: Texts, name: str = SUCCESS) -> float | None:
        """The mean over targets in percent; None where no target has texts."""
        values = [scores[name] for scores in self.values(texts)]
        return 100 * statistics.fmean(values) if values else None

    def row(self, texts: Texts, free: Texts, human: Texts, prefix: str = "") -> Row:
        """Success with its standard deviation over targets, its floor and its ceiling, and whatever else the wish measures.

        Args:
            free: the texts that the same seeds gave without control.
            human: the human texts that are scored against each target; none where there are none.
        """
        found = self.values(texts)
        row: Row = {}
        for name in found[0]:
            title = f"{prefix}{name}"
            row |= {f"{title} %": self.mean(texts, name), f"{title} ±": 100 * statistics.pstdev(each[name] for each in found),
                    f"{title}, floor %": self.mean(free, name), f"{title}, ceiling %": self.mean(human, name)}
        return row

    def by_slot(self, texts: Texts) -> Row:
        """Of wishes for a value: success by slot."""
        found = self.values(texts)
        slots = [wish.slot for wish, each in zip(self.wishes, texts, strict=True) if each and isinstance(wish, Value)]
        return {f"{slot} %": 100 * statistics.fmean(scores[SUCCESS] for scores, of in zip(found, slots, strict=True) if of == slot)
                for slot in dict.fromkeys(slots)}
