"""Settings and fixtures of all tests.

Browser tests are those that use the fixture `chromium_path`, directly or through others; they get the marker `browser`
by themselves. Where there is no Chromium they are left out and the run's last line says so; in CI (CI=true) they fail.
"""

import os
import shutil

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")    # one core for each worker

import hypothesis
import pytest

hypothesis.settings.register_profile("lab", deadline=None, derandomize=True)  # the same examples in every run
hypothesis.settings.load_profile("lab")

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_GET_CHROMIUM = "apt-get install chromium, or CHROMIUM=/path/to/chromium make test"
NO_CHROMIUM = "no Chromium found"


def find_chromium() -> str | None:
    """The program that CHROMIUM names, else the first Chromium on the path."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


def in_ci() -> bool:
    """Whether this run must not leave anything out."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks browser tests by what they use, before `-m` looks at the markers."""
    if "chromium_path" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.browser)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves browser tests out where no Chromium is found; in CI they stay, and fail."""
    if find_chromium() or in_ci():
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason=NO_CHROMIUM))


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the run with what was left out, and how to get it: the last line that is printed."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if number := sum(NO_CHROMIUM in str(report.longrepr) for report in skipped):
        tests = "1 browser test" if number == 1 else f"{number} browser tests"
        reporter.write_line(f"Left out: {tests}, for want of a Chromium ({HOW_TO_GET_CHROMIUM}).", yellow=True)


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The Chromium that browser tests drive. Using this fixture, or one built on it, makes a test a browser test."""
    path, named = find_chromium(), os.environ.get("CHROMIUM")
    if path is None:
        pytest.fail(f"{NO_CHROMIUM}{f' (CHROMIUM={named} is no program)' if named else ''}: {HOW_TO_GET_CHROMIUM}")
    return path
