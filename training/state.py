"""The resume state of a training run: safetensors and JSON, on disk whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from diffusion.core.errors import StudioError

_PREFIX = "resume-"
TENSORS, INFO = "state.safetensors", "state.json"


def write(folder: Path, step: int, tensors: dict[str, Tensor], info: dict[str, Any]) -> Path:
    """Writes `folder/resume-STEP` by a temporary folder, fsync and rename, then removes older ones.

    A state of the same step is kept as it is: two states of one step of one run are equal, and at no moment may a kill
    leave the folder without a whole state.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_PREFIX}{step:09d}"
    if not target.is_dir():
        temporary = folder / f".{target.name}.{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary / TENSORS)
        (temporary / INFO).write_text(json.dumps({**info, "step": step}), encoding="utf-8")
        for path in (temporary / TENSORS, temporary / INFO, temporary):
            _sync(path)
        temporary.rename(target)
        _sync(folder)
    for other in [*found(folder), *folder.glob(f".{_PREFIX}*")]:     # older ones, and what a kill left half written
        if other != target:
            shutil.rmtree(other, ignore_errors=True)
    return target


def _sync(path: Path) -> None:
    """Asks the disk to keep what was written to a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def found(folder: Path) -> list[Path]:
    """Whole resume states in a folder, oldest first."""
    return sorted(folder.glob(f"{_PREFIX}*"))


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The newest resume state: tensors, and what was written beside them.

    Raises:
        StudioError: there is none, or it was damaged after it was written.
    """
    states = found(folder)
    if not states:
        raise StudioError(f"There is no resume state in '{folder}'. Give the folder of a run that has saved one.")
    try:
        info = json.loads((states[-1] / INFO).read_text(encoding="utf-8"))
        return load_file(states[-1] / TENSORS), info
    except (OSError, ValueError, SafetensorError) as error:
        raise StudioError(f"The resume state '{states[-1]}' is damaged ({error}). "
                          f"Remove it and start again.") from error
