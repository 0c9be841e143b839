"""Minimum Bayes risk picks the consensus, whatever the order of the candidates."""

import itertools

import pytest
import sacrebleu

from diffusion.core.errors import StudioError
from diffusion.selection import minimum_bayes_risk

CANDIDATES = (
    "The Blue Fig serves cheap French food by the river .",
    "The Blue Fig serves cheap Italian food by the river .",
    "The Blue Fig serves cheap French food in the city centre .",
    "Harbour is not for families at all .",
)


def test_the_candidate_that_shares_most_with_the_others_is_chosen():
    assert minimum_bayes_risk(CANDIDATES).index == 0


def test_a_score_is_the_mean_sentence_bleu_against_the_other_candidates():
    scores = minimum_bayes_risk(CANDIDATES).scores
    for index, text in enumerate(CANDIDATES):
        others = [other for other in CANDIDATES if other is not text]
        expected = sum(sacrebleu.sentence_bleu(text, [other]).score for other in others) / len(others)
        assert scores[index] == pytest.approx(expected, rel=1e-9)
    assert scores[3] < min(scores[:3])


def test_the_order_of_the_candidates_plays_no_part():
    choice = minimum_bayes_risk(CANDIDATES)
    known = dict(zip(CANDIDATES, choice.scores, strict=True))
    for shuffled in itertools.permutations(CANDIDATES):
        again = minimum_bayes_risk(shuffled)
        assert shuffled[again.index] == CANDIDATES[choice.index]
        assert again.scores == tuple(known[text] for text in shuffled)


def test_a_tie_does_not_depend_on_the_order_either():
    tied = ["soup is hot today .", "bread is cold there ."]
    assert len(set(minimum_bayes_risk(tied).scores)) == 1
    assert tied[minimum_bayes_risk(tied).index] == tied[::-1][minimum_bayes_risk(tied[::-1]).index]


def test_a_text_that_was_drawn_twice_speaks_for_itself():
    texts = ["Tea is hot and the soup is cold .", "Bread is cold .", "Bread is cold ."]
    choice = minimum_bayes_risk(texts)
    assert choice.index == 1 and choice.scores[1] == choice.scores[2] > choice.scores[0]


def test_short_texts_and_empty_ones_have_a_score():
    assert minimum_bayes_risk(["tea .", "tea .", ""]).index == 0
    assert minimum_bayes_risk(["tea .", "tea .", ""]).scores == pytest.approx((50, 50, 0))


@pytest.mark.parametrize("texts", [[], ["Tea is hot ."]])
def test_fewer_than_two_candidates_leave_no_choice(texts):
    with pytest.raises(StudioError, match="Draw at least two"):
        minimum_bayes_risk(texts)
