"""The comparing tabs, in a real browser on tiny models: lanes in lockstep, the grid, their links, two visitors, and bad input."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.page import dark_page, faint

expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def app_url(tiny_app):
    """These tests drive the tiny lab."""
    return tiny_app.url


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()
    return page


def ended(page):
    page.wait_for_function("document.querySelector('#lanes .tdl-badge')?.textContent === 'Done'", timeout=60_000)


def words(page):
    return page.locator("#lanes .tdl-lane-words").all_inner_texts()


def test_papers_denoise_side_by_side_and_the_clock_moves_all_without_a_request(browser_page, page_log, screenshot):
    page = open_tab(browser_page, "Compare papers")
    page.locator("#compare-steps input[type=number]").fill("8")
    page.locator("#compare-go").click()
    ended(page)
    last, before = words(page), len(page_log.asked)
    assert len(last) >= 5 and all(last)
    page.locator("#lanes .tdl-slider").fill("0")
    assert words(page) != last
    page.locator("#lanes select").nth(1).select_option(index=1)
    page.locator("#lanes .tdl-slider").fill("1000")
    assert words(page) == last and page.locator("#lanes .tdl-differs").count() > 0
    assert len(page_log.asked) == before
    screenshot(page, "compare-papers")
    with page.expect_download() as download:
        page.locator("#lanes .tdl-tool", has_text="Save page").click()
    saved, before = page.context.new_page(), len(page_log.asked)
    saved.set_content(Path(download.value.path()).read_text(encoding="utf-8"))
    saved.wait_for_function("document.querySelector('.tdl-badge')?.textContent === 'Done'")
    assert saved.locator(".tdl-lane-words").all_inner_texts() == last
    saved.locator(".tdl-slider").fill("0")
    assert saved.locator(".tdl-lane-words").all_inner_texts() != last
    assert len(page_log.asked) == before
    assert not faint(saved)
    assert not faint(dark_page(saved))


def test_two_visitors_get_their_own_results(new_page):
    first, second = (open_tab(new_page(), "Compare papers") for _ in range(2))
    for page, seed in ((first, "1"), (second, "2")):
        page.locator("#compare-steps input[type=number]").fill("8")
        page.locator("#compare-seed input").fill(seed)
        page.locator("#compare-go").click()
    for page in (first, second):
        ended(page)
    seeds = [page.evaluate("[...document.querySelector('#lanes .tdl').lanes.runs.values()].map(run => run.seeds[0])")
             for page in (first, second)]
    assert set(seeds[0]) == {1} and set(seeds[1]) == {2}


def test_the_grid_fills_and_its_mistakes_are_sentences(browser_page, screenshot):
    page = open_tab(browser_page, "Compare samplers")
    page.locator("#grid-steps textarea, #grid-steps input").first.fill("4, x")
    page.locator("#grid-go").click()
    expect(page.locator("#grid-table [role=alert]")).to_contain_text("number of steps")
    page.locator("#grid-steps textarea, #grid-steps input").first.fill("4, 8")
    page.locator("#grid-go").click()
    expect(page.locator("#grid-table")).to_contain_text("6 of 6 cells", timeout=60_000)
    expect(page.locator("#grid-csv")).to_be_visible()
    screenshot(page, "compare-samplers")


def copied(page, box):
    """The address that the link button of a box puts on the clipboard."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(f"{box} .tdl-tool", has_text="Copy link").click()
    expect(page.locator(f"{box} .tdl-tool", has_text="Copied")).to_be_visible()
    return page.evaluate("navigator.clipboard.readText()")


def test_a_link_fills_the_grid_anew_and_the_grid_gives_the_same_link(new_page, app_url):
    query = ("?sampler=euler&sampler=analytic&steps=3&steps=5&paper=sedd&samples=1&seed=9&guidance_scale=1.5&control=length%3D3"
             "&compute=fp32&tab=samplers")
    page = new_page(query)
    expect(page.locator("#grid-table")).to_contain_text("4 of 4 cells", timeout=60_000)
    assert page.locator("#grid-table tbody tr td:nth-child(1)").all_inner_texts() == ["euler", "euler", "analytic", "analytic"]
    assert page.locator("#grid-steps textarea, #grid-steps input").first.input_value() == "3, 5"
    assert page.locator("#grid-seed input").input_value() == "9"
    assert page.locator("#grid-controls .tdl-card[data-slug=length] textarea").input_value() == "3"
    expect(page.locator("#grid-samplers input:checked")).to_have_count(2)
    assert copied(page, "#grid-table") == app_url + query


def test_a_link_compares_the_same_papers_again_and_they_give_the_same_link(new_page, app_url):
    query = "?paper=sedd&paper=oracle&steps=6&samples=1&seed=9&guidance_scale=1.5&control=length%3D3&compute=fp32&tab=compare"
    page = new_page(query)
    ended(page)
    assert page.locator("#lanes h3").all_inner_texts() == ["SEDD", "Oracle (exact beliefs)"]
    first = words(page)
    assert copied(page, "#lanes") == app_url + query
    page.locator("#compare-go").click()
    page.wait_for_function("document.querySelector('#lanes .tdl-badge').textContent !== 'Done'")
    ended(page)
    assert words(page) == first


def test_what_is_wrong_with_a_link_is_said_in_its_own_tab(new_page):
    page = new_page("?paper=sedd&paper=orakel&tab=compare")
    expect(page.locator("#lanes [role=alert]")).to_contain_text("'orakel'")
    expect(page.locator("#player [role=alert]")).to_be_hidden()
