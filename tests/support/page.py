"""What browser tests do with a page of the lab, and the stored run that the tiny lab opens on."""

from playwright.sync_api import Page, expect

from ui.service.run_spec import Order

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


FAINT = """([within, least]) => {
  const channels = colour => (colour.match(/[\\d.]+/g) ?? []).map(Number), clear = colour => (channels(colour)[3] ?? 1) < 0.5;
  const linear = part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = channels(colour).map(part => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = node => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!clear(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const unseen = "svg, noscript, script, style, option, :disabled";
  const seen = node => node.checkVisibility({visibilityProperty: true}) && !node.closest(unseen);
  const writes = node => [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
  return [...document.querySelectorAll(`${within} *`)].filter(node => writes(node) && seen(node)).flatMap(node => {
    const text = getComputedStyle(node).color, under = ground(node);
    const [dim, bright] = [light(text), light(under)].sort((one, other) => one - other), contrast = (bright + 0.05) / (dim + 0.05);
    return contrast < least ? [`${node.textContent.trim().slice(0, 40)}: ${text} on ${under}, ${contrast.toFixed(1)} to 1`] : [];
  });
}"""


def faint(page: Page, within: str = "body", least: float = 4.5) -> list[str]:
    """The texts that can be seen with less contrast than WCAG asks of small text, as `text: colours, contrast`."""
    return page.evaluate(FAINT, [within, least])


def dark_page(page: Page) -> Page:
    """The same page on the screen of a reader who prefers dark, once its colours have turned."""
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("getComputedStyle(document.body).backgroundColor === 'rgb(20, 21, 21)'")
    return page
