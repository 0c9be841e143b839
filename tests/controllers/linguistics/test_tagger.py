"""A spaCy pipeline tags our words one to one, and a missing or unfit one is named."""

import pytest

from controllers.linguistics import bundled
from controllers.linguistics.tagger import Tagger
from diffusion.core.errors import StudioError
from tests.support import tiny_treebank
from training.data import treebank


@pytest.fixture(scope="module")
def tagger():
    return Tagger.load(tiny_treebank.trained("tagger"))


def test_sentences_that_were_learned_are_tagged_right(tagger):
    sentences = treebank.read(tiny_treebank.trained("tagger").parent / "treebank", "train")
    tagged = tagger.tag([sentence.words for sentence in sentences])
    right = [one == other for found, wanted in zip(tagged, sentences, strict=True)
             for one, other in zip(found.universal + found.penn, wanted.universal + wanted.penn, strict=True)]
    assert sum(right) / len(right) >= 0.95


def test_every_word_has_its_own_tags_however_spacy_would_split_it(tagger):
    words = ("They", "don", "'", "t", "serve", "4", ".", "50", "£", "good-looking", "U.K.")
    [tagged] = tagger.tag([words])
    assert tagged.words == words
    assert len(tagged.universal) == len(tagged.penn) == len(words)
    assert tagged.starts is None                                     # our pipelines leave sentences to our rule


def test_the_tags_of_a_row_do_not_depend_on_the_rows_beside_it(tagger):
    row, other = ("Zizzi", "is", "cheap", "."), ("It", "serves", "French", "food", ".")
    assert tagger.tag([row]) == tagger.tag([other, row])[1:]


def test_a_pipeline_that_is_not_installed_is_named_with_the_way_to_get_it():
    with pytest.raises(StudioError, match="python -m spacy download en_core_web_xyz"):
        Tagger.load("en_core_web_xyz")


def test_a_folder_that_is_no_pipeline_is_named(tmp_path):
    with pytest.raises(StudioError, match="no whole spaCy pipeline"):
        Tagger.load(tmp_path)


def test_a_role_without_its_files_says_how_to_train_them(tmp_path, monkeypatch):
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    with pytest.raises(StudioError, match="python -m training linguistics tagger --size judge"):
        Tagger.load("judge")


def test_a_pipeline_without_tags_is_refused_when_it_tags():
    import spacy

    with pytest.raises(StudioError, match="'blank' gives 'Zizzi' no universal tag"):
        Tagger(spacy.blank("en"), "blank").tag([("Zizzi", ".")])


def test_a_pipeline_that_finds_sentences_itself_tells_them():
    import spacy

    pipeline = spacy.load(tiny_treebank.trained("tagger"))
    pipeline.add_pipe("sentencizer", first=True)
    [tagged] = Tagger(pipeline, "own").tag([("Eat", "!", "It", "is", "cheap", ".")])
    assert tagged.starts == (0, 2)
