"""Where arrays live, and the array library that serves each place. The only file that imports kernels."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .dtype import Array, Dtype
from .errors import DeviceError

DeviceLike: TypeAlias = "Device | str"


@dataclass(frozen=True)
class Device:
    """A place for arrays: ``Device("cpu")`` or ``Device("cuda", 0)``."""

    type: str
    index: int = 0

    def __str__(self) -> str:
        return self.type if self.type == "cpu" else f"{self.type}:{self.index}"


CPU = Device("cpu")
_kernels: dict[str, Any] = {}


def as_device(given: DeviceLike) -> Device:
    """The device that ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or a Device stands for."""
    if isinstance(given, Device):
        return given
    name, _, index = str(given).partition(":")
    if name not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise DeviceError(f"{given!r} is no device; give 'cpu', 'cuda' or 'cuda:0'")
    return CPU if name == "cpu" else Device("cuda", int(index or 0))


def device_of(array: Array) -> Device:
    """The device that an array lives on."""
    return CPU if isinstance(array, np.ndarray) else Device("cuda", array.device.id)


def namespace(array: Array) -> Any:
    """The array library that an array belongs to: the module ``numpy`` or ``cupy``."""
    return np if isinstance(array, np.ndarray) else _cupy()


def is_array(value: Any) -> bool:
    """Whether a value is a raw array of one of the devices."""
    return isinstance(value, np.ndarray) or type(value).__module__.startswith("cupy")


def namespace_of_type(array_type: type) -> Any:
    """The array library that arrays of this type belong to."""
    return np if issubclass(array_type, np.ndarray) else _cupy()


def move(array: Array, device: Device) -> Array:
    """The array on ``device``; itself when it is there already."""
    if device_of(array) == device:
        return array
    if device.type == "cpu":
        return _cupy().asnumpy(array)
    cupy = _cupy()
    if device.index >= cupy.cuda.runtime.getDeviceCount():
        raise DeviceError(f"there is no {device}: this machine has {cupy.cuda.runtime.getDeviceCount()} CUDA device(s)")
    with cupy.cuda.Device(device.index):
        return cupy.asarray(array)


def load_kernels(array_type: type) -> str:
    """Register the kernels of the device that serves ``array_type``, once; gives the device's type."""
    name = "cpu" if issubclass(array_type, np.ndarray) else "cuda"
    if name not in _kernels:
        # Only what is imported whole is noted: another thread may ask meanwhile.
        _kernels[name] = importlib.import_module(f"{__package__}.kernels.{name}")
    return name


def forget(array: Array) -> None:
    """Let the kernels drop what they prepared from an array that was written to."""
    kernels = _kernels.get("cpu")
    if kernels is not None and isinstance(array, np.ndarray):
        kernels.forget(array)


def convert(array: Array, dtype: Dtype, *, keep: bool = False) -> Array:
    """The array in another floating type; with ``keep`` the result may serve again until the array is written to."""
    if load_kernels(type(array)) == "cpu":
        kernels = importlib.import_module(f"{__package__}.kernels.cpu.copy")
        if keep:
            return kernels.cast_weight(array, dtype)
        result = kernels.cast(array, dtype=dtype)
        return array.astype(dtype) if result is NotImplemented else result
    return array.astype(dtype)


def set_threads(count: int) -> None:
    """Let CPU kernels use ``count`` threads (at first: NUMZOO_THREADS, else the cores this process may use)."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise DeviceError(f"set_threads: the number of threads must be a whole number of at least 1, not {count!r}")
    load_kernels(np.ndarray)
    kernels: Callable[[int], None] = importlib.import_module(f"{__package__}.kernels.cpu.onednn").set_threads
    kernels(count)


def threads() -> int:
    """How many threads CPU kernels use."""
    load_kernels(np.ndarray)
    count: int = importlib.import_module(f"{__package__}.kernels.cpu.onednn").get_threads()
    return count


def _cupy() -> Any:
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise DeviceError(
            f"device 'cuda' needs CuPy, which did not import ({error}); install it with: pip install 'numzoo[gpu]'"
        ) from error
    if not cupy.cuda.is_available():
        raise DeviceError("device 'cuda' was asked for, but CuPy finds no NVIDIA driver or GPU; use device='cpu'")
    return cupy
