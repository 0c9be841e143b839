"""ZeroGPU: a run that is sampled in a worker process which has a GPU for a while, where the package `spaces` offers one.

The studio checks an order and reads its results here; only the loop that samples is handed to the worker. Into the worker go
an order and the path of a flag, out of it come frames: both can be pickled, no tensor crosses. The worker is a fork, so it
finds the models that are loaded here. Its memory is its own, therefore Stop is a file: the loop looks for it at every step.
"""

from __future__ import annotations

import math
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ui.service import facts
from ui.service.run_spec import Order
from ui.service.store import Running

if TYPE_CHECKING:
    from diffusion import Trace
    from diffusion.core.trace import Frame

START, LEAST, MOST = 15, 20, 120         # seconds asked for: to start and move a model, and for a whole run at least and most
TEXTS, STEPS = 4, 64                     # of the runs whose seconds are in the result files
Decorator = Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]


def decorator() -> Decorator | None:
    """`spaces.GPU`, which does nothing off ZeroGPU; None where the package is not installed."""
    try:
        import spaces
    except ImportError:
        return None
    return spaces.GPU


def duration(order: dict[str, Any], flag: str = "") -> int:
    """Seconds to ask a GPU for: what the run takes on the processor that its paper was measured on, with time to start.

    A paper that was not measured counts as the slowest that was.
    """
    wanted = Order.from_dict(order)
    measured = {result["paper"]: seconds for result in facts.read(facts.RESULTS)
                if (seconds := facts.first([result], "speed", "seconds", chosen=True)) is not None}
    each = measured.get(wanted.paper, max(measured.values(), default=float(TEXTS)))
    evaluations = 2 if wanted.guidance_scale not in (0, 1) else 1
    share = wanted.samples * wanted.candidates / TEXTS * wanted.steps / STEPS * evaluations
    return min(MOST, max(LEAST, math.ceil(START + each * share)))


class Worker:
    """Runs orders under a decorator like `spaces.GPU`.

    Args:
        begin: starts a run in the process that samples.
        gpu: called with `duration`, it returns what makes a generator function run in the worker.
    """

    def __init__(self, begin: Callable[[Order], Trace], gpu: Decorator) -> None:
        def frames(order: dict[str, Any], flag: str) -> Iterator[Frame]:
            trace, stop = begin(Order.from_dict(order)), Path(flag)
            try:
                for frame in trace:
                    yield frame
                    if stop.exists():
                        return
            finally:
                trace.stop()

        self._frames = gpu(duration=duration)(frames)

    def run(self, order: Order) -> Away:
        """The frames of an order, computed by the worker from the first `next` on."""
        return Away(self._frames, order)


class Away(Running):
    """Frames that come from a worker; any thread may end them."""

    def __init__(self, frames: Callable[[dict[str, Any], str], Iterator[Frame]], order: Order) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="text-diffusion-")         # goes when the run is forgotten
        self._flag = Path(self._folder.name) / "stop"
        super().__init__(self._relayed(frames, order.to_dict(), str(self._flag)), threading.Lock())

    @staticmethod
    def _relayed(frames: Callable[[dict[str, Any], str], Iterator[Frame]], order: dict[str, Any], flag: str) -> Iterator[Frame]:
        yield from frames(order, flag)

    def close(self) -> None:
        """Leaves word for the worker, which ends after the step that it is computing now."""
        self._flag.touch()
        super().close()
