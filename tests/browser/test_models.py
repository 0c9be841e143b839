"""Papers and models in a real browser: lessons, the forward-noise playground, stored runs, links and citations."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.page import state, texts
from ui.service.links import Link, write
from ui.service.run_spec import Order

expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def app(tiny_app):
    """All tabs, on tiny random models, opening on a stored run of the oracle."""
    return tiny_app


def part(page, title):
    """Opens a part of the tab."""
    page.locator("#models").get_by_role("tab", name=title).click()


@pytest.fixture
def playground(new_page):
    page = new_page("?tab=models")
    part(page, "Forward noise")
    page.wait_for_selector(".tdl-noise-card", timeout=60_000)
    return page


def at(page, place):
    """Drags the slider to a place, 0 to 50, and waits until it is shown."""
    page.locator("#noise .tdl-slider").fill(str(place))
    expect(page.locator("#noise .tdl-clock")).to_have_text(f"t {place / 50:.2f}")


def words(page, title):
    """The words of a paper's card; empty for those that are gone."""
    card = page.locator(".tdl-noise-card", has=page.get_by_role("heading", name=title, exact=True))
    return card.locator(".tdl-chip").all_inner_texts()


def test_a_paper_is_told_with_typeset_equations_and_its_numbers_with_their_commands(new_page, screenshot):
    page = new_page("?tab=models")
    expect(page.locator("#lesson .katex-display")).to_have_count(2)
    expect(page.get_by_role("heading", name="Diffusion-LM")).to_be_visible()
    assert page.locator("#lesson .katex-error").count() == 0
    for title in ("SeqDiffuSeq", "LD4LG", "SEDD", "RDLM", "Autoregressive baseline", "Oracle (exact beliefs)"):
        page.locator("#which-paper").get_by_label(title).check()
        expect(page.locator(".tdl-sheet h2")).to_have_text(title)
        expect(page.locator("#lesson .katex-display")).to_have_count(2)
        assert page.locator("#lesson .katex-error").count() == 0
    screenshot(page, "models-papers")
    part(page, "Judges and controllers")
    expect(page.get_by_text("training evaluate matcher").first).to_be_visible()


def test_the_playground_drags_through_time_without_a_request(playground, page_log):
    page = playground
    own = words(page, "SEDD") if at(page, 0) is None else []
    assert own[-1] == "END" and "" not in own and words(page, "Diffusion-LM") == own == words(page, "RDLM")
    before = len(page_log.asked)
    page.evaluate("""async () => {
      const slider = document.querySelector('#noise .tdl-slider');
      for (let place = 0; place <= 50; place++) {
        slider.value = place; slider.dispatchEvent(new Event('input'));
        await new Promise(requestAnimationFrame);
      }
    }""")
    assert set(words(page, "SEDD")) == {""}
    expect(page.locator(".tdl-noise-plot text").nth(2)).to_have_text("100 %")
    expect(page.locator(".tdl-noise-keys").first).to_contain_text("signal left 0 %")
    assert len(page_log.asked) == before
    at(page, 25)
    chip = page.locator(".tdl-noise-card .tdl-chip").first
    chip.hover()
    assert re.search(r"stood here; (nothing|most probable)", chip.get_attribute("title"))


def test_a_sentence_of_one_s_own_is_shown_and_mistakes_are_said(playground):
    page = playground
    page.get_by_label("Sentence").fill("the Soup is <b>")
    page.get_by_role("button", name="Put noise on it").click()
    alert = page.locator("#noise .tdl-alert")
    expect(alert).to_contain_text("'Soup' by 'soup'")
    assert page.locator("#noise b").count() == 0
    page.get_by_label("Sentence").fill("")
    page.get_by_role("button", name="Put noise on it").click()
    expect(alert).to_contain_text("There is no sentence")
    page.get_by_label("Sentence").fill("tea " * 40)
    page.get_by_role("button", name="Put noise on it").click()
    expect(alert).to_contain_text("40 words")
    page.get_by_label("Sentence").fill("the tea is hot .")
    page.get_by_role("button", name="Put noise on it").click()
    expect(alert).to_be_hidden()
    at(page, 0)
    assert words(page, "SEDD") == ["the", "tea", "is", "hot", ".", "END"]


def test_a_stored_run_plays_from_its_link_before_a_model_is_loaded(new_page):
    page = new_page("?tab=models")
    part(page, "Stored runs")
    page.get_by_role("link", name="Play this run").first.click()
    state(page, "Stored run")
    assert page.url.endswith("?trace=opening") and len(texts(page)) == 2


def test_a_run_is_cited_with_this_page_s_address(new_page, app_url, browser_context):
    browser_context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = new_page(write(Link(Order(paper="oracle", steps=12, samples=1, seed=5))))
    state(page, "Done")
    page.locator("#player").get_by_role("button", name="Cite").click()
    told = page.locator(".tdl-cite-text")
    expect(told).to_contain_text(f"{app_url}?paper=oracle")
    page.locator(".tdl-cite").get_by_role("button", name="BibTeX").click()
    expect(told).to_contain_text("@misc{tdl-oracle")
    page.locator(".tdl-cite").get_by_role("button", name="Copy").click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text.startsWith('@misc'))")
    link = re.search(r"\\url\{([^}]*)\}", page.evaluate("navigator.clipboard.readText()"))[1]
    first = texts(page)
    page.goto(link)
    state(page, "Done")
    assert texts(page) == first


@pytest.mark.parametrize(("query", "named"), [("?stepz=3", "'steps'"), ("?tab=none", "'models'"), ("?trace=none", "'opening'")])
def test_a_link_with_an_unknown_key_or_name_is_one_sentence(new_page, query, named):
    page = new_page(query)
    expect(page.locator("#player .tdl-alert")).to_contain_text(named)
    state(page, "Stored run")


def test_a_link_of_another_speed_path_says_so_and_offers_the_reference(new_page):
    page = new_page(write(Link(Order(paper="sedd", steps=6, samples=1, compute="bf16"))))
    expect(page.locator("#notice")).to_contain_text("speed path bf16; the one in use here is fp32")
    state(page, "Done")
    assert "path bf16 cpu" in page.inner_text(".tdl-line")
    page.get_by_role("link", name="Run it on fp32").click()
    state(page, "Done")
    page.wait_for_function("document.querySelector('.tdl-line').textContent.includes('path fp32 cpu')")
    expect(page.locator("#notice")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_tab_fits_a_phone(new_page, screenshot, scheme):
    page = new_page("?tab=models")
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#lesson .katex-display").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    part(page, "Forward noise")
    page.wait_for_selector(".tdl-noise-card", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, f"models-noise-phone-{scheme}")
