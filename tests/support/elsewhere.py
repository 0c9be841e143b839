"""A device that this machine does not have: its tensors compute on the CPU, but mixing them with the CPU's is an error.

Code that forgets to move a tensor works on a CPU and fails on a GPU. Here it fails on a CPU too. The pretended device calls
itself "meta", the one kind of device that any torch knows without its hardware.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ELSEWHERE = torch.device("meta")
_TAKES_CPU_INDEX = ("aten.index.Tensor", "aten.index_put.default", "aten.index_put_.default")      # as CUDA does
_MOVES = ("aten._to_copy.default", "aten.copy_.default")
_SCALARS = ("aten._local_scalar_dense.default", "aten.is_nonzero.default", "aten.equal.default")


class Far(Tensor):
    """A tensor on the pretended device; `near` holds its numbers."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> Far:
        far = Tensor._make_wrapper_subclass(cls, near.size(), strides=near.stride(), storage_offset=near.storage_offset(),
                                            dtype=near.dtype, device=ELSEWHERE)
        far.near = near
        return far

    def __repr__(self) -> str:
        return f"Far({self.near})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class MixedDevices(RuntimeError):
    """Tensors of both devices met in one operation."""


def _compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """The operation on the CPU, its result where its arguments or its `device` say; mixing is refused as CUDA refuses it."""
    name = str(func)
    given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    far = any(isinstance(value, Far) for value in given)
    near = [value for value in given if not isinstance(value, Far) and value.dim()]           # numbers may come from the CPU
    allowed = name in _MOVES or (name in _TAKES_CPU_INDEX and isinstance(given[0], Far))
    if far and near and not allowed:
        raise MixedDevices(f"{name} of {[(type(value).__name__, tuple(value.shape)) for value in given]}")
    if kwargs.get("device") is not None:
        far = torch.device(kwargs["device"]) == ELSEWHERE
        kwargs = {**kwargs, "device": torch.device("cpu")}
    found = func(*tree_map(_near, args), **tree_map(_near, kwargs))
    if func._schema.is_mutable:
        return found if found is None or isinstance(found, list | tuple) else given[0]
    return tree_map(_far, found) if far and name not in _SCALARS else found


def _near(value: Any) -> Any:
    return value.near if isinstance(value, Far) else value


def _far(value: Any) -> Any:
    return Far(value) if isinstance(value, Tensor) and not isinstance(value, Far) else value


class _Made(TorchDispatchMode):
    """Tensors that are made with the device's name are made there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        named = kwargs.get("device") is not None and torch.device(kwargs["device"]) == ELSEWHERE
        if named or any(isinstance(value, Far) for value in tree_leaves((args, kwargs))):
            return _compute(func, args, kwargs)
        return func(*args, **kwargs)


class _Moved(TorchFunctionMode):
    """`to` and `cpu` between the devices, which a real "meta" would do without the numbers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], Far):
            return func(args[0], _listed(args[1]), *args[2:])
        if func is Tensor.tolist and isinstance(args[0], Far):
            return args[0].near.tolist()
        if func is Tensor.numpy and isinstance(args[0], Far):
            raise TypeError("A tensor of another device has no numpy array.")
        if func is Tensor.cpu or (func is torch.tensor and kwargs.get("device") == ELSEWHERE):
            return args[0].near.detach().clone() if func is Tensor.cpu and isinstance(args[0], Far) else _tensor(func, args, kwargs)
        return _to(*args, **kwargs) if func is Tensor.to else func(*args, **kwargs)


def _listed(index: Any) -> Any:
    """An index whose lists are tensors: torch would make them on a "meta" without numbers."""
    if isinstance(index, tuple):
        return tuple(_listed(part) for part in index)
    return torch.tensor(index) if isinstance(index, list) else index


def _tensor(func: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
    if func is Tensor.cpu:
        return func(*args, **kwargs)
    return Far(torch.tensor(*args, **{name: value for name, value in kwargs.items() if name != "device"}))


def _to(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    like = next((value for value in args if isinstance(value, Tensor)), None)
    words = [*args, *kwargs.values()] if like is None else [like.device, like.dtype]
    device = next((torch.device(word) for word in words if isinstance(word, str | torch.device)), tensor.device)
    dtype = next((word for word in words if isinstance(word, torch.dtype)), tensor.dtype)
    converted = tensor if tensor.dtype == dtype else tensor.type(dtype) if not isinstance(tensor, Far) else Tensor.to(tensor, dtype)
    if device == tensor.device:
        return converted
    return _Carried.apply(converted) if device == ELSEWHERE else _near(converted).detach().clone()


class _Carried(torch.autograd.Function):
    """To the pretended device, and gradients back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return Far(tensor.detach().clone())

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        return _near(slope)


def carry(module: nn.Module) -> nn.Module:
    """The module with all its weights and buffers on the pretended device."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = nn.Parameter(Far(weight.detach().clone()), requires_grad=weight.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = Far(buffer.detach().clone())
    return module


@contextlib.contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Within, the pretended device can be used; autocast, which knows real devices alone, does nothing."""
    plain, torch.autocast = torch.autocast, lambda *args, **kwargs: contextlib.nullcontext()  # type: ignore[misc, assignment]
    try:
        with _Moved(), _Made():
            yield ELSEWHERE
    finally:
        torch.autocast = plain  # type: ignore[misc]
