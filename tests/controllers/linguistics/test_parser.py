"""benepar's parser comes back from safetensors and JSON as it was, keeps our words, and nothing of it is unpickled."""

import json

import pytest

from controllers.linguistics import parser as parsing
from controllers.linguistics.brackets import Brackets, compare
from controllers.linguistics.parser import Parser, from_nltk, to_nltk
from diffusion.core.errors import StudioError
from tests.support import tiny_treebank
from training.data import treebank

WORDS = [("Zizzi", "is", "cheap", "."), ("It", "serves", "French", "food", "(", "and", "wine", ")", ".")]


@pytest.fixture(scope="module")
def parser():
    return Parser.load(tiny_treebank.trained("parser"))


def test_sentences_that_were_learned_are_parsed_right(parser):
    sentences = treebank.read(tiny_treebank.trained("parser").parent / "treebank", "train")
    trees = parser.parse([sentence.words for sentence in sentences])
    counts = [compare(sentence.tree, tree) for sentence, tree in zip(sentences, trees, strict=True)]
    assert sum(counts, Brackets()).f1 >= 0.9


def test_leaves_are_the_words_that_were_given_and_the_root_is_top(parser):
    words = ("“", "£", "20", "’", "(", "–", "ŷ", ")")
    [tree] = parser.parse([words])
    assert tuple(tree.words()) == words
    assert tree.label == "TOP"


def test_a_parser_of_one_word_and_the_longest_sentence(parser):
    trees = parser.parse([("Wine",), ("wine",) * parser.longest])
    assert [len(tree.words()) for tree in trees] == [1, parser.longest]


@pytest.mark.parametrize("length", [0, 127])
def test_a_sentence_of_unfit_length_is_refused_with_the_limit(parser, length):
    with pytest.raises(StudioError, match=f"takes sentences of 1 to 126 words; one has {length}"):
        parser.parse([("wine",) * length])


def test_the_trees_of_sentences_do_not_depend_on_their_neighbours(parser):
    assert parser.parse(WORDS) == [parser.parse([words])[0] for words in WORDS]


def test_saved_and_loaded_again_a_parser_finds_the_same_trees(parser, tmp_path):
    parser.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert Parser.load(tmp_path).parse(WORDS) == parser.parse(WORDS)


def test_a_model_in_beneparss_own_file_gives_the_same_trees(parser, tmp_path):
    import torch

    path = tmp_path / "parser.pt"
    torch.save({"config": parser.model.config, "state_dict": parser.model.state_dict()}, path)
    assert Parser.load(path).parse(WORDS) == parser.parse(WORDS)


def test_a_file_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    import torch

    class Harm:
        def __reduce__(self):
            return open, (str(tmp_path / "harm"), "w")

    torch.save({"config": Harm(), "state_dict": {}}, tmp_path / "parser.pt")
    with pytest.raises(StudioError, match="cannot be read"):
        Parser.load(tmp_path / "parser.pt")
    assert not (tmp_path / "harm").exists()


def test_a_parser_that_is_not_there_is_named_with_the_way_to_get_it():
    with pytest.raises(StudioError, match=r"benepar\.download"):
        Parser.load("benepar_xyz")


@pytest.mark.parametrize("damage", ["config", "weights", "other"])
def test_a_damaged_folder_is_named(parser, tmp_path, damage):
    parser.save(tmp_path)
    if damage == "config":
        (tmp_path / parsing.CONFIG).write_text("{}", encoding="utf-8")
    elif damage == "weights":
        (tmp_path / parsing.WEIGHTS).write_bytes(b"short")
    else:
        config = json.loads((tmp_path / parsing.CONFIG).read_text(encoding="utf-8"))
        config["hparams"]["d_model"] = 32
        (tmp_path / parsing.CONFIG).write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(StudioError, match="holds no parser that could be built"):
        Parser.load(tmp_path)


def test_benepar_sees_where_a_pretrained_encoder_wants_its_special_tokens(tmp_path):
    """transformers 5 has no `build_inputs_with_special_tokens`; without our few lines this constructor fails."""
    from transformers import BertTokenizer

    parsing._package()
    from benepar.retokenization import Retokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "pub"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    tokenizer = BertTokenizer(str(tmp_path / "vocab.txt"))
    tokenizer.save_pretrained(tmp_path)
    assert tokenizer.build_inputs_with_special_tokens([6, 5]) == [2, 6, 5, 3]
    encoded = Retokenizer(str(tmp_path), retain_start_stop=True)(["a", "pub"], [True, True])
    assert list(encoded["input_ids"]) == [2, 5, 6, 3]
    assert list(encoded["words_from_tokens"]) == [0, 1, 2, 3]


def test_trees_go_to_nltk_and_back():
    sentence = treebank.read(tiny_treebank.trained("parser").parent / "treebank", "train")[9]
    assert from_nltk(to_nltk(sentence.tree)) == sentence.tree
