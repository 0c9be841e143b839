"""Finds the ways of saying each value of a slot, in rows of meaning representation and text: what content control pulls towards.

A phrase is up to `LONGEST` words, case folded. It may speak for one value alone, the one that its presence tells most
about (mutual information over all slots and values), so that "near all bar one" says `near` and not the name that often
stands beside it. Per value, phrases are chosen greedily. The gain of a phrase is

    share of the value's rows that it newly covers - sum over the slot's other classes of the share of theirs that it newly covers

(`absent` is a class). Phrases of a value that is yes or no hold a word of its slot's name. A chosen phrase is then made whole:
it grows by a neighbouring word as long as most of its occurrences in the value's rows go with it, so that "5 out" becomes
"5 out of 5".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion.text.vocab import split

LONGEST = 6              # words of a phrase
SEEN = 20                # rows that a phrase stands in, at least
MOST = 10                # phrases of a value
GAIN = 0.02              # least gain of a phrase
FALSE = 0.25             # most false coverage of a phrase, over its true coverage
WHOLE = 0.9              # share of the occurrences that must stay when a phrase grows
_BORDERS = frozenset(".,;:!?()")     # no phrase goes beyond these
_ANSWERS = frozenset({"yes", "no"})
Phrase = tuple[str, ...]
Array = np.ndarray[Any, Any]


def folded(text: str) -> Phrase:
    """The words of a text, case folded."""
    return tuple(word.casefold() for word in split(text))


@dataclass(frozen=True)
class Found:
    """A phrase for a value, and the share of the value's rows that no phrase before it covers."""

    phrase: Phrase
    share: float


class Rows:
    """Texts with what they say, and where every frequent phrase stands.

    Args:
        texts: natural text.
        meanings: slots and values of each.
    """

    def __init__(self, texts: Sequence[str], meanings: Sequence[Mapping[str, str]]) -> None:
        self.words = [folded(text) for text in texts]
        self.values = sorted({pair for meaning in meanings for pair in meaning.items()})
        self.slots = sorted({slot for slot, _ in self.values})
        self.says = np.zeros((len(texts), len(self.values)), bool)            # (rows, values)
        index = {pair: column for column, pair in enumerate(self.values)}
        for row, meaning in enumerate(meanings):
            self.says[row, [index[pair] for pair in meaning.items()]] = True
        counts = Counter(phrase for words in self.words for phrase in _phrases(words))
        self.phrases = sorted(phrase for phrase, count in counts.items() if count >= SEEN)
        self.where = self._places()

    def _places(self) -> list[Array]:
        """For each phrase the rows that it stands in, ascending."""
        index = {phrase: number for number, phrase in enumerate(self.phrases)}
        where: list[list[int]] = [[] for _ in self.phrases]
        for row, words in enumerate(self.words):
            for phrase in _phrases(words):
                if phrase in index:
                    where[index[phrase]].append(row)
        return [np.array(rows, int) for rows in where]

    def told(self) -> Array:
        """For each phrase the value (its column) that it tells most about, (phrases,)."""
        joint = np.stack([self.says[rows].sum(0) for rows in self.where]).astype(float)       # (phrases, values)
        phrase = np.array([len(rows) for rows in self.where], float)
        return _information(joint, phrase[:, None], self.says.sum(0)[None].astype(float), len(self.words)).argmax(1)


def _phrases(words: Phrase) -> set[Phrase]:
    return {words[start:start + size] for size in range(1, LONGEST + 1) for start in range(len(words) - size + 1)}


def _information(joint: Array, phrase: Array, value: Array, rows: int) -> Array:
    """Mutual information in nats of presence of phrase and value from their counts; -1 where they avoid each other."""
    total = np.zeros_like(joint)
    for both, one, other in ((joint, phrase, value), (phrase - joint, phrase, rows - value),
                             (value - joint, rows - phrase, value), (rows - phrase - value + joint, rows - phrase, rows - value)):
        expected = one * other / rows
        total += np.where(both > 0, both * np.log(np.maximum(both, 1e-9) / np.maximum(expected, 1e-9)), 0)
    return np.where(joint * rows > phrase * value, total / rows, -1)


def mine(rows: Rows) -> dict[str, dict[str, list[Found]]]:
    """The ways of saying every value, the widest first; a value without any is left out."""
    told = rows.told()
    table: dict[str, dict[str, list[Found]]] = {slot: {} for slot in rows.slots}
    for column, (slot, value) in enumerate(rows.values):
        found = list(_chosen(rows, column, np.nonzero(told == column)[0]))
        if found:
            table[slot][value] = found
    return table


def _false_weights(rows: Rows, column: int) -> Array:
    """For each row 1 over the size of its class among the slot's other classes, so that a sum over rows is one of shares."""
    slot = rows.values[column][0]
    others = [index for index, pair in enumerate(rows.values) if pair[0] == slot and index != column]
    says = rows.says[:, [*others, column]]
    classes = np.column_stack([says[:, :-1], ~says.any(1)]).astype(float)      # the other values, and absent
    return classes @ (1 / np.maximum(classes.sum(0), 1))


def _chosen(rows: Rows, column: int, candidates: Array) -> Iterator[Found]:
    """Phrases for one value, chosen greedily."""
    mine, weights = rows.says[:, column], _false_weights(rows, column)
    true, false = mine / mine.sum(), np.where(mine, 0.0, weights)              # (rows,), what is not covered yet
    right = [c for c in candidates if _speaks(rows.phrases[c], rows, column)
             and weights[rows.where[c]].sum() <= FALSE * mine[rows.where[c]].sum() / mine.sum()]
    for _ in range(MOST):
        gains = [true[rows.where[c]].sum() - false[rows.where[c]].sum() for c in right]
        if not gains or max(gains) < GAIN:
            return
        seed = right.pop(int(np.argmax(gains)))
        phrase = _whole(rows.phrases[seed], [rows.words[row] for row in rows.where[seed] if mine[row]])
        covered = np.array([row for row in rows.where[seed] if _at(phrase, rows.words[row])], int)
        if true[covered].any():
            yield Found(phrase, round(float(true[covered].sum()), 4))
        true[covered], false[covered] = 0, 0


def _speaks(phrase: Phrase, rows: Rows, column: int) -> bool:
    """Whether a phrase stays within a clause and, for a value that is yes or no, names its slot: "not" alone says little."""
    slot = rows.values[column][0]
    said = {value for name, value in rows.values if name == slot}
    topic = {word.casefold() for word in re.findall("[A-Z]?[a-z]+", slot)}
    return not _BORDERS & set(phrase) and (not said <= _ANSWERS or bool(topic & set(phrase)))


def _whole(phrase: Phrase, texts: Sequence[Phrase]) -> Phrase:
    """The phrase grown by its most frequent neighbours, as long as each goes with `WHOLE` of the occurrences."""
    while len(phrase) < LONGEST:
        grown = Counter(longer for words in texts for at in _at(phrase, words) for longer in _grown(words, at, len(phrase)))
        occurrences = sum(len(_at(phrase, words)) for words in texts)
        longer, count = grown.most_common(1)[0] if grown else (phrase, 0)
        if count < WHOLE * occurrences:
            return phrase
        phrase = longer
    return phrase


def _grown(words: Phrase, at: int, size: int) -> Iterator[Phrase]:
    if at and words[at - 1] not in _BORDERS:
        yield words[at - 1:at + size]
    if at + size < len(words) and words[at + size] not in _BORDERS:
        yield words[at:at + size + 1]


def holds(phrase: Phrase, words: Phrase) -> bool:
    """Whether a phrase stands in a folded text."""
    return bool(_at(phrase, words))


def _at(phrase: Phrase, words: Phrase) -> list[int]:
    """Where a phrase begins in a text."""
    first, size = phrase[0], len(phrase)
    return [at for at, word in enumerate(words) if word == first and words[at:at + size] == phrase]
