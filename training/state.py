"""The resume state of a training run: safetensors and JSON, on disk whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from diffusion.core.errors import StudioError

_PREFIX = "resume-"


def write(folder: Path, step: int, tensors: dict[str, Tensor], info: dict[str, Any]) -> Path:
    """Writes `folder/resume-STEP` by a temporary folder, fsync and rename, then removes older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_PREFIX}{step:09d}"
    temporary = folder / f".{target.name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
              temporary / "state.safetensors")
    (temporary / "state.json").write_text(json.dumps({**info, "step": step}), encoding="utf-8")
    for name in ("state.safetensors", "state.json"):
        _sync(temporary / name)
    _sync(temporary)
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)
    _sync(folder)
    for other in found(folder):
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
        StudioError: there is none.
    """
    states = found(folder)
    if not states:
        raise StudioError(f"There is nothing to resume in '{folder}'. Start the run without --resume.")
    info = json.loads((states[-1] / "state.json").read_text(encoding="utf-8"))
    return load_file(states[-1] / "state.safetensors"), info
