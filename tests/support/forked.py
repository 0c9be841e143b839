"""A stand-in for `spaces.GPU`: a generator function runs in a forked process, and all that crosses is pickled."""

import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from typing import Any


class ForkedGpu:
    """The decorator. `asked` holds the seconds that were asked for, `sent` the sizes of the pickled yields, in bytes."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.sent: list[int] = []

    def __call__(self, duration: Callable[..., int]) -> Callable[[Callable[..., Iterator[Any]]], Callable[..., Iterator[Any]]]:
        def decorate(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
            def call(*arguments: Any) -> Iterator[Any]:
                self.asked.append(duration(*arguments))
                yield from self._received(function, pickle.dumps(arguments))

            return call

        return decorate

    def _received(self, function: Callable[..., Iterator[Any]], arguments: bytes) -> Iterator[Any]:
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(function, arguments, there), daemon=True)
        process.start()
        there.close()
        try:
            while (packed := here.recv_bytes()) != b"":
                self.sent.append(len(packed))
                yield pickle.loads(packed)                      # noqa: S301  (written by our own fork)
        finally:
            here.close()
            process.join(10)
            assert process.exitcode == 0, f"the worker ended with {process.exitcode}"


def _work(function: Callable[..., Iterator[Any]], arguments: bytes, there: Any) -> None:
    try:
        for item in function(*pickle.loads(arguments)):  # noqa: S301  (written by the process we are a fork of)
            there.send_bytes(pickle.dumps(item))
        there.send_bytes(b"")
    except BrokenPipeError:                              # whoever listened has gone
        pass
