"""Words as a page shows them: colours that can be read, chips that cannot be markup, thin messages that are true."""

import dataclasses
import itertools
import json
import re

import numpy as np
import pytest

from diffusion.core.trace import Frame
from ui.components import board
from ui.plots import tokens
from ui.service.run_spec import Order
from ui.tabs import compare as tab_compare

WORDS = ["[PAD]", "[END]", "[UNK]", "tea", "<img src=x onerror=alert(1)>", "soup", "&"]


def frame(ids, probs, index=0, s=0.5):
    """A frame with two candidates a position: the word shown with its probability, and soup with the rest."""
    ids, probs = np.array(ids, "<i2"), np.array(probs, "<f2")
    top_ids = np.stack([ids, np.full_like(ids, 5)], -1)
    top_probs = np.stack([probs, 1 - probs], -1).astype("<f2")
    entropy = np.full(ids.shape, 0.25, "<f2")
    return Frame(index, 1.0, s, ids, top_ids, top_probs, entropy, 0 * entropy, {"length": [0.5] * len(ids)}, 1, 0.1)


def contrast(one, other):
    """Contrast of two colours. Source: WCAG 2.2."""
    low, high = sorted((tokens.luminance(one), tokens.luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_ink_on_every_colour_of_the_scale_has_a_contrast_of_at_least_4_5():
    assert min(contrast(*pair) for pair in zip(tokens.SCALE, tokens.INKS, strict=True)) >= 4.5


def test_the_scale_only_gets_lighter_so_that_it_reads_without_colour():
    lightness = [tokens.luminance(colour) for colour in tokens.SCALE]
    assert all(low < high for low, high in itertools.pairwise(lightness))


@pytest.mark.parametrize(("colour", "expected"), [("#000000", 0.0), ("#ffffff", 1.0), ("#ff0000", 0.2126), ("#808080", 0.2159)])
def test_luminance_has_the_values_of_its_definition(colour, expected):
    assert tokens.luminance(colour) == pytest.approx(expected, abs=1e-4)


def test_a_probability_gets_the_nearest_colour_and_never_leaves_the_scale():
    assert [tokens.level(p) for p in (0, 0.04, 0.06, 0.5, 1, 1.2, -1)] == [0, 0, 1, 5, 10, 10, 0]


def test_trailing_padding_is_left_out_and_padding_between_words_stays():
    shown = tokens.shown(frame([[3, 0, 5, 1, 0, 0], [0] * 6], [[0.5] * 6, [1] * 6]))
    assert [[word for word, _ in row] for row in shown] == [[3, 0, 5, 1], []]


def test_a_word_that_is_no_candidate_has_probability_zero():
    one = frame([[3, 1]], [[0.75, 0.5]])
    picked = dataclasses.replace(one, ids=np.array([[6, 1]], "<i2"))
    assert tokens.shown(picked) == [[(6, 0.0), (1, 0.5)]]


def test_a_live_message_is_small_json_with_words_percentages_and_means():
    message = tokens.live(frame([[3, 5, 1, 0]], [[0.75, 1.0, 0.5, 1.0]], index=3), WORDS, steps=8)
    assert message["rows"] == [[["tea", 75, 0], ["soup", 100, 0], ["END", 50, 1]]]
    assert (message["index"], message["steps"], message["length"], message["entropy"]) == (3, 8, 4, [0.25])
    assert message["satisfaction"] == {"length": [0.5]}
    assert len(json.dumps(message)) < 400


def test_markup_in_a_word_is_shown_as_text():
    page = tokens.frame_html(frame([[4, 6, 1]], [[0.5, 0.5, 1]]), WORDS, [7], [[0]])
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert ">&amp;<" in page


def test_a_sample_is_written_with_seed_colours_specials_and_locks():
    page = tokens.frame_html(frame([[3, 5, 1]], [[0.8, 0.2, 1]]), WORDS, [7], [[1]])
    assert "seed 7" in page
    kinds = re.findall(r'class="([^"]*tdl-chip[^"]*)"', page)
    assert kinds == ["tdl-chip", "tdl-chip tdl-pinned tdl-locked", "tdl-chip tdl-special"]
    assert f"background:{tokens.SCALE[8]}" in page
    assert page.count("background:") == 2


def test_a_saved_page_holds_the_run_and_no_text_can_end_its_script():
    page = tokens.page({"kind": "trace", "note": "</script><script>alert(1)</script>"}, "<p>still</p>", "p {}", "var a;")
    packed = re.search(r'id="run">(.*?)</script>', page)[1]
    assert json.loads(packed)["message"]["note"] == "</script><script>alert(1)</script>"
    assert page.count("<script") == 2
    assert not re.search(r"(src|href)=", page)


@pytest.mark.parametrize("saved", [board.page(), tab_compare.page_of("")])
def test_a_page_without_content_has_one_place_for_it_and_asks_for_nothing(saved):
    assert saved.count('id="run">{shown}</script>') == 1 and saved.index("{shown}") == saved.index('id="run">') + len('id="run">')
    assert saved.count("<script") == 2
    assert not re.search(r"(src|href)=|https?://(?!www\.w3\.org/2000/svg)", saved)


def test_the_probability_of_a_word_in_a_real_run_is_the_largest_of_its_candidates(studio):
    trace = studio.start(Order(paper="oracle", samples=3, steps=6, seed=1)).run()
    for step in trace.frames[:-1]:
        for row, best in zip(tokens.shown(step), step.top_probs.max(-1), strict=True):
            assert [prob for _, prob in row] == best[: len(row)].tolist()
