"""Targets are what people wrote, the same every time; files of the paper's shapes load, and ours come back as they were."""

import dataclasses
import json

import pytest

from controllers.linguistics.analysis import Analyser
from controllers.linguistics.brackets import read
from controllers.matchers.slot_matcher import named
from diffusion.core.errors import StudioError
from diffusion.text.labels import parse_meaning
from diffusion.text.vocab import split
from tests.support import evaluation, tiny_treebank
from training.evaluation.control import target_files, targets
from training.evaluation.control.readings import Readings
from training.evaluation.control.targets import PARTS, Target
from training.evaluation.control.wishes import Blank, Class, Classifier, Count, Shape, Span, Tags, Value
from training.evaluation.quality.measure import Bench, Human

TEXTS = ("Zizzi is a cheap pub.", "It serves French food.", "The pub is near the river. It is cheap.", "Families love it!",
         "The food is good and cheap.", "Wine costs 5 pounds.", "Near the river, families eat food.", "Cheap food")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench.open(evaluation.write_data(tmp_path_factory.mktemp("data")), evaluation.model(), evaluation.judge())


@pytest.fixture(scope="module")
def readers():
    made = Analyser(tagger=tiny_treebank.trained("tagger"), parser=tiny_treebank.trained("parser"))
    return {"labeller": Readings(made), "judge": Readings(made)}


@pytest.fixture(scope="module")
def people():
    """Rows with syntax that the tiny analysers know."""
    return [Human("food[French], priceRange[cheap]", text, tuple(range(3, 3 + len(split(text))))) for text in TEXTS]


@pytest.mark.parametrize("control", ["content", "class", "classifier", "length", "infill"])
def test_targets_are_the_same_every_time_and_more_begin_with_fewer(bench, control):
    few, many = (targets.draw(control, bench.human, count, {}) for count in (5, 9))
    assert few == targets.draw(control, bench.human, 5, {})
    assert many[:5] == few and len(set(many)) == 9
    assert all(tuple(map(type, target.wishes)) == PARTS[control] for target in many)


def test_slots_take_turns_and_every_value_is_that_of_its_text(bench):
    drawn = targets.draw("content", bench.human, 10, {})
    assert {target.wishes[0].slot for target in drawn[:5]} == {"name", "eatType", "food", "area", "familyFriendly"}
    meaning = {tuple(split(row.text)): parse_meaning(row.meaning) for row in bench.human}
    for target in drawn:
        wish, = target.wishes
        assert meaning[target.words][wish.slot] == wish.value
    assert len({target.words for target in drawn}) == 10


def test_lengths_and_blanks_are_those_of_the_human_text(bench):
    for target in targets.draw("length", bench.human, 6, {}):
        assert target.wishes == (Count(len(target.words)),)
    sizes = set()
    for target in targets.draw("infill", bench.human, 20, {}):
        wish, = target.wishes
        assert wish.words == target.words and 0 <= wish.start <= len(wish.words) - wish.size
        sizes.add(wish.size)
    assert sizes == {3, 4, 5, 6}


def test_syntax_is_the_labellers_and_trees_are_those_of_single_sentences(people, readers):
    tags = targets.draw("pos", people, 3, readers)
    assert tags[0] == Target((Tags(("PROPN", "AUX", "DET", "ADJ", "NOUN", "PUNCT")),), tuple(split(TEXTS[0])))
    trees = targets.draw("tree", people, 5, readers)
    used = [" ".join(target.words) for target in trees]
    assert used == [" ".join(split(TEXTS[index])) for index in (0, 1, 4, 5, 6)]      # not the two sentences, not the short ones
    assert trees[0].wishes == (Shape(read("(TOP (S (NP (NNP Zizzi)) (VP (VBZ is) (NP (DT a) (JJ cheap) (NN pub))) (. .)))")),)
    assert targets.draw("tree", people, 5, readers) == trees


def test_a_span_is_a_constituent_of_its_text_but_not_all_of_it(people, readers):
    drawn = targets.draw("span", people, 5, readers)
    assert drawn == targets.draw("span", people, 5, readers)
    for target in drawn:
        wish, = target.wishes
        assert 0 < wish.stop - wish.start < len(target.words)
        assert wish.score([target.words], readers["labeller"]) == {"success": 1.0}


def test_rows_that_the_analysers_split_differently_give_no_tree(people, readers):
    class Splitting(Readings):
        def read(self, texts, trees):
            return [dataclasses.replace(found, sentences=((0, 2), (2, len(found.words)))) if "Wine" in found.words else found
                    for found in super().read(texts, trees)]

    judge = Splitting(readers["judge"].analyser)
    drawn = targets.draw("tree", people, 4, {"labeller": readers["labeller"], "judge": judge})
    assert not any("Wine" in target.words for target in drawn)


def test_a_composed_target_is_a_value_that_the_text_names_and_its_syntax(people, readers):
    for control, kind in (("content+pos", Tags), ("content+tree", Shape)):
        for target in targets.draw(control, people, 3, readers):
            value, syntax = target.wishes
            assert isinstance(syntax, kind)
            assert named(" ".join(target.words), value.slot, value.value)


def test_too_few_texts_are_told(bench):
    with pytest.raises(StudioError, match=r"500 targets for 'length' are wanted, but the 24 texts give only 24"):
        targets.draw("length", bench.human, 500, {})


# ---- files


def lines(path, *values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def test_files_of_the_papers_shapes_load_unchanged(tmp_path):
    lines(tmp_path / "target_attribute.json", ["name", ":", "The", "Vaults"], ["Type", ":", "coffee", "shop"],
          ["customer", "rating", ":", "5", "out", "of", "5"], ["price", ":", "£", "20", "-", "25"],
          ["family friendly", ":", "no"])
    words = ["Our", "pub", "is", "cheap", ".", "\n"]
    tags = ["START", "PRON", "NOUN", "AUX", "ADJ", "PUNCT", "PROPN", "END"]
    lines(tmp_path / "target_pos.json", {"pos": tags, "words_": words}, {"pos": tags, "words_": ["START", *words, "END"]},
          {"pos": tags, "words_": words[:-1]})
    lines(tmp_path / "target_spans.json", {"words_": words, "spans": [[2, 3, "VP"]]})
    lines(tmp_path / "target_compose_pos_attr.json", {"pos": tags, "words_": words, "attr": ["food", ":", "French"]})
    lines(tmp_path / "target_tree.json", {"words_": words, "padded_chart": [[0]], "tree": "(TOP (NP (DT A) (NN pub)))"})
    lines(tmp_path / "target_compose.json", {"words_": words, "tree": "(NP (DT A) (NN pub))", "attr": ["area", ":", "riverside"]})
    found = target_files.load([tmp_path])
    assert set(found) == {"content", "class", "classifier", "pos", "span", "content+pos", "tree", "content+tree"}
    assert [target.wishes[0] for target in found["content"]] == [
        Value("name", "The Vaults"), Value("eatType", "coffee shop"), Value("customer rating", "5 out of 5"),
        Value("priceRange", "£20-25"), Value("familyFriendly", "no")]
    assert found["class"][1].wishes == (Class("eatType", "coffee shop"),)
    assert found["classifier"][1].wishes == (Classifier("eatType", "coffee shop"),)
    text = ("Our", "pub", "is", "cheap", ".")
    clean = Target((Tags(("PRON", "NOUN", "AUX", "ADJ", "PUNCT")),), text)
    assert found["pos"] == [clean] * 3
    assert found["span"] == [Target((Span(2, 4, "VP"),), text)]
    assert found["content+pos"] == [Target((Value("food", "French"), *clean.wishes), text)]
    assert found["tree"] == [Target((Shape(read("(TOP (NP (DT A) (NN pub)))")),), ("A", "pub"))]
    assert found["content+tree"][0].wishes[0] == Value("area", "riverside")


def test_our_targets_are_written_in_these_shapes_and_come_back(tmp_path, people, readers):
    drawn = {control: targets.draw(control, people, 2, readers) for control in target_files.NAMES}
    files = target_files.write(tmp_path / "new" / "folder", drawn)
    assert {file.name for file in files} == set(target_files.NAMES.values())
    back = target_files.load(files)
    for control in ("pos", "tree", "span", "content+pos", "content+tree"):
        assert back[control] == drawn[control]
    assert [target.wishes for target in back["content"]] == [target.wishes for target in drawn["content"]]


@pytest.mark.parametrize(("line", "why"), [
    ("nonsense", "Line 1 of '.*' is no target"), ('["fod", ":", "French"]', "Unknown field 'fod'.*'food'"),
    ('["food", ":", "Frenc"]', "'Frenc' is not a value of 'food'.*'French'"), ('{"words_": ["A"]}', "'pos'"),
    ('{"words_": ["A"], "pos": ["DET", "NOUN", "VERB"]}', "1 words have 3 tags"),
    ('{"words_": ["A"], "spans": [[0, 1, "NP"]]}', "does not fit 1 words"),
    ('{"tree": "(NP (DT A)"}', "never closed"), ('{"tree": "(NP (DT) (NN))"}', "no words"),
])
def test_a_line_of_another_shape_is_refused_with_its_place(tmp_path, line, why):
    file = tmp_path / "targets.json"
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(StudioError, match=why):
        target_files.load([file])


def test_a_missing_file_or_an_empty_folder_is_told(tmp_path):
    with pytest.raises(StudioError, match="no target file"):
        target_files.load([tmp_path])
    with pytest.raises(StudioError, match="cannot be read"):
        target_files.load([tmp_path / "none.json"])


def test_a_blank_says_what_stays():
    assert Blank(("a", "b", "c", "d"), 1, 2).control == "infill=a ___2 d"
