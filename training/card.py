"""What is known of a trained checkpoint: how it came to be, on what machine, from which data."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from training.data.corpus import Corpus

if TYPE_CHECKING:
    from training.run import Run

CURVE_POINTS = 200
# Data sets that are known by their slots and values (fingerprint of the label set): name on the Hub, and licence.
KNOWN_DATA = {"9a7e57ef1b6c": ("tuetschek/e2e_nlg", "CC BY-SA 4.0 (E2E NLG; Novikova, Dušek, Rieser 2017)")}


def card(run: Run, data: Corpus, name: str) -> dict[str, Any]:
    """How the checkpoint of a run came to be; `name` is the recipe's."""
    dataset, licence = KNOWN_DATA.get(data.labels.fingerprint, (None, None))
    every = max(1, len(run.history) // CURVE_POINTS)
    return {
        "recipe": name, **data.facts(), "dataset": dataset, "licence_of_data": licence,
        "steps": run.step, "batch": run.recipe.batch, "seed": run.recipe.seed, "minutes": round(run.seconds / 60, 1),
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "weights": f"EMA {run.recipe.ema}, stored in bf16",
        "hardware": "unknown", "torch": "unknown", "commit": "unknown", "init_from": None, **run.about,
        "curve": [{key: value for key, value in line.items() if key != "sample"} for line in run.history[::every]],
    }


def machine(device: torch.device, threads: int) -> dict[str, Any]:
    """Hardware, version of torch and commit of this run."""
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        hardware = f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}, {device.type}"
    return {"hardware": hardware, "torch": torch.__version__, "commit": commit()}


def _processor() -> str:
    """The processor's name, by the kernel where it tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """The commit of the working tree, with "-dirty" where it was changed; "unknown" outside one."""
    try:
        answer = subprocess.run(["git", "describe", "--always", "--dirty", "--exclude", "*"], capture_output=True,
                                text=True, cwd=Path(__file__).parent, check=False)
    except OSError:
        return "unknown"
    return answer.stdout.strip() or "unknown"
