"""The lab as it ships: `python app.py` with its own checkpoints and its stored run."""

import re

from playwright.sync_api import expect

from tests.support.page import dark_page, faint, state

TABS = ("Generate", "Trajectory", "Embedding space", "Compare samplers", "Compare papers", "Papers and models")


def test_the_lab_opens_on_its_stored_run_and_its_own_model_writes(browser_page):
    badge = browser_page.locator(".tdl-badge")
    expect(badge).to_have_text("Stored run", timeout=30_000)
    expect(browser_page.locator(".tdl-line")).to_contain_text("Diffusion-LM")
    browser_page.get_by_role("button", name="Generate").click()
    expect(badge).to_have_text("Done", timeout=90_000)
    expect(browser_page.locator(".tdl-line")).to_contain_text(re.compile("checkpoint [0-9a-f]{12}"))
    assert len(browser_page.locator(".tdl-words").first.inner_text().split()) > 4


def test_every_tab_shows_something_true_at_once_and_reads_well_in_both_themes(browser_page):
    page = browser_page
    state(page, "Stored run")
    tab = lambda title: page.get_by_role("tab", name=title, exact=True)  # noqa: E731
    tab("Compare papers").click()
    expect(page.locator("#lanes .tdl-badge")).to_have_text("Stored runs", timeout=40_000)
    assert [bool(words) for words in page.locator("#lanes .tdl-lane-words").all_inner_texts()] == [True] * 6
    tab("Compare samplers").click()
    expect(page.locator("#grid-known circle").first).to_be_visible()
    for scheme in ("light", "dark"):
        if scheme == "dark":
            dark_page(page)
        for title in TABS:
            tab(title).click()
            page.wait_for_timeout(300)
            assert not faint(page), f"{title}, {scheme}"
