"""Measures what a model writes on its own: fluency, variety, copying, and whether a seed gives the same text again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

import diffusion
from diffusion.autoregressive import LanguageModel
from diffusion.core.compute import choose
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel
from diffusion.core.strategy import Strategy
from diffusion.core.types import Request
from training import data as corpus
from training import metrics, source
from training.metrics import Gram, Text
from training.results import Bar, Row, Table, bars, fingerprint

ROW_SEED = 20220601      # which human texts stand beside a measurement
BATCH = 64
# Knobs that change what a sampler does; others would only repeat its rows.
KNOBS = {"ancestral": ("clamp",), "ddim": ("clamp", "eta")}


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
    texts: list[Text] = []
    for start in tqdm(range(0, count, BATCH), desc=f"{request.sampler} {request.steps}", unit="batch", leave=False):
        seeds = tuple(range(start, min(start + BATCH, count)))
        label = None if labels is None else labels[start:start + len(seeds)]
        texts += finished(model, request.with_(seeds=seeds, label=label))
    return texts


def settings(samplers: Iterable[str], steps: Iterable[int], temperatures: Iterable[float], clamps: Iterable[float],
             etas: Iterable[float]) -> list[Request]:
    """All combinations that differ: clamp and eta vary only where the sampler uses them."""
    requests: list[Request] = []
    for sampler, number, temperature, clamp, eta in itertools.product(samplers, steps, temperatures, clamps, etas):
        used = {name: value for name, value in (("clamp", clamp), ("eta", eta)) if name in KNOBS.get(sampler, ())}
        request = Request(sampler=sampler, steps=number, temperature=temperature, **used)
        if request not in requests:
            requests.append(request)
    return requests


def about(request: Request) -> Row:
    """The part of a request that a table of settings shows."""
    return {name: getattr(request, name) for name in ("sampler", "steps", "temperature", "clamp", "eta")}


def free(bench: Bench, requests: Sequence[Request], count: int) -> list[Table]:
    """Free samples of each setting beside as many human texts."""
    human = bench.figures([row.words for row in bench.first(count)])
    rows: list[Row] = [{"sampler": "human text", **human, "perplexity / human": 1.0, "distinct-4 / human": 1.0}]
    for request in requests:
        began = time.perf_counter()
        texts = write(bench.model, request, count)
        seconds = time.perf_counter() - began
        row = bench.figures(texts)
        rows.append({**about(request), **row, "perplexity / human": row["perplexity"] / human["perplexity"],
                     "distinct-4 / human": row["distinct-4"] / human["distinct-4"], "seconds": seconds})
    show = ["sampler", "steps", "temperature", "perplexity", "± (95%)", "perplexity / human", "distinct-1",
            "distinct-4", "self-BLEU %", "verbatim %", "copied 4-grams %", "entropy", "words"]
    show[3:3] = [name for name in ("clamp", "eta") if any(row.get(name) for row in rows)]
    return [Table.of(f"{count} free samples, and as many human texts", rows, show), *_free_bars(rows)]


def _free_bars(rows: Sequence[Row]) -> list[Table]:
    """The bars of free samples, for the first setting of 64 steps."""
    human = rows[0]
    for row in rows[1:]:
        if row["steps"] == 64:
            name = f"{row['sampler']}, 64 steps"
            return [bars(Bar(f"perplexity / human ({name})", row["perplexity / human"], 0.8, 1.6),
                         Bar(f"distinct-4 / human ({name})", row["distinct-4 / human"], 0.85, 1.15),
                         Bar(f"verbatim above human, points ({name})",
                             row["verbatim %"] - human["verbatim %"], high=5.0))]
    return []


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
