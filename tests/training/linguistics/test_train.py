"""A treebank is read in our words; taggers and parsers are trained by the command, measured and told of in their card."""

import json

import pytest

from controllers.linguistics import bundled
from controllers.linguistics.brackets import read as tree_of
from controllers.linguistics.parser import Parser
from controllers.linguistics.tagger import Tagged, Tagger
from diffusion.core.errors import StudioError
from tests.support import tiny_treebank
from training.__main__ import main
from training.data import treebank
from training.data.treebank import in_our_words
from training.linguistics import cli as linguistics_cli
from training.linguistics import train as linguistics


@pytest.fixture
def data(tmp_path):
    return tiny_treebank.write(tmp_path / "treebank")


def sentence(words, tags, tree):
    rows = [[word, tag, penn] for word, tag, penn in zip(words.split(), tags.split(), tree_of(tree).tags(), strict=True)]
    return in_our_words(rows, tree_of(tree))


def test_a_negation_is_split_as_our_words_are_and_each_piece_has_the_tag_of_most_of_it():
    found = sentence("They do n't go", "PRON AUX PART VERB", "(ROOT (S (NP (PRP They)) (VP (VBP do) (RB n't) (VP (VB go)))))")
    assert found.words == ("They", "don", "'", "t", "go")
    assert found.universal == ("PRON", "AUX", "PART", "PART", "VERB")
    assert str(found.tree) == "(TOP (S (NP (PRP They)) (VP (VBP don) (RB ') (RB t) (VP (VB go)))))"


def test_pieces_of_a_word_stand_where_it_stood():
    found = sentence("Wine costs 4.50", "NOUN VERB NUM", "(ROOT (S (NP (NN Wine)) (VP (VBZ costs) (NP (CD 4.50)))))")
    assert str(found.tree) == "(TOP (S (NP (NN Wine)) (VP (VBZ costs) (NP (CD 4) (CD .) (CD 50)))))"
    assert found.penn == ("NN", "VBZ", "CD", "CD", "CD")


def test_a_sentence_of_our_words_is_read_as_it_stands(data):
    first = treebank.read(data, "train")[0]
    assert first.words == ("Zizzi", "is", "a", "cheap", "pub", ".")
    assert first.universal == ("PROPN", "AUX", "DET", "ADJ", "NOUN", "PUNCT")
    assert str(first.tree) == tiny_treebank.SENTENCES[0][0].replace("ROOT", "TOP")


def test_a_part_that_is_missing_is_named(data):
    (data / "dev.trees").unlink()
    with pytest.raises(StudioError, match=r"part 'dev' cannot be read"):
        treebank.read(data, "dev")


@pytest.mark.parametrize(("file", "old", "new", "said"), [
    ("train.trees", "(ROOT (S (NP (PRP It))", "(ROOT (NP (PRP It))", "line 2: The tree has"),
    ("train.tags.tsv", "It\tPRON\tPRP\n", "It\tPRON\n", "Sentence 2 of"),
    ("train.tags.tsv", "It\tPRON\tPRP\n", "", "Sentence 2 of"),
    ("train.tags.tsv", "It\tPRON\tPRP\n", "It\tPRON\tPRP\n\n", "12 trees, but"),
])
def test_a_damaged_treebank_is_named_with_the_place(data, file, old, new, said):
    text = (data / file).read_text(encoding="utf-8")
    (data / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(StudioError, match=said):
        treebank.read(data, "train")


@pytest.mark.parametrize(("kind", "measures"), [("tagger", {"UPOS", "Penn"}), ("parser", {"bracket F1", "exact"})])
def test_training_writes_what_was_learned_with_a_card_that_was_measured_on_it(kind, measures):
    folder = tiny_treebank.trained(kind)
    card = json.loads((folder / linguistics_cli.CARD).read_text(encoding="utf-8"))
    assert measures <= set(card["measured"]["test"])
    assert all(card["measured"]["test"][name] > 0.8 for name in measures)
    assert card["dev by epoch"][0] < max(card["dev by epoch"])
    assert card["bytes"] <= linguistics.size_of(folder)
    assert card["seed"] == 3
    assert "Georgetown" in (folder / linguistics_cli.README).read_text(encoding="utf-8")
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_measured_again_by_the_command_the_values_are_those_of_the_card(tmp_path, capsys):
    tagger, parser = (tiny_treebank.trained(kind) for kind in ("tagger", "parser"))
    path = tmp_path / "linguistics.json"
    data = tagger.parent / "treebank"
    assert main(["linguistics", "measure", "--data", str(data), "--tagger", str(tagger), "--parser", str(parser),
                 "--json", str(path)]) == 0
    [row] = json.loads(path.read_text(encoding="utf-8"))["tables"][0]["rows"]
    for folder in (tagger, parser):
        card = json.loads((folder / linguistics_cli.CARD).read_text(encoding="utf-8"))
        for name, value in card["measured"]["test"].items():
            assert row[name] == pytest.approx(100 * value, abs=0.1)
    assert "UPOS" in capsys.readouterr().out


def test_a_tagger_that_is_right_scores_one_and_one_wrong_word_counts_once(data):
    sentences = treebank.read(data, "test")

    class Told(Tagger):
        wrong = 0

        def tag(self, rows):
            found = [Tagged(s.words, s.universal, s.penn) for s in sentences]
            if self.wrong:
                found[0] = Tagged(found[0].words, ("X", *found[0].universal[1:]), found[0].penn)
            return found

    tagger = Told(None, "told")
    assert linguistics.measure_tagger(tagger, sentences) == {"UPOS": 1, "Penn": 1}
    tagger.wrong = 1
    words = sum(len(s.words) for s in sentences)
    assert linguistics.measure_tagger(tagger, sentences) == {"UPOS": 1 - 1 / words, "Penn": 1}


def test_the_same_seed_trains_the_same_parser_and_another_seed_another(data):
    sentences = treebank.read(data, "train")
    size = linguistics.ParserSize(32, 1, 2, 16, 32, 32, epochs=1, batch=6, rare=1)

    def weights(seed, name):
        linguistics.train_parser(size, sentences, sentences, seed, 5, data / name, lambda _: None)
        return (data / name / "model.safetensors").read_bytes()

    assert weights(1, "a") == weights(1, "b") != weights(2, "c")


def test_training_stops_when_the_minutes_are_over(data):
    size = linguistics.ParserSize(32, 1, 2, 16, 32, 32, epochs=9, batch=6, rare=1)
    sentences = treebank.read(data, "train")
    said = []
    facts = linguistics.train_parser(size, sentences, sentences, 1, 0, data / "a", said.append)
    assert (facts["epochs"], facts["planned epochs"], len(said)) == (1, 9, 1)
    assert Parser.load(data / "a").parse([("Go",)])


def test_long_sentences_are_left_out_of_training_and_counted(data):
    size = linguistics.ParserSize(32, 1, 2, 16, 32, 32, epochs=1, batch=6, rare=1, longest=6)
    sentences = treebank.read(data, "train")
    facts = linguistics.train_parser(size, sentences, sentences, 1, 5, data / "a", lambda _: None)
    assert facts["left out"] == sum(len(s.words) > 6 for s in sentences) > 0
    assert facts["sentences"] + facts["left out"] == len(sentences)


def test_a_folder_in_use_is_not_overwritten(data, capsys):
    assert main(["linguistics", "tagger", "--data", str(data), "--output", str(data)]) == 2
    assert "not an empty folder" in capsys.readouterr().err


def test_labeller_and_judge_differ_in_size_and_seed():
    for kind, sizes in (("tagger", linguistics.TAGGERS), ("parser", linguistics.PARSERS)):
        assert sizes["labeller"] != sizes["judge"]
        assert linguistics_cli.SEEDS[kind, "labeller"] != linguistics_cli.SEEDS[kind, "judge"]


def test_the_split_rule_is_scored_on_pairs_of_sentences(data):
    assert linguistics_cli.split_f1(treebank.read(data, "test")) == 1


@pytest.mark.parametrize("role", bundled.ROLES)
@pytest.mark.parametrize("kind", ["tagger", "parser"])
def test_a_shipped_analyser_is_small_and_reached_what_is_required(role, kind):
    folder = bundled.FOLDER / f"{role}-{kind}"
    card = json.loads((folder / linguistics_cli.CARD).read_text(encoding="utf-8"))
    assert linguistics.size_of(folder) <= 5e6
    assert (card["kind"], card["role"]) == (kind, role)
    for name, low in linguistics_cli.MINIMUM.items():
        assert card["measured"]["test"].get(name, 1) >= low
