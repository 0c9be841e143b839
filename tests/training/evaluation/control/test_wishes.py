"""Scores against examples worked out by hand, with an analyser whose answers are written down."""

import pytest

from controllers.linguistics.analysis import Analysis
from controllers.linguistics.brackets import read
from training.evaluation.control.wishes import Blank, Class, Classifier, Count, Shape, Span, Tags, Value, spans

PUB = "(TOP (S (NP (DT The) (NN pub)) (VP (VBZ is) (PP (IN near) (NP (DT the) (NN river)))) (. .)))"
FLAT = "(TOP (S (NP (DT The) (NN pub)) (VP (VBZ is) (ADJP (RB very) (JJ cheap))) (RB there) (. .)))"


def words(text):
    return tuple(text.split())


def reader(*readings):
    """An analyser of texts given as (words, universal tags, tree)."""
    found = {words(text): Analysis(words(text), words(tags), (), (), tree and read(tree)) for text, tags, tree in readings}
    return found.__getitem__


def nothing(text):
    raise AssertionError(f"{text} was analysed")


# ---- values


def test_values_are_named_for_the_matcher_and_stand_literally_for_the_paper():
    texts = [words("A pub with Italian food ."), words("A Italian-style pub ."), words("It serves pasta from italy ."),
             words("A French pub .")]
    assert Value("food", "Italian").score(texts, nothing) == {"success": 0.75, "substring": 0.5}     # italy will do


def test_the_papers_substring_test_takes_public_for_a_pub_and_wants_the_literal_price():
    public, price = words("Open to the public ."), words("It costs £ 20 - 25 .")
    assert Value("eatType", "pub").score([public], nothing) == {"success": 0.0, "substring": 1.0}
    assert Value("priceRange", "£20-25").score([price], nothing) == {"success": 1.0, "substring": 1.0}
    assert Value("priceRange", "moderate").score([price], nothing) == {"success": 1.0, "substring": 0.0}


@pytest.mark.parametrize(("kind", "control"), [(Value, "semantic=food:Italian"), (Class, "label=food:Italian"),
                                               (Classifier, "classifier=food:Italian")])
def test_the_same_value_is_asked_for_in_three_ways(kind, control):
    assert kind("food", "Italian").control == control


# ---- tags


def test_tags_count_by_position_and_missing_words_are_misses():
    wish = Tags(words("DET NOUN AUX ADJ"))
    read_by = reader(("The pub is cheap", "DET NOUN AUX ADJ", None), ("The cheap pub", "DET ADJ NOUN", None),
                     ("The pub is cheap and good", "DET NOUN AUX ADJ CCONJ ADJ", None))
    assert wish.score([words("The pub is cheap")], read_by) == {"success": 1.0}
    assert wish.score([words("The cheap pub")], read_by) == {"success": 0.25}
    assert wish.score([words("The pub is cheap and good")], read_by) == {"success": 1.0}      # what is too much is cut
    assert wish.score([(), words("The pub is cheap")], read_by) == {"success": 0.5}
    assert wish.control == "pos=DET NOUN AUX ADJ"


# ---- trees and spans


def test_brackets_are_counted_over_all_texts_of_a_target():
    wish = Shape(read(PUB))
    same, other = words("The pub is near the river ."), words("The pub is very cheap there .")
    read_by = reader(("The pub is near the river .", "", PUB), ("The pub is very cheap there .", "", FLAT))
    assert wish.score([same], read_by) == {"success": 1.0}
    # PUB has S0-7 NP0-2 VP2-6 PP3-6 NP4-6, FLAT has S0-7 NP0-2 VP2-5 ADJP3-5: two of five and of four
    assert wish.score([other], read_by) == {"success": pytest.approx(2 * 2 / (5 + 4))}
    assert wish.score([same, other], read_by) == {"success": pytest.approx(2 * (5 + 2) / (5 + 5 + 5 + 4))}


def test_a_tree_is_asked_for_without_words():
    assert Shape(read("(TOP (NP (DT The) (NN pub)))")).control == "tree=(TOP (NP (DT) (NN)))"


def test_a_text_is_cut_or_filled_with_full_stops_before_it_is_parsed():
    wish = Shape(read(PUB))
    assert wish.readings([words("The pub"), words("The pub is near the river . It is cheap ."), ()]) == [
        words("The pub . . . . ."), words("The pub is near the river ."), words(". . . . . . .")]


def test_a_span_is_met_by_the_same_words_under_the_same_labels_only():
    chain = "(TOP (S (S (VP (VBG Eating) (NP (NN food)))) (VP (VBZ is) (ADJP (JJ good)))))"
    text, readings = words("Eating food is good"), ("Eating food is good", "", chain)
    assert Span(0, 2, "S::VP") in spans(read(chain))
    score = {label: Span(0, 2, label).score([text, ()], reader(readings))["success"] for label in ("S::VP", "VP", "S", "NP")}
    assert score == {"S::VP": 0.5, "VP": 0.0, "S": 0.0, "NP": 0.0}
    assert Span(0, 3, "S::VP").score([text], reader(readings)) == {"success": 0.0}
    assert Span(0, 2, "S::VP").control == "span=S::VP@1-2"
    assert Span(2, 5, "PP").control == "span=PP@3-5"


def test_only_syntax_is_analysed_and_empty_texts_are_not():
    texts = [words("A pub ."), ()]
    assert Tags(("DET",)).readings(texts) == Span(0, 1, "NP").readings(texts) == [words("A pub .")]
    assert Value("food", "Italian").readings(texts) == Count(3).readings(texts) == []


# ---- lengths and blanks


def test_lengths_are_exact_or_within_two():
    texts = [("a",) * count for count in (4, 5, 6, 7, 8)]
    assert Count(5).score(texts, nothing) == {"success": 0.2, "within 2": 0.8}
    assert Count(5).control == "length=5"


def test_fixed_words_stay_and_nothing_is_added():
    wish = Blank(words("The pub is near the river ."), 3, 2)
    assert wish.control == "infill=The pub is ___2 river ."
    kept, changed = words("The pub is a cheap river ."), words("The inn is by the river .")
    longer = words("The pub is by the river . .")
    assert wish.score([kept, wish.words], nothing) == {"success": 1.0}
    assert wish.score([kept, changed, longer, ()], nothing) == {"success": 0.25}


def test_a_blank_at_either_end_is_followed():
    for start, size, good in ((0, 2, "An inn is here"), (2, 2, "The pub has food"), (0, 4, "One two three four")):
        wish = Blank(words("The pub is here"), start, size)
        assert wish.score([words(good)], nothing) == {"success": 1.0}
        assert wish.score([words(good + " .")], nothing) == {"success": 0.0}
