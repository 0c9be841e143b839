"""Runs under control beside the same runs without it, scored against the same targets.

Seed i * samples + j writes sample j of target i, with the control and without: the free texts are the floor of every control,
and what fluency is compared with. Every run but the class by guidance has all slots unknown and guidance scale 1.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain

import torch
from tqdm.auto import tqdm

import diffusion
from controllers import parse_controls
from controllers.base import Context, Controlled
from controllers.matchers.slot_matcher import VALUES, named
from controllers.settings import Setting
from controllers.strategies import STRATEGIES
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.loop import resolved
from diffusion.core.model import DiffusionModel
from diffusion.core.strategy import Strategy
from diffusion.core.types import Request, Step
from diffusion.text.labels import parse_meaning
from diffusion.text.vocab import END, PAD, split
from training.evaluation.control.readings import JUDGE, LABELLER, Readings, Words
from training.evaluation.control.scoring import Scoring
from training.evaluation.control.targets import PARTS, Target
from training.evaluation.control.wishes import SUCCESS, Value, Wish
from training.evaluation.ledger import Ledger
from training.evaluation.quality import measure as quality
from training.evaluation.quality import metrics
from training.evaluation.quality.measure import BATCH, Bench
from training.evaluation.quality.metrics import Text
from training.evaluation.report.results import Row, round_off

TIMED, REPEATS = 4, 3    # samples of a run whose seconds are told, and how often it is timed
ORDER = 4                # of the n-grams that distinct-4 counts
# Fields of a request that say how to steer, and nothing else.
STEERED = {"strategy", "guidance_scale", *chain.from_iterable(kind.options for kind in STRATEGIES.values())}


@dataclass(frozen=True, slots=True)
class Job:
    """One control of one paper in one way: a row for each of its parts."""

    control: str
    setting: Setting
    targets: Sequence[Target]

    def keys(self, samples: int) -> dict[type[Wish], Row]:
        """What tells the row of each part from all other rows."""
        return {kind: {"control": self.control, "part": kind.part, "targets": len(self.targets), "samples": samples,
                       "setting": str(self.setting)} for kind in PARTS[self.control]}


def controls(model: DiffusionModel, request: Request, target: Target, setting: Setting) -> list[Controlled]:
    """The controllers of a target, each with its strength where the setting has one."""
    parsed = parse_controls(target.controls, Context(model.vocab, model.labels, request.length))
    strengths = setting.nats or [each.nats for each in parsed]
    return [Controlled(each.controller, nats) for each, nats in zip(parsed, strengths, strict=True)]


def steering(model: DiffusionModel, request: Request, target: Target, setting: Setting) -> Strategy:
    """The way of steering that the setting names, over the controllers of a target."""
    kind = STRATEGIES[known_or_raise("strategy", request.strategy, STRATEGIES)]
    return kind(controls(model, request, target, setting))


def unsteered(request: Request) -> Request:
    """The request as it runs without control."""
    return request.with_(**{name: getattr(Request(), name) for name in STEERED})


@dataclass
class Course:
    """All that the jobs of one paper share.

    Attributes:
        readers: the analysers by role.
        samples: texts of each target.
    """

    bench: Bench
    readers: Mapping[str, Readings]
    samples: int
    _free: dict[str, list[list[Text]]] = field(default_factory=dict)

    def run(self, jobs: Sequence[Job], ledger: Ledger) -> None:
        """Measures what the ledger lacks; every row is written when it is there."""
        for job in tqdm(jobs, desc=self.bench.model.slug, unit="control"):
            run = Run(self, job)
            for kind, key in job.keys(self.samples).items():
                ledger.row(key, partial(run.row, kind))

    def clock(self, jobs: Sequence[Job], ledger: Ledger) -> None:
        """Takes the seconds of rows that are there again, and leaves all else of them as it is.

        Raises:
            StudioError: the ledger has no row of these jobs.
        """
        found = [(job, [row for row in ledger.rows if (row["control"], row["setting"]) == (job.control, str(job.setting))])
                 for job in jobs]
        if not any(rows for _, rows in found):
            model = self.bench.model
            raise StudioError(f"There are no rows of {model.title} of these controls, settings and checkpoints on the path "
                              f"'{model.path.name}' whose seconds could be taken again. Name the path that they were measured on "
                              f"with --compute, or measure them first: the same command without --retime.")
        for job, rows in tqdm(found, desc=f"{self.bench.model.slug}, seconds", unit="control"):
            clocked = {name: round_off(value) for name, value in Run(self, job).clocked.items()} if rows else {}
            for row in rows:
                row.update(clocked)

    def seeds(self, target: int) -> range:
        """The seeds of a target's texts."""
        return range(target * self.samples, (target + 1) * self.samples)

    def free(self, request: Request, targets: int) -> list[list[Text]]:
        """The texts that the seeds of so many targets give without control, by target; each is written once."""
        request = unsteered(request)
        have = self._free.setdefault(str(request), [])
        missing = range(len(have) * self.samples, targets * self.samples)
        if missing:
            texts, _ = quality.written(self.bench.model, request, missing)
            have += [texts[start:start + self.samples] for start in range(0, len(texts), self.samples)]
        return have[:targets]

    def words(self, texts: Iterable[Text]) -> list[Words]:
        """Texts as words."""
        vocab = self.bench.model.vocab.words
        return [tuple(vocab[index] for index in text) for text in texts]

    @cached_property
    def saying(self) -> dict[tuple[str, str], list[Words]]:
        """The human texts whose meaning has a value that the matcher judges, by slot and value."""
        found: dict[tuple[str, str], list[Words]] = {}
        for text, pair in self._told():
            found.setdefault(pair, []).append(tuple(split(text)))
        return found

    @cached_property
    def recall(self) -> dict[str, float]:
        """By slot, percent of all human texts whose meaning has the slot that name its value."""
        found: dict[str, list[bool]] = {}
        for text, (slot, value) in self._told():
            found.setdefault(slot, []).append(named(text, slot, value))
        return {slot: 100 * statistics.fmean(each) for slot, each in found.items()}

    def _told(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """Every human text with each value of its meaning that the matcher judges."""
        for row in self.bench.human:
            for slot, value in parse_meaning(row.meaning).items():
                if value in VALUES.get(slot, ()):
                    yield row.text, (slot, value)


def timed(write: Callable[[], object]) -> float:
    """The median seconds of a few calls, after one to warm up."""
    seconds = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        write()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


@dataclass
class Run:
    """The texts of one job, written when they are first asked for, and all figures of them."""

    course: Course
    job: Job

    @property
    def model(self) -> DiffusionModel:
        """The model that writes."""
        return self.course.bench.model

    @cached_property
    def request(self) -> Request:
        """What is sampled, but for seeds and controls."""
        return resolved(self.model, self.job.setting.request())

    @cached_property
    def drawn(self) -> tuple[list[list[Text]], float]:
        """The texts of each target, and the mean network evaluations of a batch."""
        texts: list[list[Text]] = []
        spent: list[int] = []
        for index, target in enumerate(tqdm(self.job.targets, desc=self.job.control, unit="target", leave=False)):
            texts.append([])
            seeds = self.course.seeds(index)
            for start in range(0, len(seeds), BATCH):
                found, nfe = self.write(target, seeds[start:start + BATCH])
                texts[-1] += found
                spent.append(nfe)
        return texts, sum(spent) / len(spent)

    def write(self, target: Target, seeds: Sequence[int]) -> tuple[list[Text], int]:
        """One batch under the controls of a target, and its network evaluations."""
        for step in self.steps(target, seeds):
            ids, nfe = step.ids, step.nfe
        return metrics.texts_of(ids), nfe

    def steps(self, target: Target, seeds: Sequence[int]) -> Iterator[Step]:
        """A batch as it is written."""
        request = self.request.with_(seeds=tuple(seeds))
        return diffusion.stream(self.model, request, steering(self.model, request, target, self.job.setting))

    # ---- rows

    def row(self, kind: type[Wish]) -> Row:
        """All figures of one part of the job."""
        wishes = [next(wish for wish in target.wishes if isinstance(wish, kind)) for target in self.job.targets]
        texts = [self.course.words(found) for found in self.drawn[0]]
        free = [self.course.words(found) for found in self.course.free(self.request, len(wishes))]
        human = [[target.words] if target.words is not None else self.course.saying.get((wish.slot, wish.value), [])
                 for target, wish in zip(self.job.targets, wishes, strict=True)]
        labelled = Scoring(wishes, self.course.readers[LABELLER])
        made = labelled.row(texts, free, human)
        if kind.analysed:
            made |= Scoring(wishes, self.course.readers[JUDGE]).row(texts, free, human, "judge's ")
            made["judge's / ceiling"] = made[f"judge's {SUCCESS} %"] / made[f"judge's {SUCCESS}, ceiling %"]
        chosen = [[found[index]] for found, index in zip(texts, self.best, strict=True)]
        made[f"best of {self.course.samples} %"] = labelled.mean(chosen)
        if issubclass(kind, Value):
            slots = labelled.by_slot(texts)
            recall = self.course.recall
            made |= slots | {f"{name[:-2]}, human %": recall.get(name[:-2]) for name in slots}
        return {**made, **self.figures}

    @cached_property
    def best(self) -> list[int]:
        """For each target the text that the controllers themselves would choose: the highest log-probability of the wishes."""
        places = []
        for target, texts in zip(self.job.targets, self.drawn[0], strict=True):
            rows = torch.full((len(texts), self.request.length), PAD)
            for row, text in zip(rows, texts, strict=True):
                row[: len(text) + 1] = torch.tensor([*text, END])
            certain = torch.nn.functional.one_hot(rows, len(self.model.vocab)).float().to(self.model.device)
            found = controls(self.model, self.request, target, self.job.setting)
            places.append(int(sum(each.controller.log_prob(certain) for each in found).argmax()))
        return places

    @cached_property
    def figures(self) -> Row:
        """What the control costs: fluency, variety, copying, network evaluations, seconds."""
        bench, count = self.course.bench, len(self.job.targets)
        (texts, nfe), free = self.drawn, self.course.free(self.request, count)
        human = quality.encode(self.model, [" ".join(target.words) for target in self.job.targets if target.words])
        human = [text for text in human if len(text) < bench.judge.length]
        mine, theirs = (metrics.perplexity(bench.judge, [*chain(*pool)]) for pool in (texts, free))
        return {"perplexity": mine, "perplexity / free": mine / theirs,
                "perplexity / human": mine / metrics.perplexity(bench.judge, human) if human else None,
                "distinct-4": _distinct(texts), "distinct-4, free": _distinct(free),
                "verbatim %": 100 * metrics.verbatim_share([*chain(*texts)], bench.training),
                "words": metrics.Lengths.of([*chain(*texts)]).mean, "NFE": nfe, **self.clocked}

    @cached_property
    def clocked(self) -> Row:
        """Seconds of a few samples of the first target, beside those without control, and on how many threads."""
        seconds = timed(lambda: self.write(self.job.targets[0], range(TIMED)))
        alone = timed(lambda: quality.finished(self.model, unsteered(self.request).with_(seeds=tuple(range(TIMED)))))
        return {f"s for {TIMED}": seconds, "times free": seconds / alone, "threads": torch.get_num_threads()}


def _distinct(texts: Sequence[Sequence[Text]]) -> float:
    """Distinct-4 within a target's texts, the mean over targets."""
    return statistics.fmean(metrics.distinct(found, ORDER) for found in texts)
