"""Every paper in a real browser, on tiny models: what a choice changes, a source and its candidates, pins that are a wish."""

from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from diffusion import PAPERS, SAMPLERS
from tests.support.page import choices, choose, state, texts
from tests.tiny import tiny_labels

expect.set_options(timeout=20_000)
READERS = [slug for slug, kind in PAPERS.items() if kind.source]
SOFT = [slug for slug, kind in PAPERS.items() if not kind.hard]
SLOTS = tiny_labels().slots


@pytest.fixture(scope="module")
def app(tiny_app):
    """The tab alone, on tiny random models."""
    return tiny_app


def settings(page, steps=6, samples=2):
    """Asks for a short run."""
    page.locator("#steps input[type=number]").fill(str(steps))
    page.locator("#samples input").fill(str(samples))


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_what_works_best_for_a_control_is_said_where_generate_is_and_taken_over_by_a_click(new_page, size):
    page = new_page("?paper=diffusion-lm&steps=5&control=infill%3Da+___")
    page.set_viewport_size({"width": size[0], "height": size[1]})
    expect(page.locator("#advice")).to_contain_text("sampler Re-noise (generation by q), steps 32")
    for name in ("advice", "take", "generate", "stop"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0] and box["y"] + box["height"] <= size[1]
    page.locator("#take").click()
    expect(page.locator("#sampler input")).to_have_value("Re-noise (generation by q)")
    expect(page.locator("#take")).to_be_hidden()
    assert page.locator("#steps input[type=number]").input_value() == "32"


def test_choosing_a_paper_changes_samplers_and_options_and_it_writes(browser_page):
    state(browser_page, "Stored run")
    assert choices(browser_page, "paper") == [kind.title for kind in PAPERS.values()]
    choose(browser_page, "paper", PAPERS["sedd"].title)
    expect(browser_page.locator("#about")).to_contain_text(PAPERS["sedd"].__doc__.split(",")[0])
    assert choices(browser_page, "sampler") == [SAMPLERS[slug].title for slug in PAPERS["sedd"].samplers]
    choose(browser_page, "sampler", SAMPLERS["confidence"].title)
    expect(browser_page.locator("#about")).to_contain_text(SAMPLERS["confidence"].title)
    browser_page.locator("#settings button").first.click()
    expect(browser_page.locator("#revise")).to_be_visible()
    expect(browser_page.locator("#clamp")).to_have_count(0)
    browser_page.locator("#revise input[type=number]").fill("2")
    settings(browser_page)
    browser_page.locator("#generate").click()
    state(browser_page, "Done")
    assert len(texts(browser_page)) == 2 and all(row[-1] == "END" for row in texts(browser_page))
    expect(browser_page.locator(".tdl-line")).to_contain_text("SEDD · confidence · 6 steps")
    assert "revise=2" in browser_page.evaluate("document.querySelector('.tdl').tracePlayer.message.query")


def test_a_source_is_chosen_slot_by_slot_or_typed_and_stands_over_its_text(browser_page):
    state(browser_page, "Stored run")
    expect(browser_page.locator("#source")).to_have_count(0)
    choose(browser_page, "paper", PAPERS[READERS[0]].title)
    box = browser_page.locator("#source textarea, #source input")
    expect(box).to_be_visible()
    (first, second), (one, other) = SLOTS, (values[0] for values in SLOTS.values())
    choose(browser_page, "slot-0", one)
    expect(box).to_have_value(f"{first}[{one}]")
    choose(browser_page, "slot-1", other)
    expect(box).to_have_value(f"{first}[{one}], {second}[{other}]")
    box.fill(f"{first}[{SLOTS[first][1]}]")
    box.blur()
    expect(browser_page.locator("#slot-0 input")).to_have_value(SLOTS[first][1])
    expect(browser_page.locator("#slot-1 input")).to_have_value("not said")
    settings(browser_page)
    browser_page.locator("#candidates input").fill("3")
    browser_page.locator("#generate").click()
    state(browser_page, "Done")
    expect(browser_page.locator(".tdl-source")).to_have_text(f"{first}[{SLOTS[first][1]}]")
    ranks = browser_page.locator(".tdl-rank").all_inner_texts()
    assert [rank.startswith("chosen") for rank in ranks] == [True, False, False] * 2
    scores = [float(rank.split()[-1]) for rank in ranks]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    choose(browser_page, "paper", PAPERS["diffusion-lm"].title)
    expect(browser_page.locator("#source")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_a_shared_source_fills_the_form_and_fits(new_page, scheme):
    (slot, values), *_ = SLOTS.items()
    page = new_page(f"?paper={READERS[-1]}&steps=4&samples=1&candidates=2&source={quote(f'{slot}[{values[0]}]')}")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    state(page, "Done")
    expect(page.locator(".tdl-source")).to_have_text(f"{slot}[{values[0]}]")
    expect(page.locator("#slot-0 input")).to_have_value(values[0])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_source_with_an_unknown_value_is_answered_with_the_nearest(new_page):
    page = new_page(f"?paper={READERS[0]}&source={quote('dish[soupp]')}")
    expect(page.locator(".tdl-alert")).to_contain_text("'soup'")


@pytest.mark.parametrize("paper", SOFT)
def test_where_pins_are_a_preference_it_is_said_before_and_each_is_reported_after(new_page, paper):
    page = new_page(f"?paper={paper}&steps=4&samples=2&control={quote('infill=the soup ___')}")
    state(page, "Done")
    expect(page.locator("#preference")).to_contain_text("preference")
    expect(page.locator(".tdl-note").last).to_contain_text(PAPERS[paper].title)
    shown = texts(page)
    for place, row in enumerate(shown):
        verdicts = page.locator(".tdl-sample").nth(place).locator("li").all_inner_texts()
        for position, word in enumerate(["the", "soup"]):
            held = row[position: position + 1] == [word]
            assert any(text.startswith(f"{'✓' if held else '✗'} {word} {'held' if held else 'not'}") for text in verdicts)


def test_the_common_case_needs_no_scrolling_and_generate_stays_in_view(browser_page):
    browser_page.set_viewport_size({"width": 1280, "height": 800})
    state(browser_page, "Stored run")
    assert browser_page.evaluate("document.documentElement.scrollHeight") <= 800
    choose(browser_page, "paper", PAPERS[READERS[0]].title)
    expect(browser_page.locator("#source")).to_be_visible()
    box = browser_page.locator("#generate").bounding_box()
    assert box["y"] + box["height"] <= 800
