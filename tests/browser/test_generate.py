"""The first tab in a real browser, on tiny models: watch, scrub, stop, share, make mistakes."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.page import STORED, choose, dark_page, faint, state, texts
from ui.service.run_spec import Order

expect.set_options(timeout=20_000)
ORACLE = "?paper=oracle&steps=24&samples=2&seed=5"
LONG = "?paper=diffusion-lm&steps=2000&samples=4&seed=5"
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def app(tiny_app):
    """The tab alone, on tiny random models, opening on a stored run of the oracle."""
    return tiny_app


def clock(page):
    """The step shown."""
    return int(re.match(r"step (\d+)/", page.inner_text(".tdl-clock"))[1])


def test_the_page_opens_on_a_stored_run_before_any_model_is_loaded(browser_page):
    state(browser_page, "Stored run")
    expect(browser_page.locator(".tdl-sample")).to_have_count(2)
    assert all(row[-1] == "END" and len(row) >= 7 for row in texts(browser_page))
    expect(browser_page.locator(".tdl-verdicts li").first).to_contain_text("length")
    expect(browser_page.locator(".tdl-line")).to_contain_text("Oracle")
    expect(browser_page.locator(".tdl-tool", has_text="Copy link")).to_be_visible()


def test_words_appear_while_the_model_runs_and_stop_ends_it_at_once(new_page):
    page = new_page(LONG)
    state(page, "Running")
    page.wait_for_function("document.querySelectorAll('.tdl-chip').length > 3")
    early = page.evaluate("document.querySelector('.tdl').tracePlayer.run.step(0).index")
    assert early == 0, "the first message is the first step"
    page.locator("#stop").click()
    state(page, "Stopped")
    assert "of 2000" in page.inner_text(".tdl-status")
    done = int(re.search(r"step (\d+) of", page.inner_text(".tdl-status"))[1])
    assert 0 < done < 2000
    page.locator("#generate").click()                   # the worker is free again
    state(page, "Running")
    page.locator("#stop").click()
    state(page, "Stopped")


def test_generate_pressed_right_after_stop_is_never_lost(new_page):
    page = new_page(LONG)
    state(page, "Running")
    for _ in range(3):
        before = page.evaluate("document.querySelector('.tdl').tracePlayer.run.id")
        page.evaluate("document.getElementById('stop').click(); document.getElementById('generate').click()")
        page.wait_for_function("before => { const {run} = document.querySelector('.tdl').tracePlayer;"
                               "return run?.frames?.length && run.id !== before; }", arg=before)
    page.locator("#stop").click()
    state(page, "Stopped")


def test_a_second_press_while_it_runs_asks_for_nothing(new_page, page_log):
    page = new_page(ORACLE)
    state(page, "Done")
    page.wait_for_timeout(700)
    before = len([url for url in page_log.requests if "/queue/join" in url])
    page.evaluate("for (let time = 0; time < 3; time++) document.getElementById('generate').click()")
    page.wait_for_function("document.querySelector('.tdl-badge').textContent !== 'Done'")
    state(page, "Done")
    assert len([url for url in page_log.requests if "/queue/join" in url]) <= before + 2, "the run, and the figures after it"


def test_a_word_of_a_finished_run_is_pinned_by_a_click_or_by_keys_where_it_stands(new_page):
    page = new_page(ORACLE)
    state(page, "Done")
    words = texts(page)[1]
    page.locator(".tdl-words").nth(1).locator(".tdl-chip").nth(2).click()
    page.locator(".tdl-pin").click()
    expect(page.locator(".tdl-status").first).to_contain_text(f"In the form: ___2 {words[2]} ___")
    for key in ("ArrowLeft", "ArrowLeft", "Enter", "Enter"):               # two words back, to the button, and press it
        page.keyboard.press(key)
    expect(page.locator(".tdl-status").first).to_contain_text(f"In the form: {words[0]} ___1 {words[2]} ___")
    page.wait_for_timeout(700)                           # the form has taken it
    page.locator("#generate").click()
    page.wait_for_function("document.querySelector('.tdl').tracePlayer.run?.info?.order?.controls?.length")
    controls = page.evaluate("document.querySelector('.tdl').tracePlayer.run.info.order.controls")
    assert controls == [f"infill={words[0]} ___1 {words[2]} ___"]
    assert all(row[0] == words[0] and row[2] == words[2] for row in texts(page))


def test_scrubbing_playing_and_keys_make_no_request(browser_page, page_log):
    state(browser_page, "Stored run")
    browser_page.wait_for_timeout(1500)                 # what opening the page asked for has been answered
    before, last = len(page_log.asked), texts(browser_page)
    browser_page.locator(".tdl-slider").fill("0")
    assert clock(browser_page) == 1
    assert texts(browser_page) != last
    browser_page.locator("body").press("ArrowRight")
    browser_page.locator("body").press("ArrowRight")
    browser_page.locator("body").press("ArrowLeft")
    assert clock(browser_page) == 2
    browser_page.locator("body").press(" ")
    browser_page.wait_for_function("document.querySelector('.tdl-clock').textContent.startsWith('step 24/24')")
    assert texts(browser_page) == last
    browser_page.locator("body").press("Home")
    assert clock(browser_page) == 1
    box = browser_page.locator(".tdl-panel svg").first.bounding_box()
    browser_page.mouse.click(box["x"] + box["width"] - 9, box["y"] + 40)
    assert clock(browser_page) == 24
    assert len(page_log.asked) == before


def test_a_word_shows_its_candidates_with_their_probabilities(browser_page):
    state(browser_page, "Stored run")
    browser_page.locator(".tdl-slider").fill("4")
    browser_page.locator(".tdl-chip").nth(1).click()
    percents = [float(text.split()[0]) for text in browser_page.locator(".tdl-number").all_inner_texts()]
    assert percents == sorted(percents, reverse=True)
    assert 50 < sum(percents) <= 100.5
    expect(browser_page.locator(".tdl-tip-foot")).to_contain_text("nats")
    browser_page.locator("#player").get_by_role("button", name="Cite").click()
    word, tip = (browser_page.locator(part).bounding_box() for part in (".tdl-words >> .tdl-chip >> nth=1", ".tdl-tip"))
    assert abs(tip["y"] - (word["y"] + word["height"] + 6)) < 2, "it stays beside its word when the words move"
    browser_page.locator("body").press("Escape")
    expect(browser_page.locator(".tdl-tip")).to_be_hidden()
    before = clock(browser_page)
    browser_page.locator(".tdl-words").first.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        browser_page.keyboard.press(key)
    expect(browser_page.locator(".tdl-tip-head")).to_contain_text("position 2")
    assert clock(browser_page) == before, "in a text the arrows go from word to word, not from step to step"


def test_padding_is_folded_and_can_be_shown(browser_page):
    state(browser_page, "Stored run")
    assert "PAD" not in texts(browser_page)[0]
    browser_page.locator(".tdl-pads").first.click()
    assert {len(row) for row in texts(browser_page)} == {16}
    assert texts(browser_page)[0][-1] == "PAD"


def test_the_same_seed_gives_the_same_text_and_a_shared_link_too(new_page):
    page = new_page(ORACLE + "&control=length%3D6-9&sampler=ddim")
    state(page, "Done")
    first = texts(page)
    page.wait_for_timeout(500)                          # Gradio takes the next click once the finished event is closed
    page.locator("#generate").click()
    page.wait_for_function("document.querySelector('.tdl-badge').textContent !== 'Done'")
    state(page, "Done")
    assert texts(page) == first
    query = page.evaluate("document.querySelector('.tdl').tracePlayer.message.query")
    other = new_page(query)
    state(other, "Done")
    assert texts(other) == first
    assert other.locator(".tdl-card[data-slug=length] textarea").input_value() == "6-9"
    assert other.locator("#steps input[type=number]").input_value() == "24"


def test_the_link_button_copies_an_address_of_this_page(new_page, browser_context, app_url):
    browser_context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = new_page()
    state(page, "Stored run")
    page.locator(".tdl-tool", has_text="Copy link").click()
    page.wait_for_function("document.querySelector('.tdl-tool').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f"{app_url}?")
    assert Order.from_query(copied.partition("?")[2]).controls == STORED.controls


@pytest.mark.parametrize(("control", "named"), [
    (f"{MARKUP}=1", "<img src"), (f"infill={MARKUP} ___", "'<'"),
    ("length=99", "99"), ("length=abc", "length"), ("tense=past", "tense")])
def test_a_mistake_is_one_sentence_with_markup_as_text_and_the_app_serves_on(new_page, control, named):
    from urllib.parse import quote

    page = new_page(f"{ORACLE}&control={quote(control)}")
    alert = page.locator(".tdl-alert")
    expect(alert).to_contain_text(named)
    assert page.locator(".tdl-alert *, #player img").count() == 0
    page.locator(".tdl-away").click()
    page.locator("#generate").click()
    state(page, "Done")
    expect(alert).to_be_hidden()


def test_controls_are_added_as_cards_changed_and_removed_and_a_conflict_is_named_before_the_run(browser_page):
    page = browser_page
    state(page, "Stored run")
    choose(page, "paper", "Oracle (exact beliefs)")
    page.locator(".tdl-add-one", has_text="Length").click()
    page.keyboard.type("3")                              # the new card has the focus
    page.locator(".tdl-add-one", has_text="Infill").click()
    page.keyboard.type("The Green Harbour ___ at the ___ .")
    expect(page.locator("#objection")).to_contain_text("contradict")
    page.get_by_role("button", name="Remove Infill").click()
    expect(page.locator("#objection")).to_have_count(0)
    page.locator(".tdl-card textarea").fill("6-9")
    expect(page.locator(".tdl-add-one", has_text="Length")).to_be_enabled()
    page.locator("#generate").click()
    page.wait_for_function("document.querySelector('.tdl-badge').textContent !== 'Stored run'")
    state(page, "Done")
    assert page.locator(".tdl-verdicts .tdl-yes").count() >= 4
    assert "length=6-9" in page.evaluate("JSON.stringify(document.querySelector('.tdl').tracePlayer.message.trace.info.order)")


def test_a_link_with_nonsense_is_answered_with_a_sentence(new_page):
    page = new_page("?steps=0")
    expect(page.locator(".tdl-alert")).to_contain_text("steps")
    state(page, "Stored run")


def test_an_example_fills_the_form_and_runs(browser_page):
    state(browser_page, "Stored run")
    browser_page.locator(".tdl-example", has_text="16 fast steps").click()
    state(browser_page, "Done")
    assert browser_page.locator("#steps input[type=number]").input_value() == "16"
    assert "dpm-solver++" in browser_page.inner_text(".tdl-line")


def test_a_trace_file_is_played_and_another_file_is_refused(browser_page, tmp_path):
    state(browser_page, "Stored run")
    trace = browser_page.evaluate("JSON.stringify(document.querySelector('.tdl').tracePlayer.message.trace)")
    values = json.loads(trace)
    values["info"]["words"][3:] = [MARKUP] * (len(values["info"]["words"]) - 3)
    (tmp_path / "mine.json").write_text(json.dumps(values))
    (tmp_path / "other.json").write_text('{"format": 1}')
    browser_page.locator("#player input[type=file]").set_input_files(tmp_path / "mine.json")
    expect(browser_page.locator(".tdl-status")).to_have_text("mine.json")
    assert texts(browser_page)[0][0] == MARKUP
    assert browser_page.locator("#player img").count() == 0
    browser_page.locator("#player input[type=file]").set_input_files(tmp_path / "other.json")
    expect(browser_page.locator(".tdl-alert")).to_contain_text("not a trace of this lab")
    browser_page.evaluate("""text => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], 'dropped.json'));
      document.querySelector('#player .tdl-samples').dispatchEvent(new DragEvent('drop', {dataTransfer: transfer, bubbles: true}));
    }""", trace)
    expect(browser_page.locator(".tdl-status")).to_have_text("dropped.json")
    expect(browser_page.locator(".tdl-alert")).to_be_hidden()


def test_a_saved_page_plays_without_a_server(new_page, browser_context):
    page = new_page()
    state(page, "Stored run")
    last = texts(page)
    with page.expect_download() as download:
        page.locator(".tdl-tool", has_text="Save page").click()
    saved = browser_context.new_page()
    saved.set_content(Path(download.value.path()).read_text(encoding="utf-8"))
    state(saved, "Done")
    assert texts(saved) == last
    saved.locator("body").press("Home")
    assert clock(saved) == 1
    assert not faint(saved)
    assert not faint(dark_page(saved))


def test_the_figures_of_a_run_are_drawn_on_demand(browser_page):
    state(browser_page, "Stored run")
    browser_page.locator("#figures button").first.click()
    expect(browser_page.locator("#lifelines .heatmaplayer image").first).to_be_attached(timeout=40_000)
    expect(browser_page.locator("#curves .scatterlayer .trace")).to_have_count(3, timeout=40_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_horizontal_scroll_and_keeps_generate_at_hand(new_page, scheme):
    page = new_page()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    state(page, "Stored run")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#generate").bounding_box()
    assert box["y"] + box["height"] <= 844
    words = page.locator(".tdl-words").first.bounding_box()
    assert words["width"] > 330
