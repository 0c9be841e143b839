"""The slot matcher reads its own sentences: every value, paraphrase, negation and confusion (no row of a corpus)."""

import hashlib
import re
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.matchers import slot_matcher
from controllers.matchers.slot_matcher import FINGERPRINT, SAME_LEVEL, SLOTS, VALUES, named, named_strictly, named_values

TEMPLATES = {
    "name": "You should visit {} tonight.",
    "eatType": "Ours is the best {} for miles.",
    "food": "The kitchen cooks {} dishes.",
    "priceRange": "Expect a {} price range here.",
    "customer rating": "It has a customer rating of {} so far.",
    "area": "Look for it in the {} area.",
    "near": "You will find it near {} today.",
}
PAIRS = [(slot, value) for slot in SLOTS for value in VALUES[slot]]
READINGS = [
    # familyFriendly
    ("A kid friendly spot.", "familyFriendly", ["yes"]),
    ("Our place welcomes kids!", "familyFriendly", ["yes"]),
    ("It is good for families.", "familyFriendly", ["yes"]),
    ("Children - friendly , says the owner .", "familyFriendly", ["yes"]),
    ("Not only cheap but family-friendly as well.", "familyFriendly", ["yes"]),
    ("Seek no further than this child-friendly den.", "familyFriendly", ["yes"]),
    ("Suitable for adults and children alike.", "familyFriendly", ["yes"]),
    ("Family friendly, not cheap.", "familyFriendly", ["yes"]),
    ("It is not expensive and it is family friendly.", "familyFriendly", ["yes"]),
    ("Why not bring the kids?", "familyFriendly", ["yes"]),
    ("It is not family-friendly.", "familyFriendly", ["no"]),
    ("It isn't a child friendly house.", "familyFriendly", ["no"]),
    ("It isn’t child friendly.", "familyFriendly", ["no"]),
    ("It isn ' t child - friendly .", "familyFriendly", ["no"]),
    ("A non family-friendly den.", "familyFriendly", ["no"]),
    ("No kids, please.", "familyFriendly", ["no"]),
    ("Adults only.", "familyFriendly", ["no"]),
    ("Children are not allowed inside.", "familyFriendly", ["no"]),
    ("A kids-free evening awaits.", "familyFriendly", ["no"]),
    ("Family friendly: no.", "familyFriendly", ["no"]),
    ("They do not welcome families with children.", "familyFriendly", ["no"]),
    ("It is not friendly with children.", "familyFriendly", ["no"]),
    ("A family-run kitchen.", "familyFriendly", []),
    # priceRange
    ("Low-priced soup.", "priceRange", ["cheap"]),
    ("An inexpensive lunch.", "priceRange", ["cheap"]),
    ("Its prices are low.", "priceRange", ["cheap"]),
    ("Prices are below average.", "priceRange", ["cheap"]),
    ("Everything costs under £20.", "priceRange", ["less than £20"]),
    ("Lunch for under 20 pounds.", "priceRange", ["less than £20"]),
    ("A cheap menu at less than £ 20 a head.", "priceRange", ["cheap", "less than £20"]),
    ("A low price range of less than £20.", "priceRange", ["less than £20"]),
    ("You pay £20 or less.", "priceRange", ["less than £20"]),
    ("Moderately priced soup.", "priceRange", ["moderate"]),
    ("A mid-priced grill.", "priceRange", ["moderate"]),
    ("The average price range suits us.", "priceRange", ["moderate"]),
    ("Mains cost £20-25.", "priceRange", ["£20-25"]),
    ("Mains cost £ 20 - 25 .", "priceRange", ["£20-25"]),
    ("Mains cost £20–£25.", "priceRange", ["£20-25"]),
    ("Mains cost 20 to 25 pounds.", "priceRange", ["£20-25"]),
    ("Mains cost between £20 and £25.", "priceRange", ["£20-25"]),
    ("Mains cost twenty to twenty five pounds.", "priceRange", ["£20-25"]),
    ("An average price range of £20-25.", "priceRange", ["£20-25"]),
    ("An expensive treat.", "priceRange", ["high"]),
    ("A high-priced grill.", "priceRange", ["high"]),
    ("The price range is high.", "priceRange", ["high"]),
    ("Above average prices.", "priceRange", ["high"]),
    ("Mains cost over £30.", "priceRange", ["more than £30"]),
    ("Mains cost more than 30 pounds.", "priceRange", ["more than £30"]),
    ("You pay £30 or more.", "priceRange", ["more than £30"]),
    ("It is not cheap.", "priceRange", []),
    ("It is under 20 minutes away.", "priceRange", []),
    # customer rating against price
    ("It has a high customer rating.", "priceRange", []),
    ("It has a moderate customer rating.", "priceRange", []),
    ("It offers low prices.", "customer rating", []),
    ("It is in the high price range.", "customer rating", []),
    ("An average price and a low rating.", "customer rating", ["low"]),
    ("An average price and a low rating.", "priceRange", ["moderate"]),
    ("A high price range and an average customer rating.", "priceRange", ["high"]),
    ("A high price range and an average customer rating.", "customer rating", ["average"]),
    ("Its customer rating is low and its price is high.", "customer rating", ["low"]),
    ("Its customer rating is low and its price is high.", "priceRange", ["high"]),
    # customer rating
    ("A one star grill.", "customer rating", ["1 out of 5"]),
    ("A one-star grill.", "customer rating", ["1 out of 5"]),
    ("It is rated 5 stars.", "customer rating", ["5 out of 5"]),
    ("Guests gave it three out of five.", "customer rating", ["3 out of 5"]),
    ("Guests gave it 3 out of 5 stars.", "customer rating", ["3 out of 5"]),
    ("It has a rating of 3 out of 5 stars.", "customer rating", ["3 out of 5"]),
    ("Guests gave it 3/5.", "customer rating", ["3 out of 5"]),
    ("A low customer rating of 1 out of 5.", "customer rating", ["1 out of 5"]),
    ("It scores 4 out of 5 stars.", "customer rating", []),
    ("A highly rated grill.", "customer rating", ["high"]),
    ("It is rated highly by customers.", "customer rating", ["high"]),
    ("It gets excellent reviews.", "customer rating", ["high"]),
    ("It is not highly rated.", "customer rating", ["low"]),
    ("A poor rating.", "customer rating", ["low"]),
    ("Customers rate it as average.", "customer rating", ["average"]),
    # eatType, food, area
    ("A cosy café.", "eatType", ["coffee shop"]),
    ("A pub restaurant.", "eatType", ["pub"]),
    ("A family restaurant.", "eatType", ["restaurant"]),
    ("All Bar One and Café Rouge.", "eatType", []),
    ("It is close to Raja Indian Cuisine.", "food", []),
    ("It serves French fries.", "food", ["Fast food"]),
    ("It serves fast-food.", "food", ["Fast food"]),
    ("Sushi, of course.", "food", ["Japanese"]),
    ("British classics.", "food", ["English"]),
    ("In the center of the city.", "area", ["city centre"]),
    ("It is downtown.", "area", ["city centre"]),
    ("By the river.", "area", ["riverside"]),
    ("Along the river bank.", "area", ["riverside"]),
    ("Outside of the city centre, on the river.", "area", ["riverside"]),
    ("It is not in the city centre.", "area", []),
    ("The riverside, in the city centre.", "area", ["riverside", "city centre"]),
    # proper names
    ("Near Cafe Rouge.", "near", ["Café Rouge"]),
    ("NEAR CAFÉ ROUGE", "near", ["Café Rouge"]),
    ("Near Cafe\u0301 Rouge.", "near", ["Café Rouge"]),
    ("Zizzi's soup is fine.", "name", ["Zizzi"]),
    ("<b>The Eagle</b>, **Aromi** and _Cotto_", "name", ["The Eagle", "Aromi", "Cotto"]),
    ("The Rice Boat is near The Bakers.", "name", ["The Rice Boat"]),
    ("The Rice Boat is near The Bakers.", "near", ["The Bakers"]),
    ("Aromi is close to The Rice Boat.", "name", ["Aromi"]),
    ("Aromi is close to The Rice Boat.", "near", ["The Rice Boat"]),
    ("It costs twenty two pounds.", "name", []),
    ("Cambridge is lovely.", "name", []),
]


def tokenised(text: str) -> str:
    """The text as the models write it: tokens with spaces between them."""
    return " ".join(re.findall(r"\w+|[^\w\s]", text))


def sentence(slot: str, value: str) -> str:
    """A sentence of our own that names one value in the corpus' words."""
    if slot == "familyFriendly":
        return "It is family friendly." if value == "yes" else "It is not family friendly."
    return TEMPLATES[slot].format(value)


def test_slots_and_values_are_those_of_the_corpus():
    counts = {slot: len(VALUES[slot]) for slot in SLOTS}
    assert counts == {"name": 34, "eatType": 3, "food": 7, "priceRange": 6, "customer rating": 6, "area": 2,
                      "familyFriendly": 2, "near": 19}  # fmt: skip
    for slot, words in SAME_LEVEL.items():
        assert set(words) | set(words.values()) == set(VALUES[slot])


@pytest.mark.parametrize(("slot", "value"), PAIRS)
def test_a_plain_sentence_names_its_value_and_no_other(slot, value):
    for text in (sentence(slot, value), tokenised(sentence(slot, value)), sentence(slot, value).lower()):
        assert named_values(text, slot) == [value]
        assert [other for other in VALUES[slot] if named_strictly(text, slot, other)] == [value]


@pytest.mark.parametrize(("text", "slot", "values"), READINGS)
def test_reading(text, slot, values):
    assert set(named_values(text, slot)) == set(values)
    assert set(named_values(tokenised(text), slot)) == set(values) or "\u0301" in text


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("text", ["", " ", "\n", ".", "<br/>", "[UNK] [UNK]", "£", "It is lovely there."])
def test_a_text_that_says_nothing_names_nothing(text, slot):
    assert named_values(text, slot) == []


@given(st.data())
def test_values_of_several_slots_are_read_from_one_text(data):
    chosen = {slot: data.draw(st.sampled_from(VALUES[slot]), label=slot) for slot in SLOTS}
    order = data.draw(st.permutations(SLOTS))
    text = " ".join(sentence(slot, chosen[slot]) for slot in order)
    for slot, value in chosen.items():
        assert named_values(text, slot) == [value]


@given(st.text(st.sampled_from("abékTR £2053-'’.,<>/_*()") | st.characters(), max_size=60), st.sampled_from(PAIRS))
def test_tokenising_changes_no_reading(noise, pair):
    slot, value = pair
    text = noise + " " + sentence(slot, value)
    natural = unicodedata.normalize("NFC", text)
    assert named_values(natural, slot) == named_values(tokenised(natural), slot)
    assert named_values(tokenised(natural), slot) == named_values(tokenised(tokenised(natural)), slot)


@given(st.text(max_size=80))
def test_any_text_is_read_and_named_agrees_with_named_values(text):
    for slot in SLOTS:
        assert [value for value in VALUES[slot] if named(text, slot, value)] == named_values(text, slot)


def test_unknown_words_are_refused_with_the_nearest_known_one():
    with pytest.raises(ValueError, match=r"Slot 'price' is not known; the nearest is 'priceRange'"):
        named_values("", "price")
    with pytest.raises(ValueError, match=r"Slot 'familyfriendly' .* nearest is 'familyFriendly'"):
        named("", "familyfriendly", "yes")
    with pytest.raises(ValueError, match=r"Value of slot 'near' 'Cafe Rouge' .* nearest is 'Café Rouge'"):
        named("", "near", "Cafe Rouge")
    with pytest.raises(ValueError, match="is not known"):
        named("", "area", "")


def test_the_returned_list_belongs_to_the_caller():
    named_values("By the river.", "area").append("city centre")
    assert named_values("By the river.", "area") == ["riverside"]


def test_fingerprint_is_the_hash_of_the_file():
    source = Path(slot_matcher.__file__).read_bytes()
    assert hashlib.sha256(source).hexdigest()[:12] == FINGERPRINT


def test_five_hundred_texts_against_all_values_take_less_than_a_second():
    body = " ".join(sentence(slot, VALUES[slot][0]) for slot in SLOTS)
    texts = [f"Note {index}: {body}" for index in range(500)]
    start = time.process_time()
    for text in texts:
        for slot, value in PAIRS:
            named(text, slot, value)
    assert time.process_time() - start < 1.0
