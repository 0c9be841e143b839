"""Infill pins its words, draws the sizes of its blanks from the seed, and knows the probability of its pattern."""

import itertools
import math
import re
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.base import Context
from controllers.infill import Infill
from controllers.layout import at_the_end, draw_sizes, inside
from diffusion import StudioError
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import END, PAD, SPECIALS, Vocabulary
from tests.controllers.small import CONTEXT, LENGTH, VOCAB, control, model, one_hot, random_belief, request, write

TINY = Context(Vocabulary([*SPECIALS, "a", "b"]), LabelSet({"food": ("French",)}), 6)
PATTERNS = ["a ___ b", "___ a ___", "___", "a ___2 b", "___ a a ___ b", "___ ___ a", "a b", "___3 ___", "___1 b ___"]


def in_words(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression over words, each followed by a space: an independent reading of it."""
    forms = {"___": r"(?:\S+ )+", **{f"___{n}": rf"(?:\S+ ){{{n}}}" for n in range(1, 4)}}
    return re.compile("".join(forms.get(piece, f"{piece} ") for piece in pattern.split()))


def texts_of(context: Context) -> list[list[str]]:
    """All texts over the two words of the tiny vocabulary that fit."""
    return [list(words) for count in range(1, context.length) for words in itertools.product("ab", repeat=count)]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_score_agrees_with_a_regular_expression_on_every_text(pattern):
    infill, expression = Infill.parse(pattern, TINY), in_words(pattern)
    for words in texts_of(TINY):
        follows = expression.fullmatch("".join(f"{word} " for word in words)) is not None
        assert infill.score(words).success == float(follows), words


def readings(pieces: list[str], words: list[str]) -> int:
    """In how many ways words can be shared out to the pieces, blanks side by side taken as one."""
    if not pieces:
        return int(not words)
    if not pieces[0].startswith("_"):
        return readings(pieces[1:], words[1:]) if words[:1] == pieces[:1] else 0
    blanks = list(itertools.takewhile(lambda piece: piece.startswith("_"), pieces))
    fewest = sum(int(blank[3:] or 1) for blank in blanks)
    most = len(words) if "___" in blanks else fewest
    return sum(readings(pieces[len(blanks):], words[size:]) for size in range(fewest, most + 1) if size <= len(words))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_log_prob_is_the_sum_over_all_texts_that_follow_the_pattern(pattern):
    probs = (1.5 * torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(3), dtype=torch.float64)).softmax(-1)
    probs[..., 2] = 0                                    # no UNK, so that all texts can be listed
    infill, by_hand = Infill.parse(pattern, TINY), 0.0
    for words in texts_of(TINY):
        ids = [*TINY.vocab.encode(" ".join(words)), END]
        probability = math.prod(float(probs[0, place, index]) for place, index in enumerate(ids))
        by_hand += readings(pattern.split(), words) * probability
    assert float(infill.log_prob(probs).exp()) == pytest.approx(by_hand, rel=1e-9)


def test_a_text_with_several_readings_has_no_probability_above_one():
    words = ["pub", "pub", "pub", "pub"]
    assert float(control("infill=___ pub ___").log_prob(one_hot(words))) == 0


def test_log_prob_has_finite_gradients_where_the_pattern_cannot_stand():
    probs = one_hot(["No", "children", ";", "priced"]).requires_grad_()
    control("infill=The ___ pub ___ near ___ .").log_prob(probs).sum().backward()
    assert torch.isfinite(probs.grad).all()


def test_many_open_blanks_are_judged_at_once():
    infill = control("infill=" + "___ " * 7 + ".")
    assert infill.score(["pub"] * 2000).success == 0
    assert infill.score([*["pub"] * 2000, "."]).success == 1


def test_natural_and_tokenised_patterns_are_one():
    natural, tokenised = "The Vaults is a ___, near Café Rouge.", "The Vaults is a ___ , near Cafe\u0301 Rouge ."
    assert control(f"infill={natural}") == control(f"infill={tokenised}")


def test_the_pattern_is_written_back_as_it_is_read():
    infill = control("infill=___2 is a ___ pub.")
    assert Infill.parse(infill.target, CONTEXT) == infill


@pytest.mark.parametrize(("pattern", "said"), [
    ("The Vults is ___ .", "'Vults'.*nearest known: 'Vaults'"),
    ("<b>pub</b> ___", "'<' is not among"),
    ("a [PAD] ___", r"'\['"),
    ("[UNK]", r"'\['"),
    ("a __ pub", "'__'.*A blank is written ___ or ___3"),
    ("pub___3", "A blank is written"),
    ("a ___0 pub", "asks for 0 words; a blank has 1 to 15"),
    ("a ___16 pub", "asks for 16 words"),
    ("a ___999999999", "asks for 999999999"),
    ("x" * 3000, "a word of 3000 letters"),
    ("pub " * 16, "at least 16 words; a text has at most 15"),
    ("___9 pub ___9", "at least 19 words"),
    ("   ", "empty"),
])  # fmt: skip
def test_a_pattern_that_cannot_be_is_refused_with_a_sentence(pattern, said):
    with pytest.raises(StudioError, match=said):
        Infill.parse(pattern, CONTEXT)


@pytest.mark.parametrize(("words", "detail"), [
    ("Vaults is near Rouge .", "'The' is missing"),
    ("The Vaults is near Café .", "'Rouge' is missing"),
    ("The Vaults is near a pub Café Rouge .", "other places"),
])  # fmt: skip
def test_score_says_what_is_wrong(words, detail):
    score = control("infill=The Vaults is near Café Rouge ___ .").score(words.split())
    assert score.success == 0
    assert detail in score.detail


# ---- sizes


def test_a_seed_has_the_same_blanks_alone_and_in_a_batch():
    infill = control("infill=The ___ is ___")
    batch = infill.pins(request(20))
    for seed in range(20):
        assert torch.equal(infill.pins(request(seeds=1).with_(seeds=(seed,)))[0], batch[seed])
    assert len({tuple(row.tolist()) for row in batch}) > 5


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_sizes_always_meet_the_number_of_words(data):
    pattern = data.draw(st.lists(st.sampled_from(["pub", "___", "___2"]), min_size=1, max_size=6))
    infill = Infill.parse(" ".join(pattern), CONTEXT)
    fewest, most = infill.span(LENGTH)
    low = data.draw(st.integers(fewest, most))
    asked = request(5).with_(words=(low, data.draw(st.integers(low, most))))
    for sizes in infill.sizes(asked):
        assert asked.words[0] <= sum(sizes) <= asked.words[1]
        assert all(size == (piece.size or size) and size >= 1 for piece, size in zip(infill.pieces, sizes, strict=True))


def test_sizes_follow_their_distribution_given_the_total():
    weights = [inside(8), inside(8)]
    drawn = Counter(draw_sizes(weights, 5, 6, seed) for seed in range(3000))
    exact = {(i, j): float(weights[0][i] * weights[1][j]) for i in range(1, 6) for j in range(1, 6) if 5 <= i + j <= 6}
    total = sum(exact.values())
    expected = {pair: 3000 * share / total for pair, share in exact.items()}
    chi_square = sum((drawn[pair] - count) ** 2 / count for pair, count in expected.items())
    assert set(drawn) <= set(exact)
    assert chi_square < 26                               # 8 degrees of freedom; p = 0.001


def test_a_blank_has_four_words_on_average_and_an_open_end_goes_on_to_a_usual_text():
    inner = inside(63) / inside(63).sum()
    end = at_the_end(63, before=4) / at_the_end(63, before=4).sum()
    assert float((inner * torch.arange(64)).sum()) == pytest.approx(4, abs=0.05)
    assert 20 < 4 + float((end * torch.arange(64)).sum()) < 24


def test_mask_allows_one_word_at_a_pin_and_every_word_in_a_blank():
    infill = control("infill=The ___2 .")
    mask = infill.allowed(CONTEXT, request(3))
    assert mask.shape == (3, LENGTH, len(VOCAB))
    assert mask[0].sum(-1).tolist() == [1, len(VOCAB) - 3, len(VOCAB) - 3, 1, 1, *[1] * (LENGTH - 5)]
    assert mask[:, 0, VOCAB.ids["The"]].all() and mask[:, 4, END].all() and mask[:, 5:, PAD].all()
    assert infill.pinned(request(3))[1].nonzero().flatten().tolist() == [0, 3]


# ---- runs


@pytest.mark.parametrize("slug", ["diffusion-lm", "ar"])
@pytest.mark.parametrize("pattern", ["The Vaults is a ___ near Café Rouge .", "___ pub ___3 . ___", "pub ___"])
def test_pins_survive_in_fifty_runs_of_a_random_model(slug, pattern):
    infill, asked = control(f"infill={pattern}"), request(50)
    texts = write(model(slug), [f"infill={pattern}"], asked)
    for words, pins in zip(texts, infill.pins(asked).tolist(), strict=True):
        assert infill.score(words).success == 1, words
        wanted = [None if index < 0 else VOCAB.words[index] for index in pins if index not in (END, PAD)]
        assert len(words) == len(wanted)
        assert all(want in (None, word) for want, word in zip(wanted, words, strict=True))
        assert not set(words) & set(SPECIALS)


@pytest.mark.parametrize("slug", ["diffusion-lm", "ar"])
def test_a_text_is_the_same_alone_and_in_a_batch(slug):
    built, controls = model(slug), ["infill=The ___ is a ___ ."]
    batch = write(built, controls, request(6))
    for seed in range(6):
        assert write(built, controls, request().with_(seeds=(seed,)))[0] == batch[seed]


def test_log_prob_follows_a_random_belief_in_float32():
    probs = random_belief(4)
    infill = control("infill=The ___ is ___")
    assert torch.allclose(infill.log_prob(probs), infill.log_prob(probs.double()).float(), rtol=1e-4)
