"""What the studio keeps: models by last use, traces by age. Both are bounded and may be used by several threads."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ui.service.run_spec import DEVICES, mistake

if TYPE_CHECKING:
    from diffusion import DiffusionModel, Trace
    from diffusion.core.types import Step

MEGABYTE = 2**20


@dataclass(frozen=True)
class Loaded:
    """A model ready to sample, the name of the speed path it runs on, and whose turn it is to use it."""

    model: DiffusionModel
    path: str
    turn: threading.Lock = field(default_factory=threading.Lock)


def device_of(wanted: str) -> str:
    """The device to use; "auto" takes a GPU where there is one.

    Raises:
        StudioError: the device is unknown, or this machine does not have it.
    """
    import torch

    from diffusion.core.errors import known_or_raise

    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if known_or_raise("device", wanted, DEVICES) == "auto":
        return next(name for name, present in here.items() if present)
    if not here[wanted]:
        raise mistake(f"This machine has no device '{wanted}' that torch can use. Choose cpu or auto.")
    return wanted


class ModelStore:
    """Models by key, loaded when first asked for; the one not used for longest goes when there are too many."""

    def __init__(self, load: Callable[..., Loaded], most: int) -> None:
        self._load, self._most = load, most
        self._kept: OrderedDict[tuple[str, ...], Loaded] = OrderedDict()
        self._table, self._loading = threading.Lock(), threading.Lock()

    def __contains__(self, key: tuple[str, ...]) -> bool:
        with self._table:
            return key in self._kept

    def peek(self, key: tuple[str, ...]) -> Loaded | None:
        """The model of a key if it is here; this does not count as a use."""
        with self._table:
            return self._kept.get(key)

    def get(self, key: tuple[str, ...]) -> Loaded:
        """The model of a key; one thread loads it, others wait for it."""
        with self._loading:
            with self._table:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    return self._kept[key]
            loaded = self._load(*key)
            with self._table:
                self._kept[key] = loaded
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
            return loaded


class TraceStore:
    """The newest traces, under ids that cannot be guessed, so that one visitor never sees another's.

    Args:
        most: traces kept.
        megabytes: kept together; the newest trace stays however large it is.
    """

    def __init__(self, most: int = 64, megabytes: int = 256) -> None:
        self._most, self._bytes = most, megabytes * MEGABYTE
        self._kept: OrderedDict[str, Trace] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, trace: Trace) -> str:
        """Keeps a trace and returns its id; the oldest go when there are too many."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._kept[key] = trace
            while len(self._kept) > self._most or (len(self._kept) > 1 and self._size() > self._bytes):
                self._kept.popitem(last=False)
        return key

    def get(self, key: str) -> Trace:
        """The trace of an id.

        Raises:
            StudioError: there is none, or it is no longer kept.
        """
        with self._lock:
            trace = self._kept.get(key)
        if trace is None:
            raise mistake("This run is no longer kept. Run it again: the same order gives the same text.")
        return trace

    def _size(self) -> int:
        return sum(trace_bytes(trace) for trace in self._kept.values())


def trace_bytes(trace: Trace) -> int:
    """What the frames of a trace take in memory; all its frames are of one size."""
    if not trace.frames:
        return 0
    frame = trace.frames[0]
    arrays = (frame.ids, frame.top_ids, frame.top_probs, frame.entropy, frame.pressure)
    return len(trace.frames) * sum(array.nbytes for array in arrays)


class Running:
    """The steps of a run that any thread may end, also while another waits for the next step.

    A generator cannot be closed while it is executing. So `close` only leaves word then, and the thread that is inside
    closes the generator as soon as its step is done.

    `seconds` of its steps count its own work alone: not the turns of other runs, nor what was done with its frames between.
    """

    def __init__(self, steps: Iterator[Step], turn: threading.Lock) -> None:
        self._steps: Any = steps
        self._seconds = 0.0
        self._turn, self._inside, self._ended = turn, threading.Lock(), threading.Event()

    def __iter__(self) -> Running:
        return self

    def __next__(self) -> Step:
        with self._inside:
            if not self._ended.is_set():
                with self._turn:
                    began = time.perf_counter()
                    step = next(self._steps)
                    self._seconds += time.perf_counter() - began
                if not self._ended.is_set():
                    return replace(step, seconds=self._seconds)
            self._steps.close()
            raise StopIteration

    def close(self) -> None:
        """Ends the run: at once, or after the step that is being computed now."""
        self._ended.set()
        if self._inside.acquire(blocking=False):
            try:
                self._steps.close()
            finally:
                self._inside.release()
