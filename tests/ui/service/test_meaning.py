"""A source as text and as menus: the text is what counts, and neither view loses what the other says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.service import meaning

SLOTS = {"area": ("centre", "riverside"), "food": ("Chinese", "Italian"), "name": ("The Mill",)}
values = st.sampled_from([(slot, value) for slot, known in SLOTS.items() for value in (*known, "")])


@given(st.lists(values))
def test_what_the_menus_were_set_to_is_what_the_text_says(choices):
    text, chosen = "", {}
    for slot, value in choices:
        text, chosen[slot] = meaning.rewritten(text, slot, value, SLOTS), value
        assert meaning.menus(text, SLOTS) == {name: value for name, value in chosen.items() if value}


@pytest.mark.parametrize(("text", "shown"), [
    ("name[The Mill], food[Italian]", {"name": "The Mill", "food": "Italian"}),
    ("food[Thai], area[centre]", {"area": "centre"}), ("colour[red]", {}), ("a cheap place", {}), ("food[Italian", {}), ("", {})])
def test_menus_show_what_they_can_of_a_text(text, shown):
    assert meaning.menus(text, SLOTS) == shown


def test_a_menu_replaces_its_own_slot_and_leaves_what_it_does_not_know():
    text = "name[The Mill], food[Thai], colour[red]"
    assert meaning.rewritten(text, "area", "centre", SLOTS) == "area[centre], food[Thai], name[The Mill], colour[red]"
    assert meaning.rewritten(text, "food", "Italian", SLOTS) == "food[Italian], name[The Mill], colour[red]"
    assert meaning.rewritten(text, "food", "", SLOTS) == "name[The Mill], colour[red]"


def test_a_menu_starts_a_meaning_representation_in_place_of_plain_words():
    assert meaning.rewritten("a cheap place", "food", "Italian", SLOTS) == "food[Italian]"
