"""Measures what a model writes on its own: fluency, variety, copying, and whether a seed gives the same text again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

import diffusion
from diffusion.core.compute import choose
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.model import DiffusionModel
from diffusion.core.strategy import Strategy
from diffusion.core.types import Request
from diffusion.papers.autoregressive import Autoregressive, LanguageModel
from training.data import corpus, source
from training.evaluation.ledger import Ledger
from training.evaluation.quality import metrics
from training.evaluation.quality.metrics import Gram, Text
from training.evaluation.report.results import Bar, Row, Table, bars, fingerprint

ROW_SEED = 20220601      # which human texts stand beside a measurement
BATCH = 64
HUMAN = "human text"     # stands where a row of samples names its sampler
# Fields of a request that only some samplers read, with their defaults.
KNOBS = {name: getattr(Request(), name) for name in ("clamp", "eta", "mix", "mix_share", "revise")}


@dataclass(frozen=True, slots=True)
class Human:
    """A held-out human text: what it says, the text as written, and its words as the model knows them."""

    meaning: str
    text: str
    words: Text


@dataclass(frozen=True)
class Bench:
    """What every measurement of quality needs: the model, the judge, human texts in a fixed order, training texts.

    Attributes:
        human: rows that fit the model's length, of the validation part or of the part for tuning.
        training: the texts that the model was trained on, as word ids.
        data: hash of each data file by name.
    """

    model: DiffusionModel
    judge: LanguageModel
    human: list[Human]
    training: frozenset[Text]
    data: dict[str, str]

    @classmethod
    def open(cls, name: str | Path, model: DiffusionModel, judge: LanguageModel, tuning: bool = False) -> Bench:
        """Reads a folder or a data set of the Hub; with `tuning`, human texts are the training rows held out for it.

        Raises:
            StudioError: a file is unfit, or the judge knows other words than the model.
        """
        if judge.vocab.fingerprint != model.vocab.fingerprint:
            raise StudioError(f"The judge knows the vocabulary {judge.vocab.fingerprint}, but {model.title} uses "
                              f"{model.vocab.fingerprint}. Take a judge that was trained on the same data.")
        found = source.locate(name)
        trained, held_out = corpus.hold_out(corpus.read_part(found.train))
        rows = shuffled(held_out if tuning else corpus.read_part(found.valid))
        ids = encode(model, [row.text for row in rows])
        human = [Human(row.meaning, row.text, words) for row, words in zip(rows, ids, strict=True)]
        return cls(model, judge, [row for row in human if len(row.words) < model.length],
                   frozenset(encode(model, [row.text for row in trained])),
                   {path.name: fingerprint(path) for path in (*found.train, *found.valid)})

    def first(self, count: int) -> list[Human]:
        """The first `count` human texts.

        Raises:
            StudioError: there are not as many, and pools of different size cannot be compared.
        """
        if count > len(self.human):
            raise StudioError(f"{count} human texts are wanted, to compare as many samples with, but only "
                              f"{len(self.human)} fit. Ask for at most that many samples, or give more data.")
        return self.human[:count]

    @cached_property
    def grams(self) -> frozenset[Gram]:
        """All 4-grams of the training texts."""
        return frozenset(gram for text in self.training for gram in metrics.ngrams(text, 4))

    def figures(self, pool: Sequence[Text]) -> Row:
        """Everything that is measured on a pool of texts; shares in percent where the name says so."""
        lengths = asdict(metrics.Lengths.of(pool))
        nats, tokens = metrics.judged(self.judge, pool)
        bits, width = metrics.bits_per_token(nats, tokens)
        return {"perplexity": 2**bits, "± (95%)": 2**bits * (2**width - 1),
                **{f"distinct-{order}": metrics.distinct(pool, order) for order in (1, 2, 3, 4)},
                "self-BLEU %": 100 * metrics.self_bleu(pool),
                "verbatim %": 100 * metrics.verbatim_share(pool, self.training),
                "copied 4-grams %": 100 * metrics.copied_share(pool, self.grams),
                "entropy": metrics.unigram_entropy(pool), "words": lengths.pop("mean"),
                **{f"words {name}": value for name, value in lengths.items()}}


def shuffled(rows: Sequence[corpus.Row]) -> list[corpus.Row]:
    """Rows in the fixed order in which every measurement takes them."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(ROW_SEED)).tolist()
    return [rows[index] for index in order]


def encode(model: DiffusionModel, texts: Sequence[str]) -> list[Text]:
    """Texts as the model's word ids, unknown words as UNK."""
    return [tuple(found.ids) for found in model.vocab.tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def finished(model: DiffusionModel, request: Request, strategy: Strategy | None = None) -> list[Text]:
    """The texts of a run, by the same loop as everywhere."""
    for step in diffusion.stream(model, request, strategy):
        ids = step.ids
    return metrics.texts_of(ids)


def write(model: DiffusionModel, request: Request, count: int, labels: Tensor | None = None) -> list[Text]:
    """`count` texts of seeds 0, 1, ... in batches; labels (count, S) where each has its own."""
    return written(model, request, range(count), labels)[0]


def written(model: DiffusionModel, request: Request, seeds: range, labels: Tensor | None = None,
            sources: Tensor | None = None) -> tuple[list[Text], float]:
    """One text a seed in batches, and the mean network evaluations of a batch.

    Args:
        labels: (N, S) where each of the N seeds has its own.
        sources: (N, M) where each has its own.
    """
    texts: list[Text] = []
    spent: list[int] = []
    for start in tqdm(range(0, len(seeds), BATCH), desc=f"{request.sampler} {request.steps}", unit="batch", leave=False):
        part = slice(start, start + BATCH)
        told = {name: values[part] for name, values in (("label", labels), ("source", sources)) if values is not None}
        for step in diffusion.stream(model, request.with_(seeds=tuple(seeds[part]), **told)):
            ids, nfe = step.ids, step.nfe
        texts += metrics.texts_of(ids)
        spent.append(nfe)
    return texts, sum(spent) / len(spent)


@dataclass(frozen=True, slots=True)
class Setting:
    """A row to be measured: what is sampled, and how many texts of it."""

    request: Request
    texts: int


def combined(samplers: Iterable[str], steps: Iterable[int], temperatures: Iterable[float | None],
             knobs: Mapping[str, Sequence[float]]) -> list[Request]:
    """All combinations that differ: a knob varies only where the sampler reads it, steps only where it heeds them.

    Args:
        knobs: values of fields of the request by the field's name.
    """
    requests: list[Request] = []
    for name, number, temperature in itertools.product(samplers, steps, temperatures):
        sampler = diffusion.SAMPLERS[known_or_raise("sampler", name, diffusion.SAMPLERS)]
        used = [knob for knob in knobs if knob in sampler.options]
        for values in itertools.product(*(knobs[knob] for knob in used)):
            request = Request(sampler=name, steps=number if sampler.heeds_steps else Request().steps, temperature=temperature,
                              **dict(zip(used, values, strict=True)))
            if request not in requests:
                requests.append(request)
    return requests


def about(request: Request) -> Row:
    """The part of a request that a table of settings shows."""
    return {name: getattr(request, name) for name in ("sampler", "steps", "temperature", *KNOBS)}


# ---- free samples


def free(bench: Bench, wanted: Sequence[Setting], ledger: Ledger | None = None) -> list[Table]:
    """Free samples of each setting beside as many human texts: all slots unknown, and no source."""
    ledger = ledger or Ledger()
    for setting in wanted:
        count = setting.texts
        human = ledger.row({"sampler": HUMAN, "texts": count}, partial(_human, bench, count))
        ledger.row({**about(setting.request), "texts": count}, partial(_sampled, bench, setting, human))
    return free_tables(bench.model, ledger.rows)


def _human(bench: Bench, count: int) -> Row:
    """Figures of the first `count` human texts; MAUVE against the next `count`, where there are as many."""
    first = [row.words for row in bench.first(count)]
    following = [row.words for row in bench.human[count:2 * count]]
    alike = metrics.mauve(bench.judge, following, first) if len(following) == count else None
    return {**bench.figures(first), "perplexity / human": 1.0, "distinct-4 / human": 1.0, "MAUVE": alike}


def _sampled(bench: Bench, setting: Setting, human: Row) -> Row:
    began = time.perf_counter()
    texts, nfe = written(bench.model, setting.request, range(setting.texts))
    seconds = time.perf_counter() - began
    row = bench.figures(texts)
    return {"NFE": nfe, **row, "perplexity / human": row["perplexity"] / human["perplexity"],
            "distinct-4 / human": row["distinct-4"] / human["distinct-4"],
            "MAUVE": metrics.mauve(bench.judge, texts, [row.words for row in bench.first(setting.texts)]), "seconds": seconds}


def free_tables(model: DiffusionModel, rows: Sequence[Row]) -> list[Table]:
    """The rows in order (human text first, then the model's samplers by steps) and the bars they have to reach."""
    order = {name: place for place, name in enumerate((HUMAN, *model.samplers))}
    rows = sorted(rows, key=lambda row: (order.get(row["sampler"], len(order)), -row["texts"], row.get("steps") or 0,
                                         row.get("temperature") or 0))
    show = ["sampler", "steps", "temperature", "texts", "NFE", "perplexity", "± (95%)", "perplexity / human", "MAUVE",
            "distinct-1", "distinct-4", "distinct-4 / human", "self-BLEU %", "verbatim %", "copied 4-grams %", "entropy",
            "words"]
    show[3:3] = [name for name, usual in KNOBS.items() if any(row.get(name, usual) != usual for row in rows)]
    return [Table.of("Free samples, and as many human texts", rows, show), *_free_bars(model, rows)]


def _free_bars(model: DiffusionModel, rows: Sequence[Row]) -> list[Table]:
    """The bars of a paper's free samples, for its first sampler at 64 steps."""
    found = next((row for row in rows if row.get("steps") == 64 and row["sampler"] == model.samplers[0]), None)
    if found is None or model.slug == Autoregressive.slug:
        return []
    human = next(row for row in rows if row["sampler"] == HUMAN and row["texts"] == found["texts"])
    name = f"{found['sampler']}, 64 steps"
    return [bars(Bar(f"perplexity / human ({name})", found["perplexity / human"], 0.8, 1.5),
                 Bar(f"distinct-4 / human ({name})", found["distinct-4 / human"], 0.85, 1.15),
                 Bar(f"verbatim above human, points ({name})", found["verbatim %"] - human["verbatim %"], high=5.0))]


# ---- the same again


def reproducibility(model: DiffusionModel, request: Request, count: int, paths: Sequence[str]) -> list[Table]:
    """Share of seeds whose text is the same again, alone as in a batch, and on each speed path as on plain fp32."""
    reference: list[Text] = []
    rows: list[Row] = []
    for path in dict.fromkeys(["fp32", *paths]):
        choose(model, path)
        together = write(model, request, count)
        seeds = tqdm(range(count), desc=f"{path} alone", leave=False)
        alone = [finished(model, request.with_(seeds=(seed,)))[0] for seed in seeds]
        again = write(model, request, count)
        reference = reference or together
        rows.append({"path": path, "seeds": count, "again %": percent_equal(together, again),
                     "alone as in a batch %": percent_equal(together, alone),
                     "as fp32 %": percent_equal(together, reference)})
    limits = {"again %": 100.0, "alone as in a batch %": 100.0, "as fp32 %": 99.0}
    given = [Bar(f"{name[:-2]}, % of seeds ({row['path']})", row[name], low)
             for row in rows for name, low in limits.items()]
    caption = f"The same seed, the same text ({request.sampler}, {request.steps} steps)"
    return [Table.of(caption, rows), bars(*given)]


def percent_equal(texts: Sequence[Text], others: Sequence[Text]) -> float:
    """Percent of places where two lists hold the same text."""
    return 100 * sum(text == other for text, other in zip(texts, others, strict=True)) / len(texts)
