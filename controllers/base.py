"""What a controller is: it reads beliefs and asks for a change of them, in nats, or rules words out."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor

from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.types import Request
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import Vocabulary

if TYPE_CHECKING:
    from controllers.probes.noisy import NoisyReader

MAX_NATS = 100.0         # E2E needs some 0 to 10, and spans, whose wish lies on a few words alone, 50


def knob(default: Any, low: float | None = None, high: float | None = None, unit: str = "", about: str = "") -> Any:
    """A field of a controller that a person may turn: its default, range, unit and a line about it."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "unit": unit, "about": about})


def knobs(kind: type[Controller]) -> tuple[dataclasses.Field[Any], ...]:
    """The fields of a controller that were declared with `knob`, in order; the rest belongs to the machine."""
    return tuple(each for each in dataclasses.fields(kind) if "about" in each.metadata)


@dataclass(frozen=True, slots=True)
class Context:
    """What a controller may know of the model that it steers: words, labels and the number of positions; no paper."""

    vocab: Vocabulary
    labels: LabelSet
    length: int

    @classmethod
    def of(cls, model: DiffusionModel, length: int | None = None) -> Context:
        """The context of a model, for texts of `length` positions (the model's own number where None)."""
        return cls(model.vocab, model.labels, model.length if length is None else length)


@dataclass(frozen=True, slots=True)
class Score:
    """How far a finished text does what was asked.

    Attributes:
        success: in [0, 1].
        detail: a sentence about it.
        parts: what a picture of it is drawn from, as JSON values, by its `kind`: "tags" (`wanted` and `found`, one a word), "tree"
            (`wanted` and `found` in brackets), "spans" (`wanted` and `found` as [first, last, label], words from 1), "slots"
            (`said` and `missed`). None where there is nothing to draw.
    """

    success: float
    detail: str
    parts: Mapping[str, Any] | None = field(default=None, hash=False)


class Controller(ABC):
    """One wish about the text. The class docstring is its caption; its knobs become widgets.

    Attributes:
        slug, title: its names for the command line and for people.
        example: a target that can be tried at once, in the form of the command line.
        has_strength: it wishes in nats, so that a strength can be given.
        nats: its strength where none is given, tuned on held-out training rows.
        unit_wish: `wish` is a direction whose largest entry is 1 and is multiplied by the strength; otherwise it is in nats
            already, a log-likelihood, and is clipped at the strength.
        inner_steps: rounds of wish and answer in a step that serve it well, where a run names none; of several controls the most.
        masks: it rules words out, which only papers with `hard` masks honour exactly.
        repeats: several of this kind may steer one text.
        editor: how a target is edited: "text", "slots" (a menu for each name of `choices`), or "tree" (text, drawn as it is typed).
        free_words: beside its slots it takes words, ``word:cheap``.
        palette: pieces that a target is made of, with what each means, to be put in by a press.
        reads_sentences: `of_sentence` gives a target.
        noisy: classifiers on noisy vectors (`controllers.probes.noisy`) tell of it, see `noisy_loss`.
        fluency: lambda in Diffusion-LM's inner loop with them, where a run names none: the paper's number for the task.
        at: its targets hold an ``@`` themselves, ``PP@3-5``, so that only a second one marks a strength.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    example: ClassVar[str]
    has_strength: ClassVar[bool] = False
    nats: ClassVar[float] = 4.0
    unit_wish: ClassVar[bool] = True
    inner_steps: ClassVar[int] = 1
    masks: ClassVar[bool] = False
    repeats: ClassVar[bool] = True
    editor: ClassVar[str] = "text"
    free_words: ClassVar[bool] = False
    palette: ClassVar[tuple[tuple[str, str], ...]] = ()
    reads_sentences: ClassVar[bool] = False
    noisy: ClassVar[bool] = False
    fluency: ClassVar[float] = 0.01
    at: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def parse(cls, text: str, context: Context) -> Controller:
        """The controller of a target written as on the command line, ``length=10-14`` without its ``length=``.

        Raises:
            StudioError: the target is not of the form, or names unknown words or values.
        """

    @classmethod
    def choices(cls, context: Context) -> dict[str, tuple[str, ...]]:
        """For targets of the form ``name:value,...``: the values of each name. Empty for targets of another form."""
        return {}

    @classmethod
    def of_sentence(cls, sentence: str, context: Context) -> str:
        """The target that a sentence has, for kinds with `reads_sentences`: its tags, its tree, its number of words.

        Raises:
            StudioError: this kind takes no target from a sentence, or the sentence cannot be read.
        """
        raise StudioError(f"'{cls.slug}' takes no target from a sentence. Write the target, {cls.slug}={cls.example}.")

    @classmethod
    def lacks(cls, context: Context) -> str | None:
        """Why no controller of this kind can steer such a model, as a sentence; None when one can."""
        return None

    @property
    @abstractmethod
    def target(self) -> str:
        """The target as it would be written on the command line."""

    def __str__(self) -> str:
        """The control as it would be written on the command line, cut where it is long."""
        target = self.target
        return f"{self.slug}={target if len(target) <= 80 else target[:79] + '…'}"

    def fits(self, context: Context) -> None:  # noqa: B027
        """Checks that the controller was made for this model's words and labels.

        Raises:
            StudioError: it was made for others; both are named.
        """

    def request(self, request: Request) -> Request:
        """The request with this controller's own part in it: a label, a number of words.

        What other controllers ask for is not this one's business: `combine_requests` merges the parts.

        Raises:
            StudioError: the request leaves no room for the wish.
        """
        return request

    def allowed(self, context: Context, request: Request) -> Tensor | None:
        """Words that may stand at each position, bool (L, V) or (B, L, V); None where anything may.

        `request` holds what all controllers asked for, so that an infill knows the number of words.
        """
        return None

    def wish(self, logits: Tensor) -> Tensor | None:
        """Wanted change of the logits (B, L, V), before the strength: a direction (`controllers.gradient.ascent` of
        `log_prob`), or where `unit_wish` is false nats; None for none."""
        return None

    def claims(self) -> Mapping[str, str]:
        """What the text is to say of slots, each with one value or `absent`; two controllers may not differ about a slot."""
        return {}

    def impossible(self, allowed: Tensor) -> str | None:
        """What of the wish has no place where only some words may stand, (L, V) or (B, L, V); None where all has one."""
        return None

    def contradicts(self, other: Controller) -> str | None:
        """Why no text does what this and another controller want, as the end of a sentence; None where one may."""
        return None

    def parted(self) -> tuple[Controller | None, Controller | None]:
        """What of the wish classifiers on noisy vectors tell, and the rest of it; None where there is none."""
        return (self, None) if self.noisy else (None, self)

    def noisy_loss(self, reader: NoisyReader, features: Tensor) -> Tensor:
        """What the wish lacks, by classifiers on noisy vectors: their mean cross-entropy (B,), of features (B, L, width).

        Only asked of kinds that are `noisy`.

        Raises:
            StudioError: the classifiers do not know what is wished.
        """
        raise NotImplementedError(f"no classifier on noisy vectors tells of '{self.slug}'")

    @abstractmethod
    def log_prob(self, probs: Tensor) -> Tensor:
        """Log-probability that the wish holds under a belief (B, L, V) -> (B,), differentiable."""

    @abstractmethod
    def score(self, words: list[str]) -> Score:
        """Success of one finished text, judged by something that did not steer."""

    def score_all(self, texts: Sequence[list[str]], analyser: str = "judge") -> list[Score]:
        """The scores of many texts; faster together where an analyser reads them.

        Args:
            analyser: who judges, where an analyser does: "judge", or "labeller" for the protocol in which the analyser that made a
                target also scores it.
        """
        return [self.score(words) for words in texts]


@dataclass(frozen=True, slots=True)
class Controlled:
    """A controller with its strength: the largest change of any logit in one step, in nats."""

    controller: Controller
    nats: float = 4.0


def names(controls: Sequence[Controlled]) -> tuple[str, ...]:
    """A distinct name for each control: its slug, and for the second of a kind ``span 2``."""
    slugs = [control.controller.slug for control in controls]
    counts = [slugs[: index + 1].count(slug) for index, slug in enumerate(slugs)]
    return tuple(slug if count == 1 else f"{slug} {count}" for slug, count in zip(slugs, counts, strict=True))


def made_for(controller: Controller, kind: str, made: str, found: str) -> None:
    """Checks a fingerprint that a controller was made with against the model's.

    Raises:
        StudioError: they differ; both are named.
    """
    if made != found:
        raise StudioError(f"'{controller}' was made for the {kind} {made}, but this model's is {found}. "
                          f"Write the control again for this model.")


def foreign(strategy: Any, model: DiffusionModel | type[DiffusionModel]) -> str | None:
    """Why a strategy does not fit a paper, as a sentence; None when it does."""
    papers = getattr(strategy, "papers", ())
    if papers and model.slug not in papers:
        return (f"The strategy '{strategy.slug}' belongs to {', '.join(papers)} and cannot steer {model.title}. "
                f"Choose 'absorb'.")
    return None


def why_not(model: DiffusionModel, controller: Controller | type[Controller], strategy: Any = None) -> str | None:
    """Why this controller cannot steer this model in this way, as a sentence; None when it can.

    A strategy that belongs to certain papers lists their slugs in `papers`; one without that list fits all.
    """
    if strategy is not None and (reason := foreign(strategy, model) or strategy.refuses(model, controller)):
        return reason
    if controller.masks or controller.has_strength:      # it is about words; one that only asks for a label is not
        reason = model.no_control()
        if reason is not None:
            return reason
    context = Context.of(model)
    sentence = controller.lacks(context)
    if sentence is None and isinstance(controller, Controller):
        try:
            controller.fits(context)
        except StudioError as error:
            sentence = str(error)
    return sentence


def note(model: DiffusionModel, *controllers: Controller | type[Controller]) -> str | None:
    """What a person should know of these together although they work, as a sentence; None when there is nothing."""
    titles = list(dict.fromkeys(f"'{controller.title}'" for controller in controllers if controller.masks))
    if titles and not model.hard:
        return (f"{model.title} honours {' and '.join(titles)} as a preference, not exactly: "
                f"its words are read off a state that holds them only approximately.")
    return None
