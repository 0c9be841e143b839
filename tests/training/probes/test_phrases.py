"""The ways of saying a value are found by counting: its own, whole, and not those of a value beside it."""

import csv
import json

import pytest

from controllers import phrases as table_of
from training.__main__ import main
from training.probes import phrases
from training.probes.phrases import Rows, mine

FOODS = {"Italian": "serves italian food", "French": "serves wine", "Indian": "has curry house dishes"}
NAMES = {"The Mill": "The Mill", "Aromi": "Aromi"}
NEAR = {"The Mill": "near Clare Hall", "Aromi": "near The Bakers"}      # each name stands beside one landmark


def rows(count: int = 240) -> tuple[list[str], list[dict[str, str]]]:
    texts, meanings = [], []
    for index in range(count):
        food, name = list(FOODS)[index % 3], list(NAMES)[index // 3 % 2]
        near = index % 5 > 0
        texts.append(f"{NAMES[name]} {FOODS[food]} {NEAR[name] if near else 'here'} .")
        meaning = {"name": name, "food": food, **({"near": NEAR[name].removeprefix("near ")} if near else {})}
        meanings.append(meaning)
    return texts, meanings


@pytest.fixture(scope="module")
def table():
    return mine(Rows(*rows()))


def test_each_value_gets_the_words_that_tell_it(table):
    assert [found.phrase for found in table["food"]["Italian"]] == [("serves", "italian", "food")]
    assert [found.phrase for found in table["food"]["French"]] == [("serves", "wine")]
    assert table["food"]["Italian"][0].share == 1


def test_a_phrase_is_made_whole(table):
    assert [found.phrase for found in table["name"]["The Mill"]] == [("the", "mill")]
    assert all("house" in found.phrase for found in table["food"]["Indian"])


def test_a_landmark_is_not_a_way_of_saying_the_name_that_stands_beside_it(table):
    said = {word for found in table["name"]["The Mill"] for word in found.phrase}
    assert not said & {"clare", "hall"}
    assert any("clare" in found.phrase for found in table["near"]["Clare Hall"])


def test_shares_are_of_what_is_newly_covered():
    texts = ["a cheap pub ."] * 60 + ["a pub at low cost ."] * 20 + ["a pub ."] * 80
    meanings = [{"price": "cheap"}] * 80 + [{}] * 80
    found = mine(Rows(texts, meanings))["price"]["cheap"]
    assert [way.share for way in found] == [0.75, 0.25] and "cheap" in found[0].phrase and "low" in found[1].phrase


def test_words_that_other_values_say_too_are_no_way():
    texts = ["it is family friendly ."] * 50 + ["it is not family friendly ."] * 50 + ["a pub ."] * 50
    meanings = [{"familyFriendly": "yes"}] * 50 + [{"familyFriendly": "no"}] * 50 + [{}] * 50
    found = mine(Rows(texts, meanings))["familyFriendly"]
    assert all(way.phrase != ("family", "friendly") for way in found["yes"])
    assert any("is family" in " ".join(way.phrase) for way in found["yes"])
    assert all("not" in way.phrase and "family" in way.phrase for way in found["no"])        # "not" alone says too little


def test_the_command_writes_a_table_that_controllers_read(tmp_path, monkeypatch, capsys):
    texts, meanings = rows()
    (tmp_path / "data").mkdir()
    for part in ("train", "valid"):
        with (tmp_path / "data" / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["mr", "ref"])
            for text, meaning in zip(texts, meanings, strict=True):
                writer.writerow([", ".join(f"{slot}[{value}]" for slot, value in meaning.items()), text])
    folder = tmp_path / "semantic"
    assert main(["phrases", "--data", str(tmp_path / "data"), "--output", str(folder)]) == 0
    monkeypatch.setattr(table_of, "FOLDER", folder)
    assert table_of.missing() is None and table_of.table()["food"]["French"] == [("serves wine", 1.0)]
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert card["choices"]["GAIN"] == phrases.GAIN and card["measured"]["food"] == {"said %": 100.0, "said elsewhere %": 0.0}
    assert "said in 100.0%" in capsys.readouterr().out and "| food | 100.0 | 0.00 |" in (folder / "README.md").read_text("utf-8")
