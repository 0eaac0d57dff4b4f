"""What a GPU is asked besides computing: whether there is one, its memory, waiting for it, and whole steps in one launch.

Tensors and modules go there by ``.to("cuda")``; nothing else in a program needs to change.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .. import device as devices
from ..device import DeviceLike
from ..errors import DeviceError, SettingError

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
    "measure_plans",
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


def measure_plans(mode: bool = True) -> None:
    """Let the first use of each size try several algorithms of cuDNN and cublasLt and take the fastest, from now on; (False, as at first) take their guess.

    That first use takes up to some seconds; what was chosen is kept on the disk for this GPU and these libraries. For training and serving with
    few sizes. Captured steps take what is there. Where ``use_deterministic_algorithms`` holds nothing is measured, for two runs might choose
    otherwise, and so give other last bits.
    """
    if not isinstance(mode, bool):
        raise SettingError(f"measure_plans: wants True or False, not {mode!r:.60}")
    devices.gpu_kernels("libraries.choosing").measure(mode)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
