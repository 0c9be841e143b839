"""Syntax trees and spans: targets are read and refused, wishes raise what the reader sees, verdicts say what is missing."""

import pytest
import torch

from controllers.span import Span
from controllers.tree import SyntaxTree
from diffusion import StudioError
from tests.controllers.small import CONTEXT, LENGTH, control, model, one_hot, random_belief, request, write

CHEAP = "(S (NP (DT) (NNP)) (VP (VBZ) (NP (DT) (JJ) (NN))) (.))"


@pytest.mark.parametrize(("text", "expected"), [
    (CHEAP, CHEAP), ("(S (NP 2) (VP))", "(S (NP (*) (*)) (VP (*) (*) (*)))"),
    ("(TOP (NP (DT The) (NN pub)))", "(TOP (NP (DT) (NN)))"),
    ("(S (NP (*)) (VP (VBZ)))", "(S (NP (*)) (VP (VBZ)))")])
def test_targets_are_brackets_whose_leaves_are_words(text, expected):
    assert SyntaxTree.parse(text, CONTEXT).target == expected


@pytest.mark.parametrize(("text", "named"), [
    ("(S (NP)", "never closed"), ("(S) (NP)", "outside its outermost"), ("(S (NPP 2) (VP))", "'NP'"),
    ("(S (NP zero) (VP))", "no number of words"),
    ("(S (NP 40))", "40 words"), ("(S (NP) the (VP))", "beside phrases"), ("(DT)", "no phrase"), ("xyzzy", "xyzzy")])
def test_mistakes_in_trees_are_named(text, named):
    with pytest.raises(StudioError, match=named):
        SyntaxTree.parse(text, CONTEXT)


@pytest.mark.parametrize("slug", ["tree=" + CHEAP, "span=NP@4-6"])
def test_a_step_along_the_wish_raises_what_the_reader_sees(slug):
    controller = control(slug)
    logits = random_belief(5).log()
    before = controller.log_prob(logits.softmax(-1))
    after = controller.log_prob((logits + 0.5 * controller.wish(logits)).softmax(-1))
    assert (after > before).all()
    assert controller.wish(logits).abs().max() <= 1.0 + (0.5 if slug.startswith("tree") else 0) + 1e-5


def test_leaves_with_tags_hold_back_words_that_never_have_them():
    logits = torch.zeros(1, LENGTH, len(CONTEXT.vocab))
    ids = CONTEXT.vocab.ids
    with_tags, without = (control(f"tree={text}").wish(logits) for text in (CHEAP, CHEAP.replace("(DT)", "(*)")))
    change = (with_tags - without)[0, 0]
    assert change[ids["The"]] > -0.01 and change[ids["pub"]] == pytest.approx(-0.5)


def test_steered_texts_come_nearer_to_the_tree_and_have_its_words():
    built, tree = model("diffusion-lm", 0.1), SyntaxTree.parse(CHEAP, CONTEXT)
    texts = write(built, [f"tree={CHEAP}@20"], request(4, steps=8))
    free = write(built, ["length=7"], request(4, steps=8))
    assert all(len(words) == 7 for words in texts)
    assert sum(score.success for score in tree.score_all(texts)) > sum(score.success for score in tree.score_all(free))


def test_the_verdict_of_a_tree_names_what_is_missing():
    score = control(f"tree={CHEAP}").score(["The", "Vaults", "is", "near", "Café", "Rouge", "."])
    assert 0 < score.success < 1 and "NP at 4-6" in score.detail
    assert score.parts["kind"] == "tree" and score.parts["found"].startswith("(TOP (S")
    assert control(f"tree={CHEAP}").score(["The", "Vaults", "is", "a", "cheap", "pub", "."]).success == 1


def test_trees_and_spans_are_taken_from_a_sentence():
    assert SyntaxTree.of_sentence("The Vaults is a cheap pub.", CONTEXT) == f"(TOP {CHEAP})"
    assert Span.of_sentence("The Vaults is a cheap pub.", CONTEXT) == "NP@1-2"
    with pytest.raises(StudioError, match="no phrase"):
        Span.of_sentence("pub", CONTEXT)


@pytest.mark.parametrize(("text", "target", "nats"), [
    ("PP@3-5", "PP@3-5", Span.nats), ("PP@3-5@2", "PP@3-5", 2.0), ("NP@4", "NP@4-4", Span.nats), ("np@4@3.5", "NP@4-4", 3.5)])
def test_the_at_of_a_span_is_no_strength(text, target, nats):
    from controllers import parse_controls

    found, = parse_controls([f"span={text}"], CONTEXT)
    assert (found.controller.target, found.nats) == (target, nats)


@pytest.mark.parametrize(("text", "named"), [("PPP@3-5", "'PP'"), ("PP@5-3", "not before the first"), ("PP@0-2", "counted from 1"),
                                             (f"PP@3-{LENGTH}", "at most"), ("PP 3-5", "is no span")])
def test_mistakes_in_spans_are_named(text, named):
    with pytest.raises(StudioError, match=named):
        Span.parse(text, CONTEXT)


def test_spans_that_overlap_are_named_both_and_nested_ones_go_together():
    with pytest.raises(StudioError, match=r"NP@1-3.*PP@2-5.*overlap"):
        write(model("diffusion-lm"), ["span=NP@1-3", "span=PP@2-5"], request(1))
    assert write(model("diffusion-lm"), ["span=PP@2-5", "span=NP@3-5"], request(1))


def test_a_length_before_the_end_of_a_span_is_named_with_it():
    with pytest.raises(StudioError, match=r"length=4.*NP@4-6.*contradict"):
        write(model("diffusion-lm"), ["length=4", "span=NP@4-6"], request(1))


def test_the_verdict_of_a_span_says_what_the_words_are():
    words = ["The", "Vaults", "is", "a", "cheap", "pub", "."]
    assert control("span=NP@4-6").score(words).success == 1
    other = control("span=PP@4-6").score(words)
    assert other.success == 0 and other.detail == "words 4 to 6 are NP"
    assert control("span=NP@2-3").score(words).detail == "words 2 to 3 are no phrase"
    assert float(control("span=NP@4-6").log_prob(one_hot(words))) > float(control("span=PP@4-6").log_prob(one_hot(words))) + 2
