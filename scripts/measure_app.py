"""Measures how fast the lab is in a real browser, and prints it beside what it has to reach.

Run by hand on a quiet machine; it needs Playwright and a Chromium, and starts `python app.py` itself:

    python scripts/measure_app.py --json FILE

What is not there to be measured (a tab, a paper's checkpoint) is named as missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from diffusion import Trace  # noqa: E402  (the project is not installed)
from tests.conftest import find_chromium  # noqa: E402
from tests.support.server import running_app  # noqa: E402
from ui.service.store import trace_bytes  # noqa: E402

PATIENCE = 300_000               # milliseconds that anything may take
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
LANES = "document.querySelector('#lanes .tdl')?.lanes"
WATCH_LANES = """() => { const lanes = document.querySelector('#lanes .tdl').lanes;
  const show = lanes.constructor.prototype.show.bind(lanes);         // not an earlier watcher, which has another start
  window.marks = {}; const began = performance.now(), mark = name => { window.marks[name] ??= (performance.now() - began) / 1000; };
  lanes.show = async message => { await show(message); mark(message.kind); };
  document.querySelector('#compare-go').click(); }"""
SCRUB = """async () => { const player = document.querySelector('#player .tdl').tracePlayer, count = player.run.count;
  const began = performance.now();
  for (let frame = 0; frame < count; frame++) { player.seek(frame); await new Promise(requestAnimationFrame); }
  return [count, 1000 * count / (performance.now() - began)]; }"""

WATCH_MAP = """() => { window.drawn = 0;
  document.addEventListener('pointerdown', () => { window.pressed = performance.now(); }, {capture: true, once: true});
  document.querySelector('#space-map .tdl-figure').addEventListener('figure-drawn', () => { window.drawn = performance.now(); },
                                                                     {once: true}); }"""


@dataclass(frozen=True)
class Figure:
    """One line of the report. `value` is None where there was nothing to measure, and `note` says what was missing.

    Attributes:
        most, least: the bar that the value has to keep, where there is one.
    """

    what: str
    value: float | None
    unit: str
    most: float | None = None
    least: float | None = None
    note: str = ""

    def line(self) -> str:
        """The figure for people."""
        if self.value is None:
            return f"{self.what:64} missing: {self.note}"
        bar = f"under {self.most:g}" if self.most is not None else f"above {self.least:g}" if self.least is not None else "no bar"
        kept = (self.most is None or self.value < self.most) and (self.least is None or self.value > self.least)
        return f"{self.what:64} {self.value:9.2f} {self.unit:10} {bar:10} {'' if kept else 'NOT REACHED'} {self.note}"


def missing(what: str, why: str) -> Figure:
    """A figure that could not be measured."""
    return Figure(what, None, "", note=why)


def opened(browser: Browser, url: str, ready: str) -> tuple[Page, float]:
    """A fresh visitor's page, and the seconds until a selector is visible on it."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(PATIENCE)
    began = time.perf_counter()
    page.goto(url)
    page.wait_for_selector(ready)
    return page, time.perf_counter() - began


def opening(browser: Browser, url: str) -> list[Figure]:
    """Until the stored run can be read: the first visitor after the start, and the next one."""
    found = []
    for what in ("first visitor", "next visitor"):
        page, seconds = opened(browser, url, "#player .tdl-chip")
        found.append(Figure(f"page usable, stored run visible ({what})", seconds, "s", most=2))
        page.context.close()
    return found


def trace(browser: Browser, url: str) -> list[Figure]:
    """Scrubbing through 200 steps, and what such a run takes in memory and on disk."""
    page, _ = opened(browser, f"{url}?paper=diffusion-lm&samples=4&steps=200&seed=1", "#player .tdl-chip")
    page.wait_for_function("document.querySelector('#player .tdl-badge')?.textContent === 'Done'")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    asked.clear()
    count, rate = page.evaluate(SCRUB)
    kept = page.evaluate("JSON.stringify(document.querySelector('#player .tdl').tracePlayer.message.trace)")
    page.context.close()
    size = trace_bytes(Trace.from_dict(json.loads(kept))) / 1e6
    name = f"4 texts x {count} steps"
    return [Figure(f"scrubbing, {name}", rate, "frames/s", least=30), Figure("requests while scrubbing", len(asked), "", most=1),
            Figure(f"trace in memory, {name}", size, "MB", most=3),
            Figure(f"trace on disk, {name}", len(kept.encode()) / 1e6, "MB", most=1)]


def papers(browser: Browser, url: str) -> list[Figure]:
    """Compare papers, as the tab opens: first with models to be loaded, then with loaded ones."""
    page, _ = opened(browser, f"{url}?tab=compare", "#compare-go")
    found = []
    for state in ("cold", "loaded"):
        page.evaluate(WATCH_LANES)
        page.wait_for_function("window.marks.done || window.marks.error")
        marks, told = page.evaluate(f"[window.marks, {LANES}?.told ?? []]")
        ran = sum(not lane["why"] for lane in told)
        name, bars = f"compare {ran} papers, 2 x 32 steps, {state}", ((1.5, 8.0) if state == "loaded" else (None, None))
        for what, mark, most in (("first words of all", "live", bars[0]), ("all done", "done", bars[1])):
            found.append(Figure(f"{name}: {what}", marks[mark], "s", most=most) if mark in marks
                         else missing(f"{name}: {what}", "the lanes never came so far"))
        page.wait_for_timeout(1000)                      # Gradio takes the next click once the finished event is closed
    page.context.close()
    return found


def samplers(browser: Browser, url: str) -> list[Figure]:
    """The grid of samplers: three of them at four numbers of steps."""
    page, _ = opened(browser, f"{url}?tab=samplers", "#grid-go")
    began = time.perf_counter()
    page.click("#grid-go")
    page.wait_for_selector("#grid-table tbody tr:not(.tdl-waiting)")
    first = time.perf_counter() - began
    page.wait_for_function("/^(\\d+) of \\1 cells/.test(document.querySelector('#grid-table .tdl-status')?.textContent)")
    last, cells = time.perf_counter() - began, page.locator("#grid-table tbody tr").count()
    page.context.close()
    return [Figure(f"grid of {cells} cells, 2 samples: first cell", first, "s"),
            Figure(f"grid of {cells} cells, 2 samples: all cells", last, "s", most=30)]


def embedding(browser: Browser, url: str) -> list[Figure]:
    """The map of the word embeddings when its tab is opened, and each switch to another stored map."""
    found = []
    for when, pause in (("as soon as the page is there", 0), ("of a page that has been read", 4000)):
        page, _ = opened(browser, url, "#player .tdl-chip")
        page.wait_for_timeout(pause)
        began = time.perf_counter()
        page.get_by_role("tab", name="Embedding space").click()
        page.wait_for_selector("#space-map .tdl-sketch, #space-map .main-svg")
        found.append(Figure(f"embedding map first shown, {when}", time.perf_counter() - began, "s", most=1))
        page.wait_for_selector("#space-map .main-svg")
        found.append(Figure(f"embedding map answers, {when}", time.perf_counter() - began, "s"))
        if pause:
            found += [switched(page, view) for view in ("UMAP, 2-D", "t-SNE, 2-D", "PCA, 2-D")]
        page.context.close()
    return found


def switched(page: Page, view: str) -> Figure:
    """From the press on an entry of the menu of views to its drawn map."""
    page.locator("#space-view input").click()
    page.evaluate(WATCH_MAP)
    page.get_by_role("option", name=view, exact=True).click()
    page.wait_for_function("window.drawn")
    return Figure(f"switch to {view}", page.evaluate("(window.drawn - window.pressed) / 1000"), "s", most=0.5)


PARTS: dict[str, Callable[[Browser, str], list[Figure]]] = {
    part.__name__: part for part in (opening, trace, papers, samplers, embedding)}


def measured(names: list[str]) -> tuple[float, list[Figure]]:
    """Seconds until the server answered, and all figures; a part that fails is reported as missing."""
    with tempfile.TemporaryDirectory() as logs, running_app(ROOT, Path(logs)) as app, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        figures: list[Figure] = []
        for name in names:
            try:
                figures += PARTS[name](browser, app.url)
            except BrowserError as error:
                figures.append(missing(name, str(error).splitlines()[0]))
            print(f"measured: {name}", file=sys.stderr)
        browser.close()
        return app.seconds_to_start, figures


def main() -> int:
    """Prints the report, and keeps it as JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures in this file")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts alone (default: all)")
    options = parser.parse_args()
    start, figures = measured(options.only)
    report: dict[str, Any] = {"server start s": round(start, 2), "cores": os.cpu_count(), "load": os.getloadavg()[0],
                              "figures": [asdict(figure) for figure in figures]}
    print(f"The server answered after {start:.1f} s; {os.cpu_count()} cores, load {report['load']:.1f}.")
    print(*(figure.line() for figure in figures), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
