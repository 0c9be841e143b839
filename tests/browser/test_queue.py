"""Two visitors at once: the second is told its place while it waits, may leave, and gets its own results."""

import json
import re

import pytest
from gradio_client import Client
from playwright.sync_api import expect

from tests.support.page import state

expect.set_options(timeout=40_000)
SHORT = "?paper=oracle&steps=24&samples=2&seed=8"
TOLD = re.compile(r"^1 run is ahead of yours\. Your place in the queue: 2\.")
PLACE = "#place .tdl-place"


@pytest.fixture(scope="module")
def app_url(tiny_app):
    """These tests drive the tiny lab."""
    return tiny_app.url


@pytest.fixture
def busy(new_page):
    """A visitor whose grid of samplers would take minutes; `end` stops it."""
    page = new_page()
    page.get_by_role("tab", name="Compare samplers").click()
    page.locator("#grid-steps textarea, #grid-steps input").first.fill(", ".join(map(str, range(1988, 2001))))
    page.locator("#grid-go").click()
    expect(page.locator("#grid-table")).to_contain_text("0 of 39 cells")
    yield page
    end(page)


def press(page, button):
    """Presses a button without waiting for the page to stand still."""
    page.locator(button).first.evaluate("button => button.click()", timeout=60_000)


def end(page):
    press(page, "#grid-stop")


def test_the_second_sees_its_place_then_its_own_results(new_page, busy):
    second = new_page(SHORT)
    expect(second.locator(PLACE)).to_have_text(TOLD)
    state(second, "Stored run")
    end(busy)
    state(second, "Done")
    expect(second.locator(PLACE)).to_have_count(0)
    assert second.evaluate("document.querySelector('#player .tdl').tracePlayer.run.seeds") == [8, 9]
    expect(busy.locator("#grid-table")).to_contain_text("of 39 cells")


def test_in_a_crowd_everyone_is_told_a_place(new_page, busy, tiny_app):
    client = Client(tiny_app.url, verbose=False)
    crowd = [client.submit(paper="oracle", steps=2, samples=1, api_name="/generate") for _ in range(24)]
    for _ in range(200):
        if all(job.outputs() for job in crowd):
            break
        busy.wait_for_timeout(100)
    ahead = sorted(json.loads(job.outputs()[0])["ahead"] for job in crowd)
    assert ahead == list(range(1, 25))
    expect(new_page(SHORT).locator(PLACE)).to_have_text(re.compile(r"^25 runs are ahead of yours\. Your place in the queue: 26\."))
    for job in crowd:
        job.cancel()


def test_stop_leaves_the_queue_and_generate_joins_it_again(new_page, busy):
    second = new_page(SHORT)
    place = second.locator(PLACE)
    expect(place).to_have_text(TOLD)
    press(second, "#stop")
    expect(place).to_have_count(0)
    second.evaluate("for (let time = 0; time < 3; time++) document.getElementById('generate').click()")
    expect(place).to_have_text(TOLD)                                    # nobody else is in the line: it left, and joined once
    press(second, ".tdl-example")                                       # a page waits for its newest order
    second.wait_for_timeout(2500)
    expect(place).to_have_text(TOLD)
    end(busy)
    state(second, "Done")
    assert second.evaluate("document.querySelector('#player .tdl').tracePlayer.run.seeds") == [3, 4, 5, 6]


@pytest.mark.parametrize(("tab", "go", "stop", "place"), [
    ("Compare papers", "#compare-go", "#compare-stop", "#compare-place .tdl-place"),
    ("Compare samplers", "#grid-go", "#grid-stop", "#grid-place .tdl-place"),
    ("Trajectory", ".tdl-compare", ".tdl-compare", ".tdl-board .tdl-place:not([hidden])")])
def test_the_other_tabs_tell_the_place_too_and_can_leave(new_page, busy, screenshot, tab, go, stop, place):
    second = new_page()
    state(second, "Stored run")
    second.get_by_role("tab", name=tab).click()
    expect(second.locator(go)).to_be_visible()
    press(second, go)
    expect(second.locator(place)).to_have_text(TOLD)
    screenshot(second, f"queue-{tab}")
    press(second, stop)
    expect(second.locator(place)).to_have_count(0)
    second.wait_for_timeout(2500)                                       # no late news brings it back
    expect(second.locator(place)).to_have_count(0)
    press(second, go)
    expect(second.locator(place)).to_have_text(TOLD)
    end(busy)
    expect(second.locator(place)).to_have_count(0)
