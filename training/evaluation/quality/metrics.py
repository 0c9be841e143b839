"""What is measured on texts: fluency by the judge, variety, copying, and how close texts are to human ones.

A text is a tuple of word ids without specials other than UNK; a pool is a list of texts. Shares are between 0 and 1.
Figures of two pools are compared only when the pools hold the same number of texts, since distinct-n falls with size.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion.core.errors import StudioError
from diffusion.judging import Text, judged, perplexity, rows_of, texts_of  # noqa: F401  (judged where the app can reach it)
from diffusion.papers.autoregressive import LanguageModel
from diffusion.text.labels import UNKNOWN
from diffusion.text.vocab import END, PAD

Gram = tuple[int, ...]
BLEU_ORDER = 4
MAUVE_SEED = 25          # of the clusters that MAUVE sorts texts into
RECALL_WEIGHT = 1.2      # ROUGE-L's beta, as the E2E challenge sets it


def ngrams(text: Sequence[int], order: int) -> Iterator[Gram]:
    """All runs of `order` words, in order; none where the text is shorter."""
    return (tuple(text[start:start + order]) for start in range(len(text) - order + 1))


def distinct(pool: Iterable[Text], order: int) -> float:
    """Different n-grams over all n-grams of a pool; 0 where it has none."""
    seen = Counter(gram for text in pool for gram in ngrams(text, order))
    return len(seen) / seen.total() if seen else 0.0


def unigram_entropy(pool: Iterable[Text]) -> float:
    """Entropy in nats of the words of a pool: low where a few words make up all texts."""
    counts = Counter(word for text in pool for word in text)
    total = counts.total()
    return -sum(count / total * math.log(count / total) for count in counts.values())


def verbatim_share(pool: Sequence[Text], training: Collection[Text]) -> float:
    """Share of the texts that stand in the training rows word for word; `training` should be a set."""
    return sum(text in training for text in pool) / len(pool)


def copied_share(pool: Iterable[Text], training: Collection[Gram], order: int = 4) -> float:
    """Share of a pool's n-gram occurrences that occur in training; `training` is the set of its n-grams."""
    grams = [gram for text in pool for gram in ngrams(text, order)]
    return sum(gram in training for gram in grams) / len(grams) if grams else 0.0


@dataclass(frozen=True, slots=True)
class Lengths:
    """Words per text."""

    mean: float
    p5: int
    median: int
    p95: int

    @classmethod
    def of(cls, pool: Sequence[Text]) -> Lengths:
        """Mean and nearest-rank percentiles."""
        sizes = sorted(map(len, pool))
        p5, median, p95 = (sizes[math.ceil(share * len(sizes)) - 1] for share in (0.05, 0.5, 0.95))
        return cls(sum(sizes) / len(sizes), p5, median, p95)


def bleu4(texts: Sequence[Text], references: Sequence[Text]) -> float:
    """Corpus BLEU-4 without smoothing, one reference each, between 0 and 1.

    Source: Papineni et al. (2002). Texts shorter than four words count in the lower orders alone.
    """
    matched, total = [0] * BLEU_ORDER, [0] * BLEU_ORDER
    for text, reference in zip(texts, references, strict=True):
        for index in range(BLEU_ORDER):
            own, other = Counter(ngrams(text, index + 1)), Counter(ngrams(reference, index + 1))
            matched[index] += (own & other).total()
            total[index] += own.total()
    return _bleu(matched, total, sum(map(len, texts)), sum(map(len, references)))


def self_bleu(pool: Sequence[Text]) -> float:
    """Corpus BLEU-4 of every text against all the others as its references: high where texts resemble each other.

    Source: Zhu et al. (2018), arXiv 1802.01886; over the whole pool, so it is deterministic.
    """
    matched, total = [0] * BLEU_ORDER, [0] * BLEU_ORDER
    for index in range(BLEU_ORDER):
        counts = [Counter(ngrams(text, index + 1)) for text in pool]
        highest = _two_highest(counts)
        for owner, own in enumerate(counts):
            for gram, count in own.items():
                first, holder, second = highest[gram]
                matched[index] += min(count, second if holder == owner else first)
                total[index] += count
    sizes = [len(text) for text in pool]
    nearest = [_nearest(own, sizes[:owner] + sizes[owner + 1:]) for owner, own in enumerate(sizes)]
    return _bleu(matched, total, sum(sizes), sum(nearest))


def _nearest(own: int, others: Sequence[int]) -> int:
    """The length closest to `own`, of two equally close ones the shorter."""
    return min(others, key=lambda size: (abs(size - own), size))


def _two_highest(counts: Sequence[Counter[Gram]]) -> dict[Gram, tuple[int, int, int]]:
    """For each n-gram its highest count in one text, that text's index, and the highest count in another text."""
    highest: dict[Gram, tuple[int, int, int]] = {}
    for owner, own in enumerate(counts):
        for gram, count in own.items():
            first, holder, second = highest.get(gram, (0, -1, 0))
            highest[gram] = (count, owner, first) if count > first else (first, holder, max(second, count))
    return highest


def _bleu(matched: Sequence[int], total: Sequence[int], length: int, reference: int) -> float:
    """Brevity penalty times the geometric mean of the precisions; 0 where an order has no match."""
    if not all(matched):
        return 0.0
    mean = sum(math.log(hit / count) for hit, count in zip(matched, total, strict=True)) / len(matched)
    return math.exp(mean + min(0.0, 1 - reference / length))


def rouge_l(text: Sequence[Hashable], references: Sequence[Sequence[Hashable]]) -> float:
    """ROUGE-L of a text against all its references, between 0 and 1: the F-measure of the longest common subsequence.

    Precision and recall are each the best over the references, and recall counts beta = 1.2 times as much.
    Source: Lin (2004), equations 2 to 4; the best over references as the E2E challenge's script has it.
    """
    common = [(_common(text, reference), len(reference)) for reference in references]
    precision = max(found for found, _ in common) / max(1, len(text))
    recall = max(found / max(1, size) for found, size in common)
    if not precision or not recall:
        return 0.0
    return (1 + RECALL_WEIGHT**2) * precision * recall / (recall + RECALL_WEIGHT**2 * precision)


def _common(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence."""
    best = [0] * (len(other) + 1)                        # best[j]: of the words of `one` so far and the first j of `other`
    for word in one:
        diagonal = 0
        for place, against in enumerate(other, 1):
            above = best[place]
            best[place] = diagonal + 1 if word == against else max(above, best[place - 1])
            diagonal = above
    return best[-1]


@torch.no_grad()
def features(judge: LanguageModel, pool: Sequence[Text], batch: int = 64) -> Tensor:
    """The judge's last hidden states after each word, averaged over each text, (N, W) in float32 on the CPU."""
    device, found = next(judge.parameters()).device, []
    for start in range(0, len(pool), batch):
        rows = rows_of(pool[start:start + batch]).to(device)
        label = torch.full((len(rows), len(judge.labels.slots)), UNKNOWN, device=device)
        hidden = judge.hidden(rows[:, :-1], label)[:, 1:].float()             # (B, longest, W): behind each word
        words = ((rows[:, :-1] != PAD) & (rows[:, :-1] != END))[..., None]
        found.append(((hidden * words).sum(1) / words.sum(1).clamp(min=1)).cpu())
    return torch.cat(found)


def mauve(judge: LanguageModel, pool: Sequence[Text], human: Sequence[Text]) -> float:
    """How alike two pools of as many texts are, between 0 and 1: MAUVE with the judge's features instead of GPT-2's.

    It compares how often texts of both pools fall into each of N / 10 clusters, so figures of another N, another judge or
    the MAUVE of papers are on other scales; human text against other human text shows how high it gets.
    Source: Pillutla et al. (2021), arXiv 2102.01454; the package mauve-text with precomputed features.

    Raises:
        StudioError: the package is not installed.
    """
    try:
        from mauve import compute_mauve
    except ImportError as error:
        raise StudioError("Comparing pools of texts needs mauve-text, which is not installed: "
                          "pip install -r requirements-train.txt.") from error
    ours, theirs = (features(judge, texts).numpy() for texts in (pool, human))
    return float(compute_mauve(p_features=ours, q_features=theirs, seed=MAUVE_SEED).mauve)


def bits_per_token(nats: Tensor, tokens: Tensor) -> tuple[float, float]:
    """Bits per token of N rows, nats (N,) over tokens (N,), and half the width of its 95% interval.

    The interval is that of a ratio of sums over independent rows: 1.96 sd(nats - ratio tokens) / (sqrt(N) mean tokens).
    """
    nats, tokens = nats.double(), tokens.double()
    ratio = nats.sum() / tokens.sum()
    error = (nats - ratio * tokens).std() / (math.sqrt(len(nats)) * tokens.mean())
    return float(ratio) / math.log(2), 1.96 * float(error) / math.log(2)
