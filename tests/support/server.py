"""Starts the app in a process of its own, as a user would, and watches what it does."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

GUARD = Path(__file__).resolve().parent / "guard"
# What conftest.py sets for the tests' own process. The app must stay silent without it, as on a user's machine.
NOT_PASSED_ON = ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE", "PYTHONPATH")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class App:
    """A running app: its address, what it printed so far, and the foreign hosts that it asked for."""

    url: str
    process: subprocess.Popen[bytes]
    seconds_to_start: float
    output_file: Path
    hosts_file: Path

    def output(self) -> str:
        """Standard output and error together."""
        return self.output_file.read_text(encoding="utf-8", errors="replace")

    def foreign_hosts(self) -> list[str]:
        """One line for every request to another host: its name, and who asked."""
        return self.hosts_file.read_text(encoding="utf-8").splitlines() if self.hosts_file.exists() else []


@contextmanager
def running_app(
    folder: Path, logs: Path, hidden: Iterable[str] = (), wait: float = 90.0, settings: dict[str, str] | None = None
) -> Iterator[App]:
    """Runs `python app.py` in `folder` until the block ends; then the process is gone.

    Args:
        folder: where app.py lies.
        logs: an existing folder for the output and the list of foreign hosts.
        hidden: top-level modules that the app must not find, as if they were not installed.
        wait: seconds until the page has to answer.
        settings: further environment variables.
    """
    port = free_port()
    output, hosts = logs / "app-output.txt", logs / "foreign-hosts.txt"
    environment = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON} | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GUARD_HOSTS_LOG": str(hosts),
        "GUARD_BLOCKED_IMPORTS": ",".join(sorted(hidden)),
        "PYTHONPATH": str(GUARD),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **(settings or {}),
    }
    start = time.monotonic()
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}/"
        wait_for_page(url, process, output, start + wait)
        yield App(url, process, time.monotonic() - start, output, hosts)
    finally:
        stop(process)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def status(url: str) -> int | None:
    """The HTTP status of a page; None while nobody answers."""
    try:
        with DIRECT.open(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def wait_for_page(url: str, process: subprocess.Popen[bytes], output: Path, deadline: float) -> None:
    """Returns when the page answers 200; fails with the app's output when it ends before, or takes too long."""
    while status(url) != 200:
        ended = process.poll()
        if ended is None and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        tail = output.read_text(encoding="utf-8", errors="replace")[-4000:]
        why = "did not answer in time" if ended is None else f"ended with code {ended}"
        raise AssertionError(f"python app.py {why}; it printed:\n{tail}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all it started: politely first, then at once."""
    for sign, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, sign)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
