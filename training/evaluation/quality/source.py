"""Measures texts from a source: does the text say what the meaning representation says, and in words that people chose?

A model reads the meaning representations of held-out texts (every slot of the label unknown) and writes one text for each.
BLEU-4 and ROUGE-L compare it with all human references of that representation; the frozen slot matcher counts errors.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from controllers.matchers.slot_matcher import SAME_LEVEL, VALUES, named_values
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.types import Request
from diffusion.selection import minimum_bayes_risk
from diffusion.text import source
from diffusion.text.labels import parse_meaning
from diffusion.text.vocab import split
from training.evaluation.ledger import Ledger
from training.evaluation.quality import metrics
from training.evaluation.quality.measure import HUMAN, Bench, Human, about, written
from training.evaluation.report.results import Bar, Row, Table, bars

CANDIDATES = 5
BARS = {"seqdiffuseq": (55.0, 3.0)}      # least BLEU, and most points of slot error above human text, by paper
ALONE, MBR = "alone", f"MBR among {CANDIDATES}"
EVERY, ONE = "every reference", "one against the others"      # the rows of human text


@dataclass(frozen=True, slots=True)
class Meaning:
    """A meaning representation, its slots, and all human texts that were written for it."""

    text: str
    slots: Mapping[str, str]
    references: tuple[str, ...]


def meanings(rows: Sequence[Human], count: int) -> list[Meaning]:
    """The first `count` meaning representations in the order of the rows, with all texts that the rows have for them.

    Raises:
        StudioError: there are not as many, or one has a slot or value that the matcher does not judge.
    """
    found: dict[frozenset[tuple[str, str]], tuple[str, list[str]]] = {}
    for row in rows:
        slots = frozenset(parse_meaning(row.meaning).items())
        found.setdefault(slots, (row.meaning, []))[1].append(row.text)
    if len(found) < count:
        raise StudioError(f"{count} meaning representations are wanted, but the data have only {len(found)}. "
                          f"Ask for at most that many samples.")
    made = [Meaning(text, parse_meaning(text), tuple(texts)) for text, texts in list(found.values())[:count]]
    for slot, value in ((slot, value) for meaning in made for slot, value in meaning.slots.items()):
        if value not in VALUES.get(slot, ()):
            raise StudioError(f"The slot matcher does not judge the value '{value}' of the slot '{slot}'. It was written "
                              f"for E2E: measure texts from a source on data with E2E's slots and values.")
    return made


# ---- figures


@dataclass(frozen=True, slots=True)
class SlotErrors:
    """Slots that are wrong in some texts, beside the slots that were given; the error is their sum over those given."""

    given: int
    missing: int
    wrong: int
    invented: int

    @classmethod
    def of(cls, texts: Sequence[str], slots: Sequence[Mapping[str, str]]) -> SlotErrors:
        """Text i against slots i, by the frozen matcher.

        A given slot is wrong if the text names another value of it (another level, where words and numbers stand for one
        another), and missing if it names none; a slot that was not given is invented if the text names any value of it.
        """
        counts = {"missing": 0, "wrong": 0, "invented": 0}
        for text, given in zip(texts, slots, strict=True):
            for slot in VALUES:
                named = set(named_values(text, slot))
                if slot not in given:
                    counts["invented"] += bool(named)
                elif named - _same(slot, given[slot]):
                    counts["wrong"] += 1
                else:
                    counts["missing"] += not named
        return cls(sum(map(len, slots)), **counts)

    def row(self) -> Row:
        """The error and its parts in percent of the slots given."""
        parts = {"missing": self.missing, "wrong": self.wrong, "invented": self.invented}
        percent = {name: 100 * count / self.given for name, count in parts.items()}
        return {"slot error %": sum(percent.values()), **{f"{name} %": value for name, value in percent.items()}}


def _same(slot: str, value: str) -> set[str]:
    """The values that say the same as this one: itself, and the other scale's for the level."""
    return {value, *(twin for pair in SAME_LEVEL.get(slot, {}).items() if value in pair for twin in pair)}


def bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU-4 against any number of references each, 0 to 100, by sacrebleu on our tokens, case kept."""
    from sacrebleu.metrics import BLEU

    most = max(map(len, references))
    streams = [[_spaced(each[place]) if place < len(each) else None for each in references] for place in range(most)]
    scorer = BLEU(tokenize="none", smooth_method="none", force=True)         # force: our tokens are meant
    return scorer.corpus_score([_spaced(text) for text in texts], streams).score


def rouge(texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Mean ROUGE-L of each text against all its references, 0 to 100, on our tokens, case kept."""
    found = [metrics.rouge_l(split(text), [split(each) for each in those])
             for text, those in zip(texts, references, strict=True)]
    return 100 * sum(found) / len(found)


def _spaced(text: str) -> str:
    return " ".join(split(text))


def figures(texts: Sequence[str], given: Sequence[Meaning]) -> Row:
    """Everything that is measured on one text for each meaning."""
    references = [meaning.references for meaning in given]
    return {"BLEU-4": bleu(texts, references), "ROUGE-L": rouge(texts, references),
            **SlotErrors.of(texts, [meaning.slots for meaning in given]).row()}


# ---- the measurement


def from_source(bench: Bench, requests: Sequence[Request], count: int, ledger: Ledger | None = None) -> list[Table]:
    """Texts from the first `count` held-out meaning representations: the first candidate alone, and the choice by MBR.

    Raises:
        StudioError: the model reads no source.
    """
    if not bench.model.source:
        raise StudioError(f"{bench.model.title} reads no source. Measure a paper that does, or its labels: --what label.")
    ledger, given = ledger or Ledger(), meanings(bench.human, count)
    ledger.row({"sampler": HUMAN, "texts": count, "choice": EVERY}, partial(_every_reference, given))
    if any(len(meaning.references) > 1 for meaning in given):
        ledger.row({"sampler": HUMAN, "texts": count, "choice": ONE}, partial(_one_reference, given))
    for request in requests:
        _settled(bench.model, request, given, ledger)
    return tables(bench.model, ledger.rows)


def _every_reference(given: Sequence[Meaning]) -> Row:
    """The slot errors of all human references of the meanings."""
    texts, slots = zip(*((text, meaning.slots) for meaning in given for text in meaning.references), strict=True)
    return {"references": len(texts), **SlotErrors.of(texts, slots).row()}


def _one_reference(given: Sequence[Meaning]) -> Row:
    """The first human reference as if a model had written it, against the others: one reference less than models have."""
    several = [meaning for meaning in given if len(meaning.references) > 1]
    others = [dataclasses.replace(meaning, references=meaning.references[1:]) for meaning in several]
    return figures([meaning.references[0] for meaning in several], others)


def _settled(model: DiffusionModel, request: Request, given: Sequence[Meaning], ledger: Ledger) -> None:
    """The two rows of a request, unless both are there: its candidates are drawn once."""
    if measured(request, len(given), ledger):
        return
    key = _key(request, len(given))
    began = time.perf_counter()
    pools, nfe = candidates(model, request, given)
    seconds = (time.perf_counter() - began) / CANDIDATES
    chosen = [pool[minimum_bayes_risk(pool).index] for pool in pools]
    for choice, texts, price in ((ALONE, [pool[0] for pool in pools], 1), (MBR, chosen, CANDIDATES)):
        ledger.row({**key, "choice": choice}, lambda texts=texts, price=price: {
            "NFE": price * nfe, **figures(texts, given), "seconds": price * seconds})


def measured(request: Request, count: int, ledger: Ledger) -> bool:
    """Whether both rows of a request, for `count` meanings, are in a ledger."""
    return all(ledger.find({**_key(request, count), "choice": choice}) for choice in (ALONE, MBR))


def _key(request: Request, count: int) -> Row:
    return {**about(request), "guidance_scale": request.guidance_scale, "texts": count}


def candidates(model: DiffusionModel, request: Request, given: Sequence[Meaning]) -> tuple[list[list[str]], float]:
    """`CANDIDATES` texts for each meaning, and the network evaluations of one text.

    Candidate c of meaning i has the seed c N + i, so that the first candidates do not depend on how many follow.
    """
    sources = torch.stack([source.encode(meaning.text, model.vocab, model.labels) for meaning in given])
    pools: list[list[str]] = [[] for _ in given]
    for number in range(CANDIDATES):
        seeds = range(number * len(given), (number + 1) * len(given))
        texts, nfe = written(model, request, seeds, sources=sources)
        for pool, text in zip(pools, texts, strict=True):
            pool.append(model.vocab.text(text))
    return pools, nfe


def tables(model: DiffusionModel, rows: Sequence[Row]) -> list[Table]:
    """The rows beside the human references, and the bars where the paper has them."""
    show = ["sampler", "steps", "temperature", "guidance_scale", "choice", "texts", "NFE", "BLEU-4", "ROUGE-L", "slot error %",
            "missing %", "wrong %", "invented %"]
    found = [Table.of("From a source: meaning representations of held-out texts, all their references", rows, show)]
    ours = [row for row in rows if row["sampler"] != HUMAN]
    if model.slug in BARS and ours:
        least, above = BARS[model.slug]
        of_people = {row["texts"]: row["slot error %"] for row in rows if row["choice"] == EVERY}
        limits = [bar for row in ours for bar in (
            Bar(f"BLEU-4 ({_named(row)})", row["BLEU-4"], low=least),
            Bar(f"slot error, % ({_named(row)})", row["slot error %"], high=of_people[row["texts"]] + above))]
        found.append(bars(*limits))
    return found


def _named(row: Row) -> str:
    return f"{row['sampler']}, {row['steps']} steps, {row['choice']}, scale {row['guidance_scale']:g}"
