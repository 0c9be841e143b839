"""Length counts words, leaves END one place to stand, and its probability is that of an independent belief."""

import pytest
import torch

from controllers.length import Length
from diffusion import StudioError
from diffusion.text.vocab import END, PAD, UNK
from tests.controllers.small import CONTEXT, LENGTH, VOCAB, control, model, one_hot, random_belief, request, write


@pytest.mark.parametrize(("text", "fewest", "most"), [
    ("12", 12, 12), ("10-14", 10, 14), (" 3 - 3 ", 3, 3), ("1–15", 1, 15),
])  # fmt: skip
def test_a_number_or_a_range_is_read_and_written_back(text, fewest, most):
    length = Length.parse(text, CONTEXT)
    assert (length.fewest, length.most) == (fewest, most)
    assert Length.parse(length.target, CONTEXT) == length


@pytest.mark.parametrize("text", ["", "twelve", "-3", "3.5", "10-", "1-2-3", "<b>3</b>", "9" * 5000])
def test_what_is_no_length_is_refused_with_the_form(text):
    with pytest.raises(StudioError, match=r"length=12.*length=10-14"):
        Length.parse(text, CONTEXT)


@pytest.mark.parametrize("text", ["0", "0-4", "5-4"])
def test_a_range_that_holds_no_text_is_refused(text):
    with pytest.raises(StudioError, match="at least 1; got"):
        Length.parse(text, CONTEXT)


@pytest.mark.parametrize("text", ["16", "3-16", "999999999"])
def test_a_text_that_leaves_no_position_for_end_is_refused_with_the_rule(text):
    with pytest.raises(StudioError, match="1 to 15, punctuation"):
        Length.parse(text, CONTEXT)


def test_a_request_with_fewer_positions_than_the_length_is_refused():
    with pytest.raises(StudioError, match="1 to 7, punctuation"):
        Length(3, 8).request(request(length=8))


def test_mask_leaves_exactly_the_texts_of_the_range():
    length = Length(2, 3)
    mask = length.allowed(CONTEXT, request())
    word, position = VOCAB.ids["pub"], torch.arange(LENGTH)
    for count in range(1, LENGTH):
        ids = torch.where(position < count, word, torch.where(position == count, END, PAD))
        assert bool(mask[position, ids].all()) == (2 <= count <= 3), count
    assert not mask[:, UNK].any()
    assert mask[:, PAD].nonzero().flatten().tolist() == list(range(3, LENGTH))       # never where no END can precede it
    assert mask[:, END].nonzero().flatten().tolist() == [2, 3]
    assert mask[4:].sum() == LENGTH - 4


def test_two_lengths_leave_what_both_allow():
    both = Length(2, 6).allowed(CONTEXT, request()) & Length(4, 9).allowed(CONTEXT, request())
    assert torch.equal(both[:, END], Length(4, 6).allowed(CONTEXT, request())[:, END])
    assert both.any(-1).all()


def test_log_prob_is_the_probability_that_end_comes_first_in_the_range():
    probs = random_belief(0, batch=1)
    by_hand = 0.0
    for count in range(3, 6):
        product = float(probs[0, count, END])
        for position in range(count):
            product *= 1 - float(probs[0, position, END]) - float(probs[0, position, PAD])
        by_hand += product
    assert float(Length(3, 5).log_prob(probs).exp()) == pytest.approx(by_hand, rel=1e-4)


def test_probabilities_of_all_lengths_and_of_an_ill_formed_text_sum_to_one():
    probs = random_belief(1, batch=1)
    probs[..., PAD] = 0                                  # a text is ill-formed only by having no END, or no word
    probs = probs / probs.sum(-1, keepdim=True)
    none = probs[0, 0, END] + (1 - probs[0, :, END]).prod()
    assert float(Length(1, LENGTH - 1).log_prob(probs).exp() + none) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(("words", "success"), [("The Vaults .", 1.0), ("The Vaults", 0.0), ("The Vaults is a", 0.0)])
def test_score_counts_punctuation_marks_as_words(words, success):
    score = Length(3, 3).score(words.split())
    assert score.success == success
    assert score.detail.startswith(f"{len(words.split())} words")
    assert (float(Length(3, 3).log_prob(one_hot(words.split()))) > -0.01) == bool(success)


@pytest.mark.parametrize("slug", ["diffusion-lm", "ar"])
@pytest.mark.parametrize(("text", "allowed"), [("7", {7}), ("1", {1}), ("15", {15}), ("4-6", {4, 5, 6})])
def test_length_is_exact_in_fifty_runs_of_a_random_model(slug, text, allowed):
    texts = write(model(slug), [f"length={text}"], request(50))
    assert {len(words) for words in texts} <= allowed
    assert not any("[UNK]" in words for words in texts)


@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "dpm-solver++"])
def test_length_is_exact_with_every_sampler_and_with_clamping(sampler):
    texts = write(model("diffusion-lm"), ["length=9"], request(10, sampler=sampler, clamp=0.5, eta=0.5))
    assert {len(words) for words in texts} == {9}


def test_the_control_is_named_as_on_the_command_line():
    assert str(control("length=4-6")) == "length=4-6"
