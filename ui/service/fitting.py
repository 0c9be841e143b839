"""Maps that are not stored with a checkpoint: each is computed once, in the background, and kept in a file for the next start."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from diffusion import maps
from diffusion.maps import Array
from ui.service.run_spec import mistake

FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "text-diffusion-lab" / "maps"
Fit = Callable[[Array, str, Callable[[float], None]], Array]


@dataclass
class Job:
    """A map that is being computed; `share` of its epochs is done, None where its method tells none."""

    share: float | None = None
    points: Array | None = None
    error: str = ""
    began: float = field(default_factory=time.monotonic)

    @property
    def running(self) -> bool:
        """Whether there is neither a map yet nor an error."""
        return self.points is None and not self.error

    def sentence(self, title: str, words: int) -> str:
        """How far it is."""
        told = "" if self.share is None else f" {100 * self.share:.0f} % of the epochs,"
        return (f"Computing {title} of {words} words, once for this checkpoint:{told} {time.monotonic() - self.began:.0f} s "
                f"so far. Meanwhile choose PCA.")


class Fitting:
    """Computes maps, one at a time so that runs keep their cores. May be used by several threads.

    Args:
        folder: where maps are kept; where nothing can be written they are kept in memory alone.
        fit: computes a map from vectors and its name, as `diffusion.maps.fit` does.
    """

    def __init__(self, folder: Path = FOLDER, fit: Fit = maps.fit) -> None:
        self._folder, self._fit = folder, fit
        self._jobs: dict[tuple[str, str], Job] = {}
        self._table, self._turn = threading.Lock(), threading.Lock()

    def job(self, checkpoint: str, name: str, vectors: Array) -> Job:
        """The map of a checkpoint by its name, asked for the first time or not: read, computed, or on its way.

        Raises:
            StudioError: it could not be computed; the next call tries again.
        """
        key, path = (checkpoint, name), self._folder / f"{checkpoint}-{name}.npy"
        with self._table:
            job = self._jobs.get(key)
            if job is None:
                job = self._jobs[key] = Job(points=_kept(path, len(vectors)))
                if job.running:
                    threading.Thread(target=self._work, args=(job, path, vectors, name), daemon=True).start()
            if job.error:
                del self._jobs[key]
                raise mistake(f"The map could not be computed ({job.error}). Choose PCA.")
        return job

    def _work(self, job: Job, path: Path, vectors: Array, name: str) -> None:
        def tell(share: float) -> None:
            job.share = share

        try:
            with self._turn:
                points = np.asarray(self._fit(vectors, name, tell), "f4")
        except Exception as error:                       # a thread's error would be seen by nobody
            job.error = f"{type(error).__name__}: {error}"[:200]
            return
        _keep(path, points)
        job.points = points


def _kept(path: Path, words: int) -> Array | None:
    try:
        points = np.load(path)
    except (OSError, ValueError, EOFError):
        return None
    return points if points.ndim == 2 and len(points) == words else None


def _keep(path: Path, points: Array) -> None:
    partial = path.with_suffix(".partial.npy")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(partial, points)
        partial.replace(path)
    except OSError:
        return
