"""What came out of a run: its texts, and what became of each control, judged by something that did not steer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from ui.order import mistake

if TYPE_CHECKING:
    from controllers.base import Controlled
    from diffusion import Trace


class Verdict(TypedDict):
    """What became of one control: its target as on the command line, success in [0, 1], a sentence about it."""

    control: str
    target: str
    score: float
    detail: str


@dataclass(frozen=True)
class Result:
    """One sample of a run.

    Attributes:
        tokens: its words, without specials.
        nfe, seconds: network evaluations and time of the run that wrote it, together with the run's other samples.
        finished: the run reached its end; the words of a stopped run are not judged.
    """

    text: str
    tokens: list[str]
    seed: int
    nfe: int
    seconds: float
    finished: bool
    controls: list[Verdict]


def judge(trace: Trace, controls: Sequence[Controlled]) -> list[Result]:
    """Every sample of a trace that has frames; `controls` judge its texts (none, where the run has not finished)."""
    from diffusion.core.vocab import Vocabulary

    last, vocab = trace.frames[-1], Vocabulary(trace.info["words"])
    results = []
    for row, seed in zip(last.ids, trace.info["seeds"], strict=True):
        tokens = vocab.tokens(row)
        verdicts = [verdict(control, tokens) for control in controls]
        results.append(Result(vocab.text(row), tokens, seed, last.nfe, last.seconds, last.s == 0, verdicts))
    return results


def verdict(control: Controlled, tokens: list[str]) -> Verdict:
    """What became of a control in a finished text."""
    controller = control.controller
    score = controller.score(tokens)
    return Verdict(control=controller.slug, target=controller.target, score=score.success, detail=score.detail)


def stored_results(values: Any) -> list[Result]:
    """Results as `Studio.results` left them in a trace.

    Raises:
        StudioError: they are not of that form.
    """
    try:
        results = [Result(**value) for value in values]
        verdicts = [item for result in results for item in result.controls]
        if all(set(item) == set(Verdict.__annotations__) for item in verdicts):
            return results
    except (TypeError, AttributeError):
        pass
    raise mistake("The results in this trace are not of their form. Use a file that was exported here.")
