"""A text is split into sentences, each is tagged and parsed, and the parts stand under one root."""

import pytest

from controllers.linguistics.analysis import Analyser, starts
from controllers.linguistics.tagger import Tagger
from diffusion.core.errors import StudioError
from diffusion.text.vocab import split
from tests.support import tiny_treebank


@pytest.fixture(scope="module")
def analyser():
    return Analyser(tagger=tiny_treebank.trained("tagger"), parser=tiny_treebank.trained("parser"))


@pytest.mark.parametrize(("text", "sentences"), [
    ("Zizzi is a pub.", ["Zizzi is a pub ."]),
    ("Zizzi is a pub. It is cheap", ["Zizzi is a pub .", "It is cheap"]),
    ("Zizzi is a pub . it is cheap .", ["Zizzi is a pub .", "it is cheap ."]),
    ("Cheap?! Yes.", ["Cheap ? !", "Yes ."]),
    ("It costs 4.50 pounds. Go.", ["It costs 4 . 50 pounds .", "Go ."]),
    ("It has 5 of 5. 20 people go.", ["It has 5 of 5 . 20 people go ."]),
    ("It has 5 of 5. Twenty go.", ["It has 5 of 5 .", "Twenty go ."]),
    ("St. John and J. R. eat there. Go.", ["St . John and J . R . eat there .", "Go ."]),
    ('He said "Go." She went.', ['He said " Go . "', "She went ."]),
    ('He went. "Go" is good.', ["He went .", '" Go " is good .']),
    ("It is good (and cheap.) Go.", ["It is good ( and cheap . )", "Go ."]),
    ("...", [". . ."]),
])
def test_a_text_is_split_where_its_sentences_begin(text, sentences):
    words = split(text)
    firsts = starts(words)
    assert [" ".join(words[a:b]) for a, b in zip(firsts, (*firsts[1:], len(words)), strict=True)] == sentences


def test_no_words_have_no_sentences():
    assert starts([]) == ()


def test_two_sentences_are_parsed_each_by_itself_and_joined_under_one_root(analyser):
    first, second = "Zizzi is a cheap pub.", "It serves French food."
    whole = analyser.analyse(f"{first} {second}")
    alone = [analyser.analyse(text) for text in (first, second)]
    assert whole.tree.label == "TOP"
    assert whole.tree.children == alone[0].tree.children + alone[1].tree.children
    assert str(whole.tree) == ("(TOP (S (NP (NNP Zizzi)) (VP (VBZ is) (NP (DT a) (JJ cheap) (NN pub))) (. .)) "
                               "(S (NP (PRP It)) (VP (VBZ serves) (NP (JJ French) (NN food))) (. .)))")
    assert whole.sentences == ((0, 6), (6, 11))


def test_tags_words_and_leaves_fit_one_to_one(analyser):
    found = analyser.analyse("They don't serve wine. Families love it!")
    assert found.words == ("They", "don", "'", "t", "serve", "wine", ".", "Families", "love", "it", "!")
    assert found.tree.words() == list(found.words)
    assert found.tree.tags() == list(found.penn)
    assert found.universal[0] == "PRON"
    assert found.universal[-1] == "PUNCT"


def test_words_that_are_already_split_are_taken_as_they_are(analyser):
    words = ["Zizzi", "is", "a", "cheap", "pub", "."]
    assert analyser.analyse(words) == analyser.analyse("Zizzi is a cheap pub.")


def test_without_trees_no_parser_is_loaded():
    tags_only = Analyser(tagger=tiny_treebank.trained("tagger"), parser="benepar_that_is_nowhere")
    found = tags_only.analyse_all(["Zizzi is cheap.", "It is good."], trees=False)
    assert [analysis.tree for analysis in found] == [None, None]
    with pytest.raises(StudioError, match="benepar_that_is_nowhere"):
        tags_only.analyse("Zizzi is cheap.")


def test_a_pipeline_that_finds_sentences_itself_has_the_say():
    import spacy

    pipeline = spacy.load(tiny_treebank.trained("tagger"))
    pipeline.add_pipe("sentencizer", config={"punct_chars": [","]})
    other = Analyser(parser=tiny_treebank.trained("parser"))
    other.tagger = Tagger(pipeline, "own")
    assert other.analyse("Near the river, families eat food. Go.").sentences == ((0, 4), (4, 10))


@pytest.mark.parametrize("text", ["", "  ", []])
def test_a_text_without_words_is_refused(analyser, text):
    with pytest.raises(StudioError, match="without words"):
        analyser.analyse(text)
