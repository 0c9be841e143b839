"""Frames and traces: the stored, small record of a run that every picture is drawn from.

A `Step` holds live tensors; a `Frame` holds what pictures need, on the CPU. A `Trace` runs the first time it is iterated and
replays ever after. On disk it is one JSON file whose arrays are zlib-compressed and base64-encoded: a browser can read it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion.core.beliefs import entropy_below, pressure
from diffusion.core.errors import StudioError
from diffusion.core.types import Step
from diffusion.text.vocab import Vocabulary

TOP = 8                  # candidates kept for each position
FORMAT = 1
Array = np.ndarray[Any, np.dtype[Any]]
_ARRAYS = {"ids": "<i2", "top_ids": "<i2", "top_probs": "<f2", "entropy": "<f2", "pressure": "<f2"}


@dataclass(frozen=True, slots=True)
class Frame:
    """One step of a run as it is stored.

    Attributes:
        index: 0 for the first step.
        t, s: times before and after the step.
        ids: (B, L) words now, the largest of the steered belief; in the last frame the finished text.
        top_ids, top_probs: (B, L, 8) the most likely words and their probabilities under the steered belief.
        entropy: (B, L) of the steered belief, nats.
        pressure: (B, L) KL of the steered from the free belief, nats; zero without controllers.
        satisfaction: per controller, probability (B,) that its wish holds under the belief before masks.
        nfe: network evaluations so far.
        seconds: since the run began.
    """

    index: int
    t: float
    s: float
    ids: Array
    top_ids: Array
    top_probs: Array
    entropy: Array
    pressure: Array
    satisfaction: dict[str, list[float]]
    nfe: int
    seconds: float

    @classmethod
    def of(cls, step: Step) -> Frame:
        """The frame of a step."""
        probs = step.steered.softmax(-1) if step.probs is None else step.probs
        top = torch.topk(probs, min(TOP, probs.shape[-1]), -1)
        entropy = entropy_below(step.steered, probs, top.values[..., :1], top.indices[..., :1])
        moved = pressure(step.free, step.steered)
        ids = top.indices[..., 0] if step.text is None else step.text
        return cls(step.index, step.t, step.s, _numpy(ids, "<i2"), _numpy(top.indices, "<i2"), _numpy(top.values, "<f2"),
                   _numpy(entropy, "<f2"), _numpy(moved, "<f2"),
                   {name: value.exp().tolist() for name, value in step.satisfaction.items()}, step.nfe, step.seconds)


def _numpy(tensor: Tensor, kind: str) -> Array:
    return tensor.cpu().numpy().astype(kind)


@dataclass(slots=True)
class Trace:
    """A run: what was asked, and its frames. Iterating runs it the first time and replays it afterwards.

    Attributes:
        info: what is needed to make the run again and to read it: paper, sampler, seeds, controls, path, hashes, words.
        frames: the frames so far.
        running: the steps to come; frames where another process records them.
    """

    info: dict[str, Any]
    frames: list[Frame] = field(default_factory=list)
    running: Iterator[Step | Frame] | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Yields recorded frames, then goes on with the run if it has not ended."""
        position = 0
        while True:
            while position < len(self.frames):
                yield self.frames[position]
                position += 1
            running = self.running                       # another thread may stop the run between two steps
            step = None if running is None else next(running, None)
            if step is None:
                self.running = None
                return
            self.frames.append(step if isinstance(step, Frame) else Frame.of(step))

    def run(self) -> Trace:
        """Runs to the end and returns itself."""
        for _ in self:
            pass
        return self

    def stop(self) -> None:
        """Ends the run where it is; recorded frames stay."""
        if self.running is not None:
            self.running.close()
            self.running = None

    @property
    def ids(self) -> Array:
        """Words (B, L) of the last frame."""
        return self.frames[-1].ids

    @property
    def texts(self) -> list[str]:
        """The finished texts, one for each seed; a run that has not ended is run to its end.

        Raises:
            StudioError: the run cannot be run.
        """
        words = Vocabulary.of(self.info["words"])
        return [words.text(row) for row in self.run().ids]

    def to_dict(self) -> dict[str, Any]:
        """The trace as JSON values; arrays of all frames are packed together."""
        arrays = {name: _pack(np.stack([getattr(frame, name) for frame in self.frames]).astype(kind))
                  for name, kind in _ARRAYS.items()}
        scalars = [{"t": f.t, "s": f.s, "nfe": f.nfe, "seconds": round(f.seconds, 4), "satisfaction": f.satisfaction}
                   for f in self.frames]
        return {"format": FORMAT, "info": self.info, "steps": scalars, "arrays": arrays}

    def save(self, path: str | Path) -> None:
        """Writes the trace as one JSON file.

        Raises:
            StudioError: nothing has run yet.
        """
        if not self.frames:
            raise StudioError("This run has no steps yet, so there is nothing to save. Run it first.")
        Path(path).write_text(json.dumps(self.to_dict(), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Reads a trace file.

        Raises:
            StudioError: it is not a trace of this format, or its parts do not fit together.
        """
        path = Path(path)
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            raise StudioError(f"'{path.name}' is not a trace of this lab ({type(error).__name__}: {error}). "
                              f"Use a file that was exported here.") from error

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Trace:
        """The inverse of `to_dict`."""
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, expected {FORMAT}")
        arrays = {name: _unpack(value["arrays"][name], kind) for name, kind in _ARRAYS.items()}
        count, batch, length, _ = arrays["top_ids"].shape
        for name, array in arrays.items():
            if array.shape[:3] != (count, batch, length) or count != len(value["steps"]):
                raise ValueError(f"'{name}' has the shape {array.shape}, expected ({len(value['steps'])}, {batch}, {length})")
        frames = [Frame(index=index, **{name: array[index] for name, array in arrays.items()},
                        **{name: step[name] for name in ("t", "s", "nfe", "seconds", "satisfaction")})
                  for index, step in enumerate(value["steps"])]
        return cls(dict(value["info"]), frames)


def _pack(array: Array) -> dict[str, Any]:
    return {"shape": array.shape, "data": base64.b64encode(zlib.compress(array.tobytes(), 6)).decode("ascii")}


def _unpack(packed: dict[str, Any], kind: str) -> Array:
    shape = tuple(int(size) for size in packed["shape"])
    if len(shape) not in (3, 4) or not 0 < int(np.prod(shape)) <= 50_000_000:
        raise ValueError(f"an array of shape {shape}")
    wanted = int(np.prod(shape)) * np.dtype(kind).itemsize
    raw = zlib.decompressobj().decompress(base64.b64decode(packed["data"], validate=True), wanted + 1)
    if len(raw) != wanted:
        raise ValueError(f"an array of {len(raw)} bytes, expected {wanted}")
    return np.frombuffer(raw, kind).reshape(shape)
