"""Fixtures for tests that open the app in a real Chromium.

A test asks for `browser_page` (a Playwright page, already showing the app) and drives it:

    def test_the_app_opens(browser_page):
        expect(browser_page.get_by_role("button", name="Generate")).to_be_visible()

Three things are checked without a test's doing: the page asked no host but its own, the page logged no error, and the
server looked up no foreign host (checked once, when the app ends). Related fixtures: `app_url` (the address), `app`
(process and output), `page_log` (what the page asked for and complained about), `screenshot` (saves a picture),
`new_page` (further pages, for shared links).
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, sync_playwright

from diffusion import PAPERS
from tests.support.page import STORED
from tests.support.server import App, running_app
from tests.tiny import tiny_model
from ui.service import noise
from ui.service.studio import Studio

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
LOCAL_SCHEMES = {"data", "blob", "about"}
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
CHROMIUM_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
TINY_APP = """
import os, sys
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
sys.path.insert(0, {root!r})
from pathlib import Path
import gradio as gr
from ui.components import theme
from ui.components.page import Page
from ui.service.studio import Studio
from ui.tabs import registry
here = Path(__file__).parent
with gr.Blocks(title="Text Diffusion Lab", analytics_enabled=False) as demo:
    registry.build(Page(Studio(device="cpu", compute="fp32", checkpoints=here / "checkpoints"), here / "opening.json"))
demo.queue().launch(ssr_mode=False, **theme.launch_options())
"""
failed = pytest.StashKey[bool]()


@dataclass
class PageLog:
    """What the pages of one test asked for, and what they complained about.

    `requests` has every URL, `foreign` those that are not this machine's, `errors` the console's errors and the
    uncaught exceptions. The test fails when `foreign` or `errors` is not empty at its end; a test that provokes an
    error on purpose asserts it and then calls `errors.clear()`.
    """

    requests: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """The requests but for that of the drawing code, which a page makes once, ahead, whatever is done in it meanwhile."""
        return [url for url in self.requests if "plotly" not in url]

    def watch(self, context: BrowserContext) -> None:
        """Listens to all pages of this context, and to the sockets that they open."""
        context.on("request", lambda request: self.add_request(request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: self.add_request(socket.url)))
        context.on("console", self.add_message)
        context.on("weberror", lambda error: self.errors.append(f"uncaught: {error.error}"))

    def add_request(self, url: str) -> None:
        """Keeps the URL, twice if it is foreign."""
        self.requests.append(url)
        if not is_local(url):
            self.foreign.append(url)

    def add_message(self, message: ConsoleMessage) -> None:
        """Keeps the console's errors; warnings and notes pass."""
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")


def is_local(url: str) -> bool:
    """A URL that leaves nobody's machine."""
    parts = urlsplit(url)
    return parts.scheme in LOCAL_SCHEMES or parts.hostname in LOCAL_HOSTS


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Remembers a failed test, so that its page is photographed before it closes."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[failed] = True
    return report


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator[Playwright]:
    """Playwright itself, once a run."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright_driver: Playwright, chromium_path: str) -> Iterator[Browser]:
    """One headless Chromium for the whole run; each test gets a context of its own in it."""
    browser = playwright_driver.chromium.launch(executable_path=chromium_path, args=list(CHROMIUM_ARGUMENTS))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[App]:
    """`python app.py` on a free port, for the whole run; at its end it still runs, and has asked no foreign host."""
    with running_app(ROOT, tmp_path_factory.mktemp("app")) as app:
        yield app
        alive = app.process.poll() is None
    assert alive, f"the app ended during the tests:\n{app.output()[-4000:]}"
    assert not app.foreign_hosts(), "the server asked for foreign hosts:\n" + "\n".join(app.foreign_hosts())


@pytest.fixture(scope="session")
def tiny_app(tmp_path_factory: pytest.TempPathFactory, chromium_path: str) -> Iterator[App]:
    """The tabs, on a tiny random model of every paper, opening on a stored run of the oracle."""
    folder = tmp_path_factory.mktemp("lab")
    for slug in (slug for slug, kind in PAPERS.items() if not kind.weightless):
        tiny_model(slug).save_pretrained(folder / "checkpoints" / slug)
    studio = Studio(device="cpu", compute="fp32")
    trace = studio.start(STORED).run()
    studio.results(trace)
    trace.save(folder / "opening.json")
    example = noise.shown(Studio(device="cpu", compute="fp32", checkpoints=folder / "checkpoints"), "the soup is hot .")
    (folder / "noise.json").write_text(json.dumps(example), encoding="utf-8")
    (folder / "app.py").write_text(TINY_APP.format(root=str(ROOT)), encoding="utf-8")
    with running_app(folder, folder, settings={"OMP_NUM_THREADS": "1"}) as app:
        yield app
    assert not app.foreign_hosts(), "the server asked for foreign hosts:\n" + "\n".join(app.foreign_hosts())


@pytest.fixture(scope="module")
def app_url(app: App) -> str:
    """The running app's address, ending in a slash."""
    return app.url


@pytest.fixture
def page_log() -> Iterator[PageLog]:
    """What this test's pages asked for; fails the test when that was foreign, or when a page logged an error."""
    log = PageLog()
    yield log
    assert not log.foreign, "the page asked for foreign hosts:\n" + "\n".join(log.foreign)
    assert not log.errors, "the page logged errors:\n" + "\n".join(log.errors)


@pytest.fixture
def browser_context(
    browser: Browser, page_log: PageLog, request: pytest.FixtureRequest, screenshot: Callable[[Page, str], Path]
) -> Iterator[BrowserContext]:
    """A fresh profile of 1280 × 900 pixels, watched by `page_log`; photographs its pages when the test fails."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(20_000)
    page_log.watch(context)
    yield context
    if request.node.stash.get(failed, False):
        for number, page in enumerate(context.pages):
            screenshot(page, f"failed-{request.node.name}-{number}")
    context.close()


@pytest.fixture
def new_page(browser_context: BrowserContext, app_url: str) -> Callable[[str], Page]:
    """Opens a further page of the app: `new_page("?run=...")` takes a path, a query or a whole URL."""

    def open_page(address: str = "") -> Page:
        page = browser_context.new_page()
        page.goto(address if "://" in address else app_url + address.lstrip("/"))
        page.wait_for_selector("gradio-app .gradio-container, .gradio-container")
        return page

    return open_page


@pytest.fixture
def browser_page(new_page: Callable[[str], Page]) -> Page:
    """A page that shows the app, mounted and ready to be clicked."""
    return new_page("")


@pytest.fixture(scope="session")
def screenshot() -> Callable[[Page, str], Path]:
    """Saves a picture of the whole page as build/screenshots/NAME.png, and returns its path."""

    def save(page: Page, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:100]}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return save
