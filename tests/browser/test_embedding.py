"""The embedding space in a real browser on tiny models: the map, neighbours, lasso, search, a path, the other views, bad input."""

import pytest
from playwright.sync_api import expect

from tests.support.page import choose, state

expect.set_options(timeout=20_000)
POINTS = "#space-map .scatterlayer path.point"


@pytest.fixture(scope="module")
def app_url(tiny_app):
    """These tests drive the tiny lab."""
    return tiny_app.url


def opened(page):
    """The tab with its first map drawn."""
    page.get_by_role("tab", name="Embedding space").click()
    expect(page.locator(POINTS).first).to_be_visible()
    page.wait_for_function("document.querySelector('#space-map .tdl-figure').figureView?.ready")
    return page


def drawn(page):
    """Makes the page count how often the figure was drawn."""
    page.evaluate("""() => { window.drawings = 0; document.querySelector('#space-map .tdl-figure')
        .addEventListener('figure-drawn', () => window.drawings++); }""")


def test_the_map_opens_and_a_clicked_word_shows_its_neighbours(new_page, screenshot):
    page = new_page()
    state(page, "Stored run")
    opened(page)
    expect(page.locator("#space-map .tdl-figure-caption")).to_contain_text("parts of speech is of other words")
    expect(page.locator(POINTS)).to_have_count(11 + 2)   # nine words, PAD and END, UNK is none; and rings around two of the run
    box = page.locator(POINTS).nth(4).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#space-near tbody tr")).to_have_count(9)
    distances = [float(text) for text in page.locator("#space-near td:last-child").all_inner_texts()]
    assert distances == sorted(distances)
    screenshot(page, "embedding")


def test_search_marks_words_and_an_unknown_one_is_answered_with_markup_as_text(new_page):
    page = opened(new_page())
    box = page.locator("#space-search textarea, #space-search input")
    box.fill("sou")
    box.press("Enter")
    expect(page.locator("#space-map .legendtext", has_text="found")).to_be_visible()
    box.fill("<img src=x onerror=alert(1)>")
    box.press("Enter")
    expect(page.locator("#space-note")).to_contain_text("<img src=x")
    assert page.locator("#space-note img").count() == 0
    choose(page, "space-view", "Triangle of three words")
    box.fill("soup")
    box.press("Enter")
    expect(page.locator("#space-note")).to_contain_text("is no word of this run")
    box.fill("")
    page.locator("#space-position input").fill("999")
    page.locator("#space-follow").click()
    expect(page.locator("#space-note")).to_contain_text("position 999")


def lasso(page):
    """Drags a lasso around all points."""
    page.locator("#space-map [data-mode=lasso]").click()
    box = page.locator("#space-map .nsewdrag").first.bounding_box()
    left, top, right, bottom = box["x"] + 3, box["y"] + 3, box["x"] + box["width"] - 3, box["y"] + box["height"] - 3
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom), (left, top + 5)):
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def test_the_lasso_lists_its_words(new_page):
    page = opened(new_page())
    lasso(page)
    expect(page.locator("#space-near")).to_contain_text("In the lasso: 11 words")


def test_a_lasso_stays_in_other_colours_and_ends_with_the_tool_that_resets(new_page):
    page = new_page("?paper=diffusion-lm&steps=6&samples=1&seed=3")
    state(page, "Done")
    opened(page)
    lasso(page)
    caught = page.locator("#space-run .tdl-caught")
    expect(caught.first).to_be_visible()
    kept = """() => document.querySelector('#space-map .js-plotly-plot').data.filter(trace => trace.customdata)
        .reduce((sum, trace) => sum + (trace.selectedpoints || []).length, 0)"""
    drawn(page)
    choose(page, "space-colour", "slot")
    page.wait_for_function("window.drawings > 0")
    assert caught.count() > 0
    page.wait_for_function(f"({kept})() === 11 + 2")           # and the rings around words of the run
    page.get_by_role("button", name="Reset").first.click()
    expect(caught).to_have_count(0)
    drawn(page)
    choose(page, "space-colour", "part of speech")
    page.wait_for_function("window.drawings > 0")
    page.wait_for_function(f"({kept})() === 0")


def test_a_position_is_followed_through_words_a_triangle_and_a_sphere(new_page):
    page = new_page("?paper=diffusion-lm&steps=6&samples=1&seed=3")
    state(page, "Done")
    opened(page)
    page.locator("#space-position input").fill("2")
    page.locator("#space-follow").click()
    expect(page.locator("#space-rounding tbody tr")).to_have_count(6)
    page.locator("#space-map .tdl-slider").fill("2")
    expect(page.locator("#space-map .tdl-clock")).to_contain_text("step 3: ")
    drawn(page)
    choose(page, "space-view", "Triangle of three words")
    expect(page.locator("#space-map .tdl-clock")).to_contain_text("step 6: ")
    expect(page.locator("#space-map .tdl-figure-caption")).to_contain_text("a corner means to be certain")
    choose(page, "space-view", "Sentences")
    expect(page.locator("#space-map .legendtext", has_text="run 1")).to_be_visible()
    choose(page, "space-view", "Sphere of digits")
    page.locator("#space-follow").click()
    expect(page.locator("#space-note")).to_contain_text("does not walk on spheres")


def test_a_map_that_is_not_stored_is_computed_while_the_page_waits(new_page):
    page = opened(new_page())
    choose(page, "space-view", "t-SNE, 2-D")
    expect(page.locator("#space-map .tdl-figure-caption")).to_contain_text("t-SNE keeps neighbourhoods", timeout=90_000)
    expect(page.locator(POINTS)).to_have_count(11 + 2)
    expect(page.locator("#space-note progress")).to_have_count(0)


def test_the_map_is_seen_while_the_drawing_code_is_on_its_way(new_page):
    page = new_page()
    held = []
    page.route("**/plotly.min.js", lambda route: held.append(route))
    state(page, "Stored run")
    page.get_by_role("tab", name="Embedding space").click()
    expect(page.locator("#space-map .tdl-sketch")).to_be_visible()
    assert page.evaluate("""() => { const canvas = document.querySelector('.tdl-sketch');
        return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value > 0); }""")
    for route in held:
        route.continue_()
    expect(page.locator(POINTS).first).to_be_visible()
    expect(page.locator("#space-map .tdl-sketch")).to_have_count(0)


def test_words_of_the_run_and_of_the_map_mark_each_other(new_page):
    page = new_page("?paper=diffusion-lm&steps=6&samples=1&seed=3")
    state(page, "Done")
    opened(page)
    words = page.locator("#space-run [data-word]")
    words.first.click()
    expect(words.first).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#space-map .legendtext", has_text="chosen")).to_be_visible()
    choose(page, "space-view", "PCA, 2-D")
    expect(page.locator("#space-map .legendtext", has_text="chosen")).to_be_visible()
    expect(page.locator("#space-run .tdl-caught")).to_have_count(0)
    lasso(page)
    expect(page.locator("#space-run .tdl-caught").first).to_be_visible()
    assert page.locator("#space-run .tdl-caught").count() == words.count()
    words.first.click()
    expect(page.locator("#space-map .legendtext", has_text="chosen")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_horizontal_scroll(new_page, scheme, screenshot):
    page = new_page()
    page.emulate_media(color_scheme=scheme)
    state(page, "Stored run")
    opened(page)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, f"embedding-phone-{scheme}")
