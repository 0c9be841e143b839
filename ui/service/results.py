"""What came out of a run: its texts, and what became of each control, judged by something that did not steer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from ui.service.run_spec import mistake

if TYPE_CHECKING:
    from controllers.base import Controlled
    from diffusion import Trace


class Verdict(TypedDict):
    """What became of one control: its target as on the command line, success in [0, 1], a sentence about it.

    `parts` is what a picture of it is drawn from, see `controllers.base.Score`.
    """

    control: str
    target: str
    score: float
    detail: str
    parts: NotRequired[dict[str, Any]]


class Pin(TypedDict):
    """What became of one word that was fixed: where it was to stand (0 first), the word, and whether it stands there."""

    position: int
    word: str
    held: bool


@dataclass(frozen=True)
class Result:
    """One text of a run.

    Attributes:
        tokens: its words, without specials.
        nfe, seconds: network evaluations and time of the run that wrote it, together with the run's other texts.
        finished: the run reached its end; the words of a stopped run are not judged.
        pins: the words that were fixed, and whether they held.
        sample: which sample it is, 0 first; several candidates may be one sample's.
        rank: 0 for the candidate that was chosen, then by falling agreement.
        agreement: mean sentence BLEU with the sample's other candidates, 0 to 100; None where there is one, or none is chosen.
    """

    text: str
    tokens: list[str]
    seed: int
    nfe: int
    seconds: float
    finished: bool
    controls: list[Verdict]
    pins: list[Pin] = field(default_factory=list)
    sample: int = 0
    rank: int = 0
    agreement: float | None = None


def judge(trace: Trace, controls: Sequence[Controlled]) -> list[Result]:
    """Every text of a trace that has frames; `controls` judge it (none, where the run has not finished)."""
    from diffusion.text.vocab import Vocabulary

    last, vocab = trace.frames[-1], Vocabulary.of(trace.info["words"])
    finished, results = last.s == 0, []
    empty: list[list[Any]] = [[] for _ in last.ids]
    pins = zip(trace.info.get("pins", empty), trace.info.get("pinned", empty), strict=True)
    for row, seed, (places, words) in zip(last.ids, trace.info["seeds"], pins, strict=True):
        tokens = vocab.tokens(row)
        held = [Pin(position=place, word=word, held=tokens[place: place + 1] == [word])
                for place, word in zip(places, words, strict=False)] if finished else []
        verdicts = [verdict(control, tokens) for control in controls]
        results.append(Result(vocab.text(row), tokens, seed, last.nfe, last.seconds, finished, verdicts, held))
    return grouped(results, trace.info.get("candidates", 1))


def grouped(results: Sequence[Result], size: int) -> list[Result]:
    """The same results, each with its sample and, where `size` finished candidates are one sample's, its rank."""
    found: list[Result] = []
    for start in range(0, len(results), size):
        group = [replace(result, sample=start // size) for result in results[start: start + size]]
        found += ranked(group) if size > 1 and all(result.finished for result in group) else group
    return found


def ranked(group: Sequence[Result]) -> list[Result]:
    """A sample's candidates, in their order, with rank and agreement."""
    from diffusion.selection import minimum_bayes_risk

    choice = minimum_bayes_risk([result.text for result in group])
    order = sorted(range(len(group)), key=lambda index: (index != choice.index, -choice.scores[index], index))
    return [replace(result, rank=order.index(index), agreement=choice.scores[index]) for index, result in enumerate(group)]


def verdict(control: Controlled, tokens: list[str]) -> Verdict:
    """What became of a control in a finished text."""
    controller = control.controller
    score = controller.score(tokens)
    drawn: dict[str, Any] = {"parts": dict(score.parts)} if score.parts else {}
    return Verdict(control=controller.slug, target=controller.target, score=score.success, detail=score.detail, **drawn)


def stored_results(values: Any) -> list[Result]:
    """Results as `Studio.results` left them in a trace.

    Raises:
        StudioError: they are not of that form.
    """
    try:
        results = [Result(**value) for value in values]
        verdicts = [item for result in results for item in result.controls]
        pins = [item for result in results for item in result.pins]
        if all({*item, "parts"} == set(Verdict.__annotations__) for item in verdicts) and all(
                set(item) == set(Pin.__annotations__) for item in pins):
            return results
    except (TypeError, AttributeError):
        pass
    raise mistake("The results in this trace are not of their form. Use a file that was exported here.")
