"""The lab as it ships: `python app.py` with its own checkpoints and its stored run."""

import re

from playwright.sync_api import expect


def test_the_lab_opens_on_its_stored_run_and_its_own_model_writes(browser_page):
    badge = browser_page.locator(".tdl-badge")
    expect(badge).to_have_text("Stored run", timeout=30_000)
    expect(browser_page.locator(".tdl-line")).to_contain_text("Diffusion-LM")
    browser_page.get_by_role("button", name="Generate").click()
    expect(badge).to_have_text("Done", timeout=90_000)
    expect(browser_page.locator(".tdl-line")).to_contain_text(re.compile("checkpoint [0-9a-f]{12}"))
    assert len(browser_page.locator(".tdl-words").first.inner_text().split()) > 4
