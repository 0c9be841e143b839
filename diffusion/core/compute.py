"""Speed paths: the same network evaluated in the way that is fastest on this machine.

`fp32` is the reference of all tests. `onednn` packs the linear maps once for oneDNN. `auto` times these two, once for each
machine and kind of network, and remembers the winner in a cache file. Two more only on request, because a seed's text
changes with them: `bf16` keeps the weights in bf16, and its kernels round differently for another number of rows; `compiled`
is torch.compile with bf16 autocast, and compiling takes 5 to 10 s a shape. On an NVIDIA GPU, `auto` is bf16 by autocast.
"""

from __future__ import annotations

import copy
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.model import DiffusionModel, SpeedPath

PATHS = ("fp32", "onednn", "bf16", "compiled")
_TIMED = ("fp32", "onednn")


def choose(model: DiffusionModel, wanted: str = "auto") -> str:
    """Prepares a model for a speed path and returns the path's name; weights stay as they were.

    Args:
        wanted: "auto" or one of `PATHS`.

    Raises:
        StudioError: the path is unknown, or this model or machine does not have it.
    """
    known_or_raise("speed path", wanted, ("auto", *PATHS))
    if wanted != "auto" and wanted not in model.paths:
        raise StudioError(f"{model.title} has no speed path '{wanted}'; it has {', '.join(model.paths)}. Use one, or auto.")
    name = _fastest(model) if wanted == "auto" else wanted
    if model.path.name != name or (name != "fp32" and model.path.network is None):
        model.path = SpeedPath(name, _prepared(model, name))
    return name


def _prepared(model: DiffusionModel, name: str) -> Any:
    """The network ready for a path; None for the model's own."""
    if name == "fp32":
        return None
    network = copy.deepcopy(model.network).eval().requires_grad_(False)
    if name == "bf16" and model.device.type == "cuda":
        network.autocast = True                          # fp32 weights: a GPU casts faster than it reads
        return network
    if name == "bf16":
        for parameter in network.parameters():           # parameters alone: the frequencies of time stay exact
            parameter.data = parameter.data.to(torch.bfloat16)
        return network
    if name == "compiled":
        network.autocast = True
        return torch.compile(network)
    if not torch.backends.mkldnn.is_available() or model.device.type != "cpu":
        raise StudioError("The speed path 'onednn' needs a CPU and a torch that has oneDNN. Use fp32 or auto.")
    for module in list(network.modules()):
        if isinstance(getattr(module, "activation", None), nn.GELU):         # what follows `up`: one kernel does both
            module.up, module.activation = _PackedLinear(module.up, module.activation), nn.Identity()
        for child, layer in list(module.named_children()):
            if isinstance(layer, nn.Linear):
                setattr(module, child, _PackedLinear(layer))
    return network


class _PackedLinear(nn.Module):
    """A linear map whose weight is laid out once for oneDNN's kernels, with the GELU that follows it where there is one."""

    def __init__(self, layer: nn.Linear, gelu: nn.GELU | None = None) -> None:
        super().__init__()
        self.then = ("none", "") if gelu is None else ("gelu", gelu.approximate)
        self.weight, self.bias = layer.weight, layer.bias
        self.packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, self.then[0], [], self.then[1])


def _fastest(model: DiffusionModel) -> str:
    """The path that is fastest for this kind of network on this machine, from the cache or timed now."""
    candidates = [name for name in _TIMED if name in model.paths]
    if len(candidates) == 1:
        return candidates[0]
    if model.device.type != "cpu":
        return "bf16" if model.device.type == "cuda" else "fp32"
    key = f"{processor()}|{torch.__version__}|{torch.get_num_threads()}|{model.slug}|{model.network_shape()}"
    cache = cache_file()
    known = _read(cache)
    if known.get(key) not in candidates:
        known[key] = min(candidates, key=lambda name: _seconds(model, name))
        _write(cache, known)
    return str(known[key])


@torch.no_grad()
def _seconds(model: DiffusionModel, name: str, batch: int = 4, repeats: int = 7) -> float:
    """Median seconds of one network evaluation on a path; infinite where the machine cannot run it."""
    inputs = model.network_inputs(batch)
    try:
        network = _prepared(model, name) or model.network
        network(*inputs)
    except (RuntimeError, StudioError):
        return float("inf")
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        network(*inputs)
        times.append(time.perf_counter() - began)
    return sorted(times)[repeats // 2]


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = facts.get("flags", "").split()
    extra = [flag for flag in ("amx_bf16", "avx512_bf16") if flag in flags]
    return " ".join([facts.get("model name", platform.machine()), *extra])


def cache_file() -> Path:
    """Where timings are remembered: TEXT_DIFFUSION_LAB_CACHE, else the user's cache folder."""
    folder = os.environ.get("TEXT_DIFFUSION_LAB_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"),
                                                                "text-diffusion-lab")
    return Path(folder) / "speed-paths.json"


def _read(path: Path) -> dict[str, str]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}                                        # no cache yet, or a torn one: time again
    return value if isinstance(value, dict) else {}


def _write(path: Path, value: dict[str, str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=1), encoding="utf-8")
    except OSError:
        pass                                             # a read-only home costs a second of timing at each start
