"""Makes the tiny corpus of the tests, tests/data/tiny: sentences of our own about places that do not exist.

    python tests/data/make_tiny.py

It has the form of E2E (columns mr and ref), and none of its rows.
"""

import csv
import random
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "tiny"
SLOTS = {
    "name": ["The Copper Kettle", "Marlow House", "Tidewater", "Lantern Yard", "Saffron Gate", "Café Juniper"],
    "eatType": ["restaurant", "pub", "tea room"],
    "food": ["Italian", "Spanish", "Greek"],
    "priceRange": ["cheap", "high", "less than £15"],
    "customer rating": ["low", "2 out of 5", "4 out of 5"],
    "area": ["old town", "harbour"],
    "familyFriendly": ["yes", "no"],
    "near": ["Quay Hall", "Elm Court"],
}
OPENINGS = [
    "{name} is a {kind}{where} .",
    "There is a {kind} called {name}{where} .",
    "Try {name} , a {kind}{where} .",
]
PRICES = {
    "cheap": ["Its prices are low .", "You eat well for little money ."],
    "high": ["Its prices are high .", "You pay a lot ."],
    "less than £15": ["You pay less than £15 .", "A meal costs less than £15 ."],
}
RATINGS = {
    "low": ["Guests do not rate it well .", "Its rating is low ."],
    "2 out of 5": ["Guests give it 2 out of 5 .", "Its rating is 2 out of 5 ."],
    "4 out of 5": ["Guests give it 4 out of 5 .", "Its rating is 4 out of 5 ."],
}
FAMILIES = {
    "yes": ["Children are welcome .", "It 's good for a family with children ."],
    "no": ["Children are not welcome .", "It isn 't good for a family ."],
}
GLUE = ((" .", "."), (" ,", ","), (" '", "'"), ("' ", "'"))
TRAIN_ROWS, VALID_ROWS, TEXTS_OF_A_MEANING = 300, 40, 3


def meaning_of(slots: dict[str, str]) -> str:
    """The meaning representation as E2E writes it."""
    return ", ".join(f"{slot}[{value}]" for slot, value in slots.items())


def text_of(slots: dict[str, str], rng: random.Random) -> str:
    """One way to say it, as people write it: no white space before a full stop."""
    kind = " ".join(word for word in (slots.get("food"), slots.get("eatType", "place")) if word)
    where = f" in the {slots['area']}" if "area" in slots else ""
    where += f" near {slots['near']}" if "near" in slots else ""
    sentences = [rng.choice(OPENINGS).format(name=slots["name"], kind=kind, where=where)]
    said = (("priceRange", PRICES), ("customer rating", RATINGS), ("familyFriendly", FAMILIES))
    rest = [rng.choice(ways[slots[slot]]) for slot, ways in said if slot in slots]
    rng.shuffle(rest)
    text = " ".join(sentences + rest)
    for apart, together in GLUE:
        text = text.replace(apart, together)
    return text


def rows() -> list[tuple[str, str]]:
    """All rows, no meaning in both parts: the training part first."""
    rng, made, seen = random.Random(11), [], set()
    while len(made) < TRAIN_ROWS + VALID_ROWS:
        told = {"name", *rng.sample(sorted(set(SLOTS) - {"name"}), rng.randint(2, 5))}
        slots = {slot: rng.choice(values) for slot, values in SLOTS.items() if slot in told}
        meaning = meaning_of(slots)
        if meaning in seen:
            continue
        seen.add(meaning)
        here = TRAIN_ROWS - len(made) if len(made) < TRAIN_ROWS else TRAIN_ROWS + VALID_ROWS - len(made)
        for _ in range(min(here, rng.randint(1, TEXTS_OF_A_MEANING))):
            made.append((meaning, text_of(slots, rng)))
    return made


def parts() -> dict[str, list[tuple[str, str]]]:
    """File name to rows."""
    made = rows()
    return {"train.csv": made[:TRAIN_ROWS], "valid.csv": made[TRAIN_ROWS:]}


def main() -> None:
    """Writes both files."""
    FOLDER.mkdir(exist_ok=True)
    for name, part in parts().items():
        with (FOLDER / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("mr", "ref"))
            writer.writerows(part)


if __name__ == "__main__":
    main()
