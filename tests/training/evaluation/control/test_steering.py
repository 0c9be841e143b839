"""Labels, lengths and blanks are judged on finished text: planted perfection and planted faults show."""

import dataclasses

import pytest

from diffusion.core.errors import StudioError
from diffusion.core.types import Request
from diffusion.text.labels import parse_meaning
from tests.support import evaluation
from training.evaluation.control import steering
from training.evaluation.quality.measure import Bench

REQUEST = Request(length=evaluation.LENGTH, sampler="ancestral", steps=2)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench.open(evaluation.write_data(tmp_path_factory.mktemp("data")), evaluation.model(), evaluation.judge())


def met(tables):
    """Whether each bar of the last table is met, by its name."""
    return {row["what"]: row["met"] for row in tables[-1].rows}


def test_shares_of_named_slots_are_counted_by_hand():
    meanings = [{"food": "Italian", "priceRange": "cheap"}, {"food": "French"}]
    texts = ["It serves Italian food for less than £20 .", "It serves Indian food by the river ."]
    shares = steering.Shares.of(texts, meanings)
    assert shares.named == {"food": 50.0, "priceRange": 100.0}
    assert shares.strictly == {"food": 50.0, "priceRange": 0.0}          # the number stands for the word
    assert shares.overall == pytest.approx(200 / 3)
    assert shares.overall_strictly == pytest.approx(100 / 3)
    assert shares.invented == pytest.approx(100 * 1 / 13)                # the river, of 6 + 7 slots that were not given


def test_a_value_that_the_matcher_does_not_know_is_refused():
    with pytest.raises(StudioError, match="Klingon"):
        steering.Shares.of(["Gagh ."], [{"food": "Klingon"}])


def test_a_model_that_says_what_it_is_told_meets_the_bars_of_labels(bench, monkeypatch):
    human = [row.words for row in bench.human]

    def write(model, request, count, labels=None):
        if labels is None:
            return human[::-1][:count]
        told = [model.labels.decode(label) for label in labels]
        assert told == [parse_meaning(row.meaning) for row in bench.human[:count]]
        return human[:count] if request.guidance_scale == 2 else human[1:count + 1]

    monkeypatch.setattr(steering, "write", write)
    tables = steering.label(bench, REQUEST, 20, [1.0, 2.0])
    by_scale = {row["texts"]: row["named %"] for row in tables[0].rows if "named %" in row}
    assert by_scale["guidance scale 2"] == by_scale["human"] == 100
    assert by_scale["guidance scale 1"] < 80
    assert set(met(tables).values()) == {True}
    assert {row["slot"] for row in tables[1].rows} == {"name", "eatType", "food", "area", "familyFriendly"}


def test_label_tells_the_other_slots_to_be_absent_on_request(bench, monkeypatch):
    seen = []
    monkeypatch.setattr(steering, "write", lambda model, request, count, labels=None: (
        seen.append(labels) or [row.words for row in bench.human[:count]]))
    bench = dataclasses.replace(bench, human=[dataclasses.replace(row, meaning="food[Italian]") for row in bench.human])
    steering.label(bench, REQUEST, 4, [1.0], absent=True)
    food = list(bench.model.labels.slots).index("food")
    assert (seen[1] == 1).sum(1).tolist() == [4] * 4     # all but food
    assert (seen[1][:, food] > 1).all()


def test_lengths_and_pins_are_exact_even_with_random_weights(bench):
    table, bars = steering.length(bench, REQUEST, 12)
    assert [row["exact %"] for row in table.rows] == [100.0, 100.0]
    assert all(row["met"] for row in bars.rows)


def test_a_length_that_is_missed_is_counted(bench, monkeypatch):
    monkeypatch.setattr(steering, "steered", lambda model, request, controls: [(3,) * 7] * len(request.seeds))
    table, bars = steering.length(bench, REQUEST, 40)
    assert table.rows[0]["exact %"] < 15                 # one length of 36 is 7
    assert table.rows[1]["exact %"] == 0
    assert not any(row["met"] for row in bars.rows)


def test_blanks_are_three_to_six_words_and_the_same_every_time(bench):
    given = steering.blanks(bench, 20)
    assert given == steering.blanks(bench, 20)
    assert {blank.size for blank in given} == {3, 4, 5, 6}
    assert all(len(blank.inside(blank.words)) == blank.size for blank in given)
    blank = given[0]
    control = blank.control(bench.model).removeprefix("infill=").split()
    assert control[blank.start] == f"___{blank.size}"
    assert len(control) == len(blank.words) - blank.size + 1


def test_a_changed_word_outside_the_blank_is_not_kept():
    blank = steering.Blank((3, 4, 5, 6, 7, 8), start=1, size=3)
    assert blank.inside((3, 9, 9, 9, 7, 8)) == (9, 9, 9)
    assert blank.kept((3, 9, 9, 9, 7, 8))
    assert not blank.kept((3, 9, 9, 9, 7, 9))
    assert not blank.kept((3, 9, 9, 9, 7, 8, 8))
    assert not blank.kept((3, 9, 9, 7, 8))


def test_perfect_infills_reach_the_human_text(bench, monkeypatch):
    given = iter(steering.blanks(bench, 10))
    monkeypatch.setattr(steering, "steered", lambda model, request, controls: [next(given).words])
    row = steering.infill(bench, REQUEST, 10, None)[0].rows[1]
    assert row["perplexity / human"] == 1.0
    assert row["BLEU-4 of the blanks %"] == row["blanks as the human %"] == 100.0


def test_infills_keep_every_pin_even_with_random_weights(bench):
    tables = steering.infill(bench, REQUEST, 10, None)
    assert tables[0].rows[1]["pins exact %"] == 100.0
    assert met(tables)["pins exact, %"] is True
