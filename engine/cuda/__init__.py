"""What a GPU is asked besides computing: whether there is one, its memory, waiting for it, and whole steps in one launch.

Tensors and modules go there by ``.to("cuda")``; nothing else in a program needs to change.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .. import device as devices
from ..device import DeviceLike
from ..errors import DeviceError

if TYPE_CHECKING:
    from .graphs import Captured, capture
    from .memory import empty_cache, memory_allocated, memory_reserved, memory_summary

__all__ = [
    "Captured",
    "capture",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "memory_allocated",
    "memory_reserved",
    "memory_summary",
    "synchronize",
]

_LAZY = {
    "Captured": "graphs",
    "capture": "graphs",
    "empty_cache": "memory",
    "memory_allocated": "memory",
    "memory_reserved": "memory",
    "memory_summary": "memory",
}


def is_available() -> bool:
    """Whether ``device="cuda"`` would work here: CuPy imports, and finds a driver and a GPU."""
    try:
        devices.cupy()
    except DeviceError:
        return False
    return True


def device_count() -> int:
    """How many GPUs there are; 0 where ``is_available`` is False."""
    return int(devices.cupy().cuda.runtime.getDeviceCount()) if is_available() else 0


def get_device_name(device: DeviceLike = "cuda") -> str:
    """What NVIDIA calls a GPU."""
    properties = devices.cupy().cuda.runtime.getDeviceProperties(devices.as_device(device).index)
    name: bytes = properties["name"]
    return name.decode()


def synchronize(device: DeviceLike = "cuda") -> None:
    """Wait until a GPU has done all that it was given: for timing, since operations return before they are computed.

    Raises what a kernel has complained of meanwhile, such as a class that is none.
    """
    devices.cupy().cuda.Device(devices.as_device(device).index).synchronize()
    devices.check_complaints()


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
