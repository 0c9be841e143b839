"""Texts from a source: slot errors by hand, BLEU against all references, and the choice among candidates."""

import dataclasses

import pytest
import torch

import diffusion
from diffusion.core.errors import StudioError
from diffusion.core.loop import resolved
from diffusion.core.types import Request
from diffusion.text import source
from tests.support import evaluation
from training.evaluation.quality import metrics
from training.evaluation.quality import source as evaluate_source
from training.evaluation.quality.measure import Bench, Human
from training.evaluation.quality.source import ALONE, MBR, SlotErrors, meanings

READERS = [slug for slug, kind in diffusion.PAPERS.items() if kind.source]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return evaluation.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=READERS)
def bench(request, folder):
    return Bench.open(folder, evaluation.paper(request.param), evaluation.judge())


def test_every_way_to_be_wrong_about_a_slot_is_counted_by_hand():
    given = [{"food": "Italian", "area": "riverside", "priceRange": "less than £20"}]
    assert SlotErrors.of(["A cheap Italian place by the river ."], given) == SlotErrors(3, 0, 0, 0)    # another scale, same level
    assert SlotErrors.of(["A cheap place by the river ."], given) == SlotErrors(3, missing=1, wrong=0, invented=0)
    assert SlotErrors.of(["A cheap French place by the river ."], given) == SlotErrors(3, missing=0, wrong=1, invented=0)
    both = SlotErrors.of(["A cheap Italian and French place by the river , children are welcome ."], given)
    assert both == SlotErrors(3, missing=0, wrong=1, invented=1)
    assert both.row() == pytest.approx({"slot error %": 200 / 3, "missing %": 0, "wrong %": 100 / 3, "invented %": 100 / 3})


def test_a_representation_has_all_its_texts_whatever_the_order_of_its_slots():
    rows = [Human("food[Italian], area[riverside]", "A .", (3,)), Human("food[French]", "B .", (3,)),
            Human("area[riverside], food[Italian]", "C .", (3,))]
    found = meanings(rows, 2)
    assert [meaning.references for meaning in found] == [("A .", "C ."), ("B .",)]
    with pytest.raises(StudioError, match="only 2"):
        meanings(rows, 3)
    with pytest.raises(StudioError, match="Klingon"):
        meanings([Human("food[Klingon]", "Gagh .", (3,))], 1)


def test_bleu_counts_every_reference_even_where_texts_have_different_numbers_of_them():
    texts = ["a b c d e", "f g h i"]
    assert evaluate_source.bleu(texts, [["x", "a b c d e"], ["f g h i"]]) == pytest.approx(100)
    assert evaluate_source.bleu(texts, [["x"], ["f g h i"]]) < 60
    assert evaluate_source.bleu(["a b c d e."], [["a b c d e ."]]) == pytest.approx(100)        # the same words to us


def test_rouge_is_the_mean_over_texts():
    assert evaluate_source.rouge(["a b", "c d"], [["a b"], ["e f"]]) == pytest.approx(50)


def test_a_model_that_repeats_a_human_text_is_perfect(bench, monkeypatch):
    given = meanings(bench.human, 6)
    monkeypatch.setattr(evaluate_source, "candidates", lambda model, request, asked: (
        [[meaning.references[0]] * 5 for meaning in asked], 3.0))
    request = resolved(bench.model, Request(steps=2))
    tables = evaluate_source.from_source(bench, [request], 6)
    human, alone, chosen = tables[0].rows
    assert (alone["choice"], chosen["choice"]) == (ALONE, MBR)
    assert alone["BLEU-4"] == chosen["BLEU-4"] == alone["ROUGE-L"] == 100
    assert alone["slot error %"] == human["slot error %"]
    assert (alone["NFE"], chosen["NFE"]) == (3, 15)
    assert len(given) == 6 and human["references"] == 6
    if bench.model.slug in evaluate_source.BARS:
        assert all(row["met"] for row in tables[1].rows)


def test_a_human_reference_is_measured_against_the_others():
    meaning = evaluate_source.Meaning("food[Italian]", {"food": "Italian"}, ("It is an Italian place .", "Italian food ."))
    lonely = evaluate_source.Meaning("food[French]", {"food": "French"}, ("No food .",))
    assert evaluate_source._every_reference([meaning, lonely])["slot error %"] == pytest.approx(100 / 3)
    one = evaluate_source._one_reference([meaning, lonely])
    assert one["slot error %"] == 0                      # of the meaning with two references alone
    expected = metrics.rouge_l(["It", "is", "an", "Italian", "place", "."], [["Italian", "food", "."]])
    assert one["ROUGE-L"] == pytest.approx(100 * expected)


def test_every_text_is_written_from_its_own_source(bench, monkeypatch):
    seen = []

    def written(model, request, seeds, sources):
        seen.append((seeds, sources))
        return [(3,)] * len(seeds), 2.0

    monkeypatch.setattr(evaluate_source, "written", written)
    given = meanings(bench.human, 4)
    pools, nfe = evaluate_source.candidates(bench.model, Request(steps=2), given)
    assert [len(pool) for pool in pools] == [5] * 4 and nfe == 2
    assert [list(seeds) for seeds, _ in seen] == [[start + i for i in range(4)] for start in range(0, 20, 4)]
    for meaning, row in zip(given, seen[0][1], strict=True):
        assert torch.equal(row, source.encode(meaning.text, bench.model.vocab, bench.model.labels))
    assert len(torch.unique(seen[0][1], dim=0)) == 4


def test_rows_come_from_the_model_itself_and_are_drawn_once(bench):
    request = resolved(bench.model, Request(steps=2))
    tables = evaluate_source.from_source(bench, [request, dataclasses.replace(request, guidance_scale=2.0)], 3)
    rows = tables[0].rows
    assert [row.get("guidance_scale") for row in rows] == [None, 1, 1, 2, 2]
    assert all(0 <= row["BLEU-4"] <= 100 and row["NFE"] > 0 for row in rows[1:])


def test_a_paper_that_reads_no_source_is_refused(folder):
    bench = Bench.open(folder, evaluation.model(), evaluation.judge())
    with pytest.raises(StudioError, match="reads no source"):
        evaluate_source.from_source(bench, [Request(steps=2)], 3)
