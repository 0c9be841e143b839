"""Measures steering: do labels, lengths and pinned words arrive in the finished text, and what does it cost in fluency?

Success is judged on finished text only: labels by the frozen slot matcher, lengths and pins by counting words.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from tqdm.auto import tqdm

from controllers import parse_controls
from controllers.base import Context
from controllers.matchers.slot_matcher import VALUES, named, named_strictly, named_values
from controllers.strategies.absorb import Absorb
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.types import Request
from diffusion.text.labels import ABSENT, UNKNOWN, parse_meaning
from diffusion.text.vocab import UNK
from training.evaluation.quality import metrics
from training.evaluation.quality.measure import BATCH, ROW_SEED, Bench, finished, write
from training.evaluation.quality.metrics import Text
from training.evaluation.report.results import Bar, Row, Table, bars

LENGTHS = (5, 40)        # targets of a length, in words
BLANKS = (3, 6)          # words of a blank
Meaning = Mapping[str, str]


# ---- labels


@dataclass(frozen=True, slots=True)
class Shares:
    """Percent of the given slots that texts name, by slot and over all, and of the other slots that they name too."""

    named: dict[str, float]
    strictly: dict[str, float]
    overall: float
    overall_strictly: float
    invented: float

    @classmethod
    def of(cls, texts: Sequence[str], meanings: Sequence[Meaning]) -> Shares:
        """By the frozen matcher, text i against meaning i.

        Raises:
            StudioError: a meaning has a slot or value that the matcher does not judge.
        """
        loose: dict[str, list[bool]] = defaultdict(list)
        strict: dict[str, list[bool]] = defaultdict(list)
        others: list[bool] = []
        for text, meaning in zip(texts, meanings, strict=True):
            for slot, value in meaning.items():
                _judged(slot, value)
                loose[slot].append(named(text, slot, value))
                strict[slot].append(named_strictly(text, slot, value))
            others += [bool(named_values(text, slot)) for slot in VALUES if slot not in meaning]
        slots = [slot for slot in VALUES if slot in loose]
        return cls({slot: _percent(loose[slot]) for slot in slots}, {slot: _percent(strict[slot]) for slot in slots},
                   _percent([*chain(*loose.values())]), _percent([*chain(*strict.values())]), _percent(others))


def _judged(slot: str, value: str) -> None:
    if value not in VALUES.get(slot, ()):
        raise StudioError(f"The slot matcher does not judge the value '{value}' of the slot '{slot}'. "
                          f"It was written for E2E: measure labels on data with E2E's slots and values.")


def _percent(found: Sequence[bool]) -> float:
    return 100 * sum(found) / len(found) if found else 0.0


def label(bench: Bench, request: Request, count: int, scales: Sequence[float], absent: bool = False) -> list[Table]:
    """Samples told all slots of as many held-out meanings, for each guidance scale; the humans who wrote them beside.

    With `absent`, the other slots are told to be absent, otherwise they are unknown.
    """
    rows = bench.first(count)
    meanings = [parse_meaning(row.meaning) for row in rows]
    labels = torch.stack([bench.model.labels.encode(meaning, ABSENT if absent else UNKNOWN) for meaning in meanings])
    human_figures = bench.figures([row.words for row in rows])
    human = Shares.of([row.text for row in rows], meanings)
    free = bench.figures(write(bench.model, request, count))
    overall: list[Row] = [
        {"texts": "human", **_overall(human), **_fluency(human_figures, human_figures, free)},
        {"texts": "free samples", **_fluency(free, human_figures, free)}]
    found: dict[float, Shares] = {}
    for scale in scales:
        texts = write(bench.model, request.with_(guidance_scale=scale), count, labels)
        found[scale] = Shares.of([bench.model.vocab.text(text) for text in texts], meanings)
        overall.append({"texts": f"guidance scale {scale:g}", **_overall(found[scale]),
                        **_fluency(bench.figures(texts), human_figures, free)})
    rest = "absent" if absent else "unknown"
    return [Table.of(f"{count} samples told all slots of a held-out meaning, other slots {rest} ({request.sampler}, "
                     f"{request.steps} steps)", overall), _by_slot(human, found, meanings), _label_bars(human, found)]


def _overall(shares: Shares) -> Row:
    return {"named %": shares.overall, "named strictly %": shares.overall_strictly, "invented %": shares.invented}


def _fluency(figures: Row, human: Row, free: Row) -> Row:
    return {"perplexity": figures["perplexity"], "perplexity / human": figures["perplexity"] / human["perplexity"],
            "perplexity / free": figures["perplexity"] / free["perplexity"], "distinct-4": figures["distinct-4"],
            "verbatim %": figures["verbatim %"], "words": figures["words"]}


def _by_slot(human: Shares, found: Mapping[float, Shares], meanings: Sequence[Meaning]) -> Table:
    rows: list[Row] = []
    for slot in human.named:
        row: Row = {"slot": slot, "given": sum(slot in meaning for meaning in meanings), "human": human.named[slot],
                    "human, strictly": human.strictly[slot]}
        for scale, shares in found.items():
            row |= {f"scale {scale:g}": shares.named[slot], f"scale {scale:g}, strictly": shares.strictly[slot]}
        rows.append(row)
    return Table.of("Percent of the texts that name the slot's value", rows)


def _label_bars(human: Shares, found: Mapping[float, Shares]) -> Table:
    """The bars for the scale that names most; choose it on held-out training rows and report that one alone."""
    scale, best = max(found.items(), key=lambda pair: pair[1].overall)
    return bars(Bar(f"all slots, % named (scale {scale:g})", best.overall, low=90.0),
                *(Bar(f"{slot}, % named (scale {scale:g})", share, low=human.named[slot] - 3)
                  for slot, share in best.named.items()))


# ---- lengths and blanks


def steered(model: DiffusionModel, request: Request, controls: Sequence[str]) -> list[Text]:
    """Texts of a request under controls written as on the command line."""
    parsed = parse_controls(list(controls), Context(model.vocab, model.labels, request.length))
    return finished(model, request, Absorb(parsed))


def length(bench: Bench, request: Request, count: int) -> list[Table]:
    """Runs with a drawn number of words: alone, and with the first and last words of a human text pinned as well."""
    generator = torch.Generator().manual_seed(ROW_SEED)
    targets = torch.randint(LENGTHS[0], LENGTHS[1] + 1, (count,), generator=generator).tolist()
    alone = _of_lengths(bench.model, request, targets)
    exact = [len(text) == target for text, target in zip(alone, targets, strict=True)]
    known = [row.words for row in bench.human if UNK not in row.words and len(row.words) >= 4]
    pinned, both = [], []
    for seed, target in enumerate(tqdm(targets, desc="length and pins", leave=False)):
        human = known[seed % len(known)]
        first, last = (" ".join(bench.model.vocab.tokens(part)) for part in (human[:2], human[-2:]))
        controls = [f"length={target}", f"infill={first} ___ {last}"]
        text = steered(bench.model, request.with_(seeds=(seed,)), controls)[0]
        pinned.append(text)
        both.append(len(text) == target and text[:2] == human[:2] and text[-2:] == human[-2:])
    rows: list[Row] = [
        {"control": "length", "runs": count, "exact %": _percent(exact), **_price(bench, alone)},
        {"control": "length, both ends pinned", "runs": count, "exact %": _percent(both), **_price(bench, pinned)}]
    caption = f"Lengths of {LENGTHS[0]} to {LENGTHS[1]} words ({request.sampler}, {request.steps} steps)"
    limits = [Bar(f"{row['control']}, % exact", row["exact %"], low=100.0) for row in rows]
    return [Table.of(caption, rows), bars(*limits)]


def _of_lengths(model: DiffusionModel, request: Request, targets: Sequence[int]) -> list[Text]:
    """The text of seed i with targets[i] words; runs of one target share a batch."""
    seeds: dict[int, list[int]] = defaultdict(list)
    for seed, target in enumerate(targets):
        seeds[target].append(seed)
    texts: dict[int, Text] = {}
    for target, group in tqdm(seeds.items(), desc="length", leave=False):
        for start in range(0, len(group), BATCH):
            part = group[start:start + BATCH]
            written = steered(model, request.with_(seeds=tuple(part)), [f"length={target}"])
            texts |= dict(zip(part, written, strict=True))
    return [texts[seed] for seed in range(len(targets))]


def _price(bench: Bench, texts: Sequence[Text]) -> Row:
    human = metrics.perplexity(bench.judge, [row.words for row in bench.human[:len(texts)]])
    judged = metrics.perplexity(bench.judge, texts)
    return {"perplexity": judged, "perplexity / human": judged / human}


@dataclass(frozen=True, slots=True)
class Blank:
    """A human text with some consecutive words taken out."""

    words: Text
    start: int
    size: int

    def control(self, model: DiffusionModel) -> str:
        """The infill as on the command line, with a blank of exactly its size."""
        words = model.vocab.tokens(self.words)
        return "infill=" + " ".join([*words[: self.start], f"___{self.size}", *words[self.start + self.size:]])

    def inside(self, text: Text) -> Text:
        """What stands in the blank of a filled text."""
        return text[self.start:self.start + self.size]

    def kept(self, text: Text) -> bool:
        """Whether everything outside the blank survived, and nothing was added."""
        return (*text[: self.start], *self.inside(self.words), *text[self.start + self.size:]) == self.words


def blanks(bench: Bench, count: int) -> list[Blank]:
    """A blank in each of the first `count` human texts whose words are all known, at a random place.

    Raises:
        StudioError: there are not as many.
    """
    generator = torch.Generator().manual_seed(ROW_SEED)
    found: list[Blank] = []
    for row in bench.human:
        size = int(torch.randint(BLANKS[0], BLANKS[1] + 1, (), generator=generator))
        if UNK not in row.words and len(row.words) > size + 1 and len(found) < count:
            start = int(torch.randint(0, len(row.words) - size + 1, (), generator=generator))
            found.append(Blank(row.words, start, size))
    if len(found) < count:
        raise StudioError(f"{count} texts to blank words in are wanted, but only {len(found)} fit. "
                          f"Ask for at most that many.")
    return found


def infill(bench: Bench, request: Request, count: int, baseline: DiffusionModel | None) -> list[Table]:
    """Blanks of 3 to 6 words filled by the model, and by a baseline that writes from the left."""
    given = blanks(bench, count)
    human = metrics.perplexity(bench.judge, [blank.words for blank in given])
    rows: list[Row] = [{"texts": "human", "perplexity": human, "perplexity / human": 1.0}]
    rows.append(_filled(bench, bench.model, request, given, human))
    if baseline is not None:
        rows.append(_filled(bench, baseline, Request(length=request.length, steps=request.steps), given, human))
    caption = (f"{count} human texts with {BLANKS[0]} to {BLANKS[1]} words blanked "
               f"({request.sampler}, {request.steps} steps)")
    return [Table.of(caption, rows, [name for name in rows[1] if name != "seconds"]),
            bars(Bar("perplexity of the filled text / human", rows[1]["perplexity / human"], high=1.3),
                 Bar("pins exact, %", rows[1]["pins exact %"], low=100.0))]


def _filled(bench: Bench, model: DiffusionModel, request: Request, given: Sequence[Blank], human: float) -> Row:
    """Figures of a model's texts; `human` is the judge's perplexity of the texts before the blanks were made."""
    began = time.perf_counter()
    texts = [steered(model, request.with_(seeds=(seed,)), [blank.control(model)])[0]
             for seed, blank in enumerate(tqdm(given, desc=f"infill {model.slug}", leave=False))]
    seconds = time.perf_counter() - began
    judged, pairs = metrics.perplexity(bench.judge, texts), list(zip(given, texts, strict=True))
    bleu = metrics.bleu4([blank.inside(text) for blank, text in pairs], [blank.inside(blank.words) for blank in given])
    return {"texts": model.title, "perplexity": judged, "perplexity / human": judged / human,
            "BLEU-4 of the blanks %": 100 * bleu,
            "blanks as the human %": _percent([blank.words == text for blank, text in pairs]),
            "pins exact %": _percent([blank.kept(text) for blank, text in pairs]), "seconds": seconds}
