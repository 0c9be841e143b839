"""Every metric against a value worked out by hand, a closed form, or another implementation."""

import math
from collections.abc import Sequence

import pytest
import torch

from diffusion.core.errors import StudioError
from diffusion.text.vocab import END, PAD
from tests.support import evaluation
from training.evaluation.quality import metrics
from training.evaluation.quality.metrics import Lengths, Text


def drawn(seed: int, count: int, words: int = 6) -> list[Text]:
    """Texts of 4 to 14 words out of few, so that n-grams repeat within and between texts."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(4, 15, (count,), generator=generator).tolist()
    return [tuple((3 + torch.randint(0, words, (size,), generator=generator)).tolist()) for size in sizes]


def spelled(text: Text) -> str:
    return " ".join(f"w{word}" for word in text)


def test_texts_end_at_the_first_end_and_rows_bring_them_back():
    rows = torch.tensor([[5, 6, END, 7, END], [8, END, PAD, PAD, PAD], [3, 4, 5, 6, 7]])
    assert metrics.texts_of(rows) == [(5, 6), (8,), (3, 4, 5, 6, 7)]
    texts = drawn(0, 9)
    assert metrics.texts_of(metrics.rows_of(texts)) == texts


def test_distinct_counts_different_ngrams_over_all_of_the_pool():
    pool = [(7, 8, 7, 8), (7, 8)]
    assert metrics.distinct(pool, 1) == 2 / 6
    assert metrics.distinct(pool, 2) == 2 / 4        # 78 87 78, 78
    assert metrics.distinct(pool, 4) == 1.0
    assert metrics.distinct(pool, 5) == 0.0


def test_distinct_falls_when_a_pool_repeats_itself():
    pool = drawn(1, 20)
    assert metrics.distinct(pool * 2, 4) == pytest.approx(metrics.distinct(pool, 4) / 2)


def test_entropy_is_that_of_the_words_of_the_whole_pool():
    assert metrics.unigram_entropy([(3, 4), (5, 6)]) == pytest.approx(math.log(4))
    assert metrics.unigram_entropy([(3, 3), (3,)]) == 0.0
    assert metrics.unigram_entropy([(3, 3, 3), (4,)]) == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))


def test_verbatim_share_counts_whole_texts_only():
    training = {(3, 4, 5), (6, 7)}
    assert metrics.verbatim_share([(3, 4, 5), (3, 4), (6, 7), (7, 6)], training) == 0.5


def test_copied_share_counts_occurrences_not_kinds():
    training = frozenset(metrics.ngrams((3, 4, 5, 6, 7), 4))
    assert metrics.copied_share([(3, 4, 5, 6), (3, 4, 5, 6), (9, 4, 5, 6, 7)], training) == 3 / 4
    assert metrics.copied_share([(3, 4)], training) == 0.0


def test_lengths_are_nearest_rank_percentiles():
    pool = [(3,) * size for size in range(1, 21)]
    assert Lengths.of(pool) == Lengths(mean=10.5, p5=1, median=10, p95=19)


def test_bleu_of_a_cut_text_is_the_brevity_penalty_alone():
    reference = (3, 4, 5, 6, 7, 8, 9, 10)
    assert metrics.bleu4([reference], [reference]) == 1.0
    assert metrics.bleu4([reference[:4]], [reference]) == pytest.approx(math.exp(1 - 8 / 4))
    assert metrics.bleu4([(3, 4, 5, 11)], [(3, 4, 5, 6)]) == 0.0          # no common 4-gram, and no smoothing


def test_bleu_clips_words_that_are_repeated():
    text, reference = (3, 3, 3, 3, 4, 5, 6), (3, 4, 5, 6, 7, 8, 9)
    precisions = [4 / 7, 3 / 6, 2 / 5, 1 / 4]
    assert metrics.bleu4([text], [reference]) == pytest.approx(math.prod(precisions) ** 0.25)


def sacrebleu_of(texts: Sequence[Text], references: Sequence[Sequence[Text]]) -> float:
    """BLEU by sacrebleu, without smoothing; `references[i]` belong to text i."""
    from sacrebleu.metrics import BLEU

    streams = [[spelled(text) for text in stream] for stream in zip(*references, strict=True)]
    scorer = BLEU(tokenize="none", smooth_method="none")
    return scorer.corpus_score([spelled(text) for text in texts], streams).score / 100


@pytest.mark.parametrize("seed", range(5))
def test_bleu_agrees_with_sacrebleu(seed):
    texts, references = drawn(seed, 30, words=3), drawn(100 + seed, 30, words=3)
    expected = sacrebleu_of(texts, [[reference] for reference in references])
    assert 0 < expected < 1
    assert metrics.bleu4(texts, references) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_self_bleu_agrees_with_sacrebleu_against_all_other_texts(seed):
    pool = drawn(seed, 12)
    others = [pool[:index] + pool[index + 1:] for index in range(len(pool))]
    assert metrics.self_bleu(pool) == pytest.approx(sacrebleu_of(pool, others), abs=1e-12)


def test_self_bleu_tells_a_collapsed_pool_from_a_varied_one():
    assert metrics.self_bleu([(3, 4, 5, 6, 7)] * 3) == 1.0
    assert metrics.self_bleu([(3, 4, 5, 6), (7, 8, 9, 10)]) == 0.0


def test_rouge_l_of_values_worked_out_by_hand():
    assert metrics.rouge_l((3, 4, 5, 6), [(3, 4, 5, 6)]) == pytest.approx(1.0)
    assert metrics.rouge_l((3, 4), [(5, 6)]) == 0.0
    assert metrics.rouge_l((), [(5, 6)]) == 0.0
    # "police killed the gunman", "the gunman kill police" and "police kill the gunman" (Lin 2004): 2 and 3 in common of 4
    police, killed, the, gunman, kill = range(3, 8)
    assert metrics.rouge_l((police, kill, the, gunman), [(police, killed, the, gunman)]) == pytest.approx(3 / 4)
    assert metrics.rouge_l((the, gunman, kill, police), [(police, killed, the, gunman)]) == pytest.approx(2 / 4)


def test_rouge_l_takes_the_best_precision_and_the_best_recall_of_all_references():
    text = (3, 4, 5, 6)
    long, short = (3, 4, 5, 9, 9, 9), (3, 4)             # 3 of 6 and 2 of 2 in common
    precision, recall = 3 / 4, 2 / 2
    expected = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    assert metrics.rouge_l(text, [long, short]) == pytest.approx(expected)


def test_features_average_what_the_judge_has_read_and_no_padding():
    judge, pool = evaluation.judge(), drawn(4, 5)
    together = metrics.features(judge, pool)
    assert together.shape == (5, judge.config.width)
    for text, row in zip(pool, together, strict=True):
        assert torch.allclose(metrics.features(judge, [text])[0], row, atol=1e-5)
    with torch.no_grad():
        hidden = judge.hidden(torch.tensor([pool[0]]), judge.labels.free()[None])[0]
    assert torch.allclose(hidden[1:].mean(0), together[0], atol=1e-5)


def test_mauve_tells_the_same_pool_from_another_and_repeats_itself():
    judge, pool = evaluation.judge(), drawn(5, 60, words=25)
    other = [(3, 3, 3, 3)] * 60
    assert metrics.mauve(judge, pool, pool) == pytest.approx(1.0)
    close, far = metrics.mauve(judge, drawn(6, 60, words=25), pool), metrics.mauve(judge, other, pool)
    assert far < 0.1 < close < 1
    assert metrics.mauve(judge, drawn(6, 60, words=25), pool) == close


def test_perplexity_of_a_judge_that_knows_nothing_is_the_size_of_its_vocabulary():
    judge = evaluation.judge()
    with torch.no_grad():
        judge.network.lm_head.weight.zero_()
    assert metrics.perplexity(judge, drawn(0, 10)) == pytest.approx(len(judge.vocab), rel=1e-5)


@torch.no_grad()
def test_perplexity_pools_all_tokens_with_end_whatever_the_batch():
    judge, pool = evaluation.judge(), drawn(3, 9)
    nats, label = [], judge.labels.free()[None]
    for text in pool:                                    # word by word, without the judge's own nll
        log_probs = judge.logits(torch.tensor([text]), label)[0].log_softmax(-1)
        nats += [-float(log_probs[place, word]) for place, word in enumerate((*text, END))]
    assert len(nats) == sum(map(len, pool)) + len(pool)
    expected = math.exp(sum(nats) / len(nats))
    assert metrics.perplexity(judge, pool) == pytest.approx(expected, rel=1e-5)
    assert metrics.perplexity(judge, pool, batch=2) == pytest.approx(expected, rel=1e-5)


def test_perplexity_refuses_what_the_judge_cannot_read():
    judge = evaluation.judge(length=8)
    assert metrics.perplexity(judge, [(3,) * 7]) > 1
    with pytest.raises(StudioError, match="at most 7 words"):
        metrics.perplexity(judge, [(3,) * 8])
    with pytest.raises(StudioError, match="0 texts"):
        metrics.perplexity(judge, [])


def test_bits_per_token_of_a_known_rate_has_no_width():
    tokens = torch.tensor([3, 10, 25])
    assert metrics.bits_per_token(2 * math.log(2) * tokens, tokens) == pytest.approx((2.0, 0.0), abs=1e-6)


def test_interval_of_bits_per_token_holds_the_truth_in_95_of_100_cases():
    generator = torch.Generator().manual_seed(0)
    held = 0
    for _ in range(1000):
        tokens = torch.randint(5, 40, (150,), generator=generator)
        nats = 1.5 * tokens + 4.0 * torch.randn(150, generator=generator)
        bits, width = metrics.bits_per_token(nats, tokens)
        held += abs(bits - 1.5 / math.log(2)) < width
    assert 925 <= held <= 975
