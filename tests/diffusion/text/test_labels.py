"""Labels: what a meaning representation says, as ids and back, and what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusion.core.errors import StudioError
from diffusion.text.labels import ABSENT, UNKNOWN, LabelSet, parse_meaning

LABELS = LabelSet({"area": ["harbour", "old town"], "food": ["Greek", "Italian"], "name": ["Tidewater"]})
PLAIN = st.text(st.characters(categories=("Lu", "Ll", "Nd"), include_characters=" £é'-"), min_size=1, max_size=12)
WORD = PLAIN.map(str.strip).filter(bool)


@given(st.dictionaries(WORD, WORD, max_size=8))
def test_a_meaning_is_read_as_it_was_written(slots):
    assert parse_meaning(", ".join(f"{slot}[{value}]" for slot, value in slots.items())) == slots


def test_white_space_and_commas_inside_a_value_do_no_harm():
    assert parse_meaning(" name[Fish, Chips and Co] ,food [ Greek ],area[]") == {
        "name": "Fish, Chips and Co", "food": "Greek", "area": ""}  # fmt: skip
    assert parse_meaning("") == parse_meaning("  ") == {}


@pytest.mark.parametrize("text", [
    "name", "name[A", "name]A[", "[A]", "name[A] food[B]", "name[A], ", "name[A],,food[B]", "name[A]]", "name[[A]",
    "name: A", "x name[A], food", "name[A]; food[B]",
])  # fmt: skip
def test_what_is_no_meaning_is_refused_with_an_example(text):
    if text == "name[A], ":
        assert parse_meaning(text) == {"name": "A"}  # a comma at the end is forgiven
        return
    with pytest.raises(StudioError, match=r"Not a meaning representation: .*name\[The Vaults\]"):
        parse_meaning(text)


def test_a_slot_named_twice_is_refused():
    with pytest.raises(StudioError, match="names the slot 'food' twice"):
        parse_meaning("food[Greek], name[A], food[Italian]")


def test_an_enormous_meaning_is_quoted_in_part():
    for text in ("x" * 100_000, "x" + " " * 100_000, "[" * 100_000, "x[" * 50_000, " ," * 50_000):
        with pytest.raises(StudioError) as error:
            parse_meaning(text)
        assert len(str(error.value)) < 400


def test_ids_follow_the_order_of_slots_and_values():
    assert LABELS.sizes == (4, 4, 3)
    assert LABELS.encode({"food": "Italian", "area": "harbour"}).tolist() == [2, 3, ABSENT]
    assert LABELS.encode({"food": "Italian"}, rest=UNKNOWN).tolist() == [UNKNOWN, 3, UNKNOWN]
    assert LABELS.encode({"food": "absent"}, rest=UNKNOWN).tolist() == [UNKNOWN, ABSENT, UNKNOWN]


def test_every_label_comes_back():
    for area in range(4):
        for food in range(4):
            label = torch.tensor([area, food, UNKNOWN])
            assert torch.equal(LABELS.encode(LABELS.decode(label), rest=UNKNOWN), label)


def test_a_free_label_tells_nothing():
    assert LABELS.decode(LABELS.free()) == {} and LABELS.free().shape == (3,)


def test_an_unknown_slot_or_value_names_the_nearest():
    with pytest.raises(StudioError, match=r"slot 'foods'.*'food'"):
        LABELS.encode({"foods": "Greek"})
    with pytest.raises(StudioError, match=r"'food'.*'greek'.*'Greek'"):
        LABELS.encode({"food": "greek"})


def test_slots_and_values_are_those_seen_in_alphabetical_order():
    built = LabelSet.build([{"name": "Tidewater", "food": "Italian"}, {"area": "old town", "food": "Greek"},
                            {"area": "harbour"}])  # fmt: skip
    assert built.slots == LABELS.slots and built.fingerprint == LABELS.fingerprint


def test_the_fingerprint_changes_with_slots_values_and_their_order():
    slots = LABELS.slots
    others = [{**slots, "food": ("Italian", "Greek")}, {**slots, "food": ("Greek",)}, {**slots, "near": ("Elm Court",)},
              dict(reversed(slots.items()))]  # fmt: skip
    assert len({LabelSet(other).fingerprint for other in [slots, *others]}) == 5


def test_labels_come_back_from_their_file_and_others_are_refused(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(LABELS.to_json(), encoding="utf-8")
    assert LabelSet.load(path).slots == LABELS.slots
    for content in ("", "[]", '{"food": "Greek"}', "{"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(StudioError, match=r"labels\.json"):
            LabelSet.load(path)
