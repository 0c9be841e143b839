"""The form's controls and the order's are the same thing, whichever way they go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.wishes import Wishes

SLOTS = {"area": ("centre", "riverside"), "food": ("Chinese", "Italian")}
CONTROLS = st.lists(st.sampled_from((
    "length=12", "length=10-14", "length=5", "length=<b>", "infill=The ___ = x", "infill=___3", "label=food:Italian",
    "label=area:absent,food:Chinese", "label=food:Thai", "label=food:Italian,food:Chinese", "pos=DT NN", "pos=NN@2",
    "nonsense", "span=a=b")))


@given(CONTROLS)
def test_no_control_is_lost_between_order_and_form(controls):
    assert sorted(Wishes.of(controls, SLOTS, ["pos"]).controls()) == sorted(controls)


@pytest.mark.parametrize(("controls", "expected"), [
    (["length=10-14"], Wishes(length="10-14")),
    (["label=food:Italian,area:absent"], Wishes(label={"food": "Italian", "area": "absent"})),
    (["infill=a=b ___"], Wishes(infill="a=b ___")),
    (["length=5", "length=6"], Wishes(length="5", more=("length=6",))),
    (["label=food:Thai"], Wishes(more=("label=food:Thai",))),
    (["pos=NN", "pos=VB"], Wishes(own={"pos": "NN"}, more=("pos=VB",))),
])
def test_what_has_a_widget_goes_there_and_the_rest_is_kept_as_it_was(controls, expected):
    assert Wishes.of(controls, SLOTS, ["pos"]) == expected


def test_an_empty_form_asks_for_nothing():
    assert Wishes(length="  ", infill="\n", own={"pos": " "}, more=("", " ")).controls() == ()
