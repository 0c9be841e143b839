"""What browser tests do with a page of the lab, and the stored run that the tiny lab opens on."""

from playwright.sync_api import Page, expect

from ui.order import Order

STORED = Order(paper="oracle", samples=2, steps=24, seed=3, controls=("length=6-9",))


def state(page: Page, *names: str) -> None:
    """Waits until the player shows one of these states."""
    page.wait_for_function("names => names.includes(document.querySelector('.tdl-badge')?.textContent)", arg=list(names),
                           timeout=60_000)


def texts(page: Page) -> list[list[str]]:
    """The words that can be seen, a list for each text."""
    return page.eval_on_selector_all(
        ".tdl-words", "rows => rows.map(row => [...row.querySelectorAll('.tdl-chip:not([hidden])')].map(chip => chip.textContent))")


def choose(page: Page, menu: str, title: str) -> None:
    """Chooses an entry of a menu by its title."""
    page.locator(f"#{menu} input").first.click()
    page.get_by_role("option", name=title, exact=True).click()
    expect(page.get_by_test_id("dropdown-option")).to_have_count(0)


def choices(page: Page, menu: str) -> list[str]:
    """The titles that a menu offers."""
    page.locator(f"#{menu} input").first.click()
    found = page.get_by_test_id("dropdown-option")
    expect(found.first).to_be_visible()
    titles = [title.replace("✓", "").strip() for title in found.all_inner_texts()]
    page.locator(f"#{menu} input").first.blur()
    expect(found).to_have_count(0)                       # else the next menu's entries are read from this one
    return titles
