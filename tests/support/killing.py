"""Trains in processes that are killed, and prints whether they end as a run that was left alone.

    python -m tests.support.killing FOLDER

Every process is a fork of this one, so that torch is imported once. It prints one JSON object.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # which the first optimiser would import, in every process again

from tests.support.tiny_training import tiny, tiny_corpus
from training import progress, state
from training.loop import Options, train

STEPS, SAVE_EVERY, LOOK_EVERY = 12, 2, 7


def nothing() -> None:
    """Leaves a process alone."""


def process(folder: Path, prepare: Callable[[], None] = nothing, seconds: float | None = None,
            look_every: int = LOOK_EVERY) -> bool:  # fmt: skip
    """Trains in a fork, `prepare`d, killed after some seconds if it still runs; whether it came to its end."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115
            prepare()
            options = Options(folder, resume=True, save_every=SAVE_EVERY, look_every=look_every)
            train(tiny(steps=STEPS), tiny_corpus(), options)
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if status != 0:
        sys.exit(f"a process ended with status {status}")
    return True


def killed_at(point: int) -> Callable[[], None]:
    """Prepares a process to kill itself at the given of the moments around the file operations of `state.write`."""
    passed = 0

    def moment() -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            moment()
            result = call(*args, **kwargs)
            moment()
            return result
        return called

    def prepare() -> None:
        state.save_file, state._sync = around(state.save_file), around(state._sync)
        Path.rename, shutil.rmtree = around(Path.rename), around(shutil.rmtree)

    return prepare


def same(one: Path, other: Path) -> bool:
    """Whether the last states of two runs are equal in every bit."""
    (ours, info), (theirs, their_info) = state.read(one), state.read(other)
    equal = ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    return equal and info["step"] == their_info["step"] == STEPS


def main(folder: Path) -> dict[str, Any]:
    """Kills at every moment of a save, and at random moments, and compares the ends."""
    alone, points, moments = folder / "alone", folder / "points", folder / "moments"
    process(alone, look_every=0)
    kills_at_points = sum(not process(points, killed_at(point)) for point in range(1, 18))
    process(points)
    rng, began = random.Random(3), time.monotonic()
    process(folder / "timed")
    whole = time.monotonic() - began
    kills_at_moments = sum(not process(moments, seconds=rng.uniform(0.1, 0.7) * whole) for _ in range(4))
    process(moments)
    lines = (points / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return {"kills_at_points": kills_at_points, "kills_at_moments": kills_at_moments,
            "same_after_points": same(alone, points), "same_after_moments": same(alone, moments),
            "steps_in_metrics": [json.loads(line)["step"] for line in lines],
            "left_behind": sorted(path.name for path in points.iterdir())}  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    progress._board = lambda folder, step: None  # TensorBoard would slow every process down
    json.dump(main(Path(sys.argv[1])), sys.stdout)
