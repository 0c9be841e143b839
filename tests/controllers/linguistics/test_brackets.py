"""Trees in brackets are read, written, joined and compared as EVALB compares them."""

import pytest

from controllers.linguistics.brackets import Brackets, Constituent, Tree, compare, join, punctuation, read
from diffusion.core.errors import StudioError

PUB = "(TOP (S (NP (DT The) (NN pub)) (VP (VBZ is) (ADJP (JJ good))) (. .)))"


def test_a_tree_is_written_as_it_was_read():
    assert str(read(PUB)) == PUB
    assert str(read("( (S (NP)\n (VP (VB go))) )")) == "((S (NP) (VP (VB go))))"


def test_brackets_among_the_words_are_escaped_and_come_back():
    tree = read("(NP (-LRB- -LRB-) (NN pub) (-RRB- -RRB-))")
    assert tree.words() == ["(", "pub", ")"]
    assert str(tree) == "(NP (-LRB- -LRB-) (NN pub) (-RRB- -RRB-))"


@pytest.mark.parametrize(("text", "said"), [
    ("(S (NP) (VP)", "at character 1 that is never closed"),
    ("(S (NP (VP)", "at character 4 that is never closed"),
    ("(S (NP)) )", "')' at character 10"),
    ("(S () (VP))", "bracket at character 4 of the tree has no label"),
    ("S (NP)", "'S' at character 1"),
    ("(S) (S)", "'(' at character 5"),
    ("()", "bracket at character 1 of the tree has no label"),
    ("  ", "empty"),
])
def test_brackets_that_do_not_fit_are_named_with_their_position(text, said):
    with pytest.raises(StudioError) as error:
        read(text)
    assert said in str(error.value)


def test_constituents_are_the_phrases_without_tags_and_root():
    assert read(PUB).constituents() == [Constituent(0, 5, "S"), Constituent(0, 2, "NP"), Constituent(2, 4, "VP"),
                                        Constituent(3, 4, "ADJP")]


def test_constituents_are_the_spans_that_nltk_finds():
    from nltk import Tree as Nltk

    tree = Nltk.fromstring(PUB)
    spans = []
    for subtree in tree.subtrees(lambda node: node.height() > 2 and node.label() != "TOP"):
        leaves = subtree.leaves()
        start = next(index for index in range(5) if tree.leaves()[index:index + len(leaves)] == leaves)
        spans.append((start, start + len(leaves), subtree.label()))
    assert sorted(read(PUB).constituents()) == sorted(spans)


def test_a_tree_equals_itself_and_an_unlike_one_shares_nothing():
    assert compare(read(PUB), read(PUB)).f1 == 1
    assert compare(read(PUB), read("(TOP (X (DT a) (NN b) (VBZ c) (JJ d) (. e)))")).both == 0


def test_f1_of_a_worked_example():
    """Found: S, NP(0,2) right; VP(2,5) wrong since it holds the full stop, NP(3,4) wrong; wanted has 4 brackets."""
    found = read("(TOP (S (NP (DT The) (NN pub)) (VP (VBZ is) (NP (JJ good)) (. .))))")
    assert compare(read(PUB), found) == Brackets(2, 4, 4)
    assert compare(read(PUB), found).f1 == 0.5
    without = compare(read(PUB), found, punctuation(read(PUB).tags()))     # the full stop gone, the VPs are one
    assert without == Brackets(3, 4, 4)


def test_a_chain_of_the_same_label_counts_as_often_as_it_stands_there():
    assert compare(read("(NP (NP (NN a)))"), read("(NP (NN a))")) == Brackets(1, 2, 1)


def test_a_phrase_of_punctuation_alone_is_not_counted():
    assert compare(read("(S (NN a) (PRN (, ,)))"), read("(S (NN a) (, ,))"), [1]) == Brackets(1, 1, 1)


def test_counts_add_up_over_sentences_before_the_mean_is_taken():
    assert sum([Brackets(1, 1, 1), Brackets(0, 1, 3)], Brackets()).f1 == pytest.approx(2 / 6)


def test_sentences_are_joined_under_one_root():
    assert str(join([read("(TOP (S (VP (VB Eat))))"), read("(S (VP (VB Go)))")])) == "(TOP (S (VP (VB Eat))) (S (VP (VB Go))))"


def test_phrases_stay_when_words_and_tags_change():
    tree = read("(S (NP (NN a)) (VP (VB b)))").with_leaves([("x", "PRP"), ("y", "VBZ")])
    assert str(tree) == "(S (NP (PRP x)) (VP (VBZ y)))"


def test_a_tree_without_words_is_a_tree():
    tree = read("(S (NP) (VP (V) (NP)))")
    assert tree == Tree("S", (Tree("NP"), Tree("VP", (Tree("V"), Tree("NP")))))
    assert str(tree) == "(S (NP) (VP (V) (NP)))"
