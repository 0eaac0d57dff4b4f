"""Where arrays live, and the array library that serves each place. The only file that imports kernels."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from .capturing import in_capture
from .dtype import Array, Dtype
from .errors import CaptureError, DeviceError

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
    return CPU if isinstance(array, np.ndarray) else _gpu(array.device.id)


@cache
def _gpu(index: int) -> Device:
    """A GPU by its number; asked for often, so made once."""
    return Device("cuda", index)


def namespace(array: Array) -> Any:
    """The array library that an array belongs to: the module ``numpy`` or ``cupy``."""
    return np if isinstance(array, np.ndarray) else cupy()


def is_array(value: Any) -> bool:
    """Whether a value is a raw array of one of the devices."""
    return isinstance(value, np.ndarray) or type(value).__module__.startswith("cupy")


def namespace_of_type(array_type: type) -> Any:
    """The array library that arrays of this type belong to."""
    return np if issubclass(array_type, np.ndarray) else cupy()


def move(array: Array, device: Device) -> Array:
    """The array on ``device``; itself when it is there already.

    Raises CaptureError between the CPU and a GPU while a step is being captured.
    """
    here = device_of(array)
    if here == device:
        return array
    refuse_host(f"a tensor of shape {tuple(array.shape)} moves from {here} to {device}")
    if device.type == "cpu":
        found = cupy().asnumpy(array)
        check_complaints()
        return found
    with on(device) as library:
        return library.asarray(array) if here == CPU else array.copy()


@contextmanager
def on(device: Device) -> Iterator[Any]:
    """The array library of a device, which makes arrays there as long as the block lasts."""
    if device.type == "cpu":
        yield np
        return
    library = cupy()
    count = library.cuda.runtime.getDeviceCount()
    if device.index >= count:
        raise DeviceError(f"there is no {device}: this machine has {count} CUDA device(s)")
    with library.cuda.Device(device.index):
        yield library


def for_convolution(array: Array) -> Array:
    """A weight (out, in, *kernel) as a GPU's convolutions read it, its channels side by side in memory; itself on the CPU.

    Once here saves a copy in each call.
    """
    if device_of(array) == CPU or array.ndim not in (4, 5) or 1 in (array.shape[1], math.prod(array.shape[2:])):
        return array
    order = (0, *range(2, array.ndim), 1)
    return gpu_kernels("shapes.transposing").copy_like(array, order)


def refuse_host(what: str) -> None:
    """Raise CaptureError for something that the CPU has a part in, if a step is being captured."""
    if in_capture():
        raise CaptureError(
            f"a captured step runs on the GPU alone, but in this one {what}; give it as an argument of the step, "
            "return it from the step, or do it outside"
        )


def check_complaints() -> None:
    """Raise what a kernel of a GPU has complained of, such as a class that is none."""
    if "cuda" in _kernels:
        _kernels["cuda"].complaints.check()


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
        kernels = _kernels_in("cpu.copy")
        if keep:
            return kernels.cast_weight(array, dtype)
        result = kernels.cast(array, dtype=dtype)
        return array.astype(dtype) if result is NotImplemented else result
    result = gpu_kernels("elementwise.operations").cast(array, dtype=dtype)
    return array.astype(dtype) if result is NotImplemented else result


def ones_like(array: Array) -> Array:
    """Ones of the array's shape and dtype."""
    found = NotImplemented if isinstance(array, np.ndarray) else gpu_kernels("elementwise.operations").ones_like(array)
    return namespace(array).ones(array.shape, array.dtype) if found is NotImplemented else found


def copy(array: Array) -> Array:
    """A copy without gaps, on a GPU in the same memory order."""
    if isinstance(array, np.ndarray):
        return array.copy()
    found = gpu_kernels("shapes.transposing").clone(array)
    return array.copy() if found is NotImplemented else found


def write_into(out: Array, value: Array) -> None:
    """out[...] = value, in place."""
    if isinstance(out, np.ndarray) or isinstance(value, np.ndarray):
        out[...] = value
    else:
        gpu_kernels("shapes.transposing").copy_into(out, value)


def has_gpu(index: int) -> bool:
    """Whether this machine has a GPU of this number."""
    try:
        return bool(index < cupy().cuda.runtime.getDeviceCount())
    except DeviceError:
        return False


def gpu_kernels(name: str) -> Any:
    """A module of the GPU's kernels that serves no operation: optimisers' steps, random numbers."""
    return _kernels_in(f"cuda.{name}")


@cache
def _kernels_in(name: str) -> Any:
    """A module of kernels; finding it by its name each time would cost as much as a small operation."""
    return importlib.import_module(f"{__package__}.kernels.{name}")


def cpu_memory(shape: tuple[int, ...], dtype: Any) -> Array:
    """An uninitialised array on the CPU, in memory that is used again where it is large: without page faults."""
    load_kernels(np.ndarray)
    array: Array = _kernels_in("cpu.onednn").empty(shape, dtype)
    return array


def cpu_rules() -> dict[str, Callable[..., bool]]:
    """The optimisers' steps that the CPU's kernels have, by name; each answers whether it served."""
    load_kernels(np.ndarray)
    rules: dict[str, Callable[..., bool]] = _kernels_in("cpu.optimizers").RULES
    return rules


def product(xp: Any, x: Array, y: Array) -> Array:
    """The product of matrices over the last two axes, as ``numpy.matmul``: what bodies multiply by on every device."""
    if xp is np:
        return np.matmul(x, y)
    load_kernels(type(x))
    return _kernels_in("cuda.algebra.matrix").product(x, y)


def mask_on_gpu(key: tuple[int, int], block: int, shape: tuple[int, ...], p: float) -> Array:
    """Booleans on the current GPU, each False with probability p: the same each time for a key and a block."""
    return _kernels_in("cuda.attention.launches").drawn_mask(key, block, shape, p)


def set_threads(count: int) -> None:
    """Let CPU kernels use ``count`` threads (at first: NUMZOO_THREADS, else the cores this process may use)."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise DeviceError(f"set_threads: the number of threads must be a whole number of at least 1, not {count!r}")
    load_kernels(np.ndarray)
    kernels: Callable[[int], None] = _kernels_in("cpu.onednn").set_threads
    kernels(count)


def threads() -> int:
    """How many threads CPU kernels use."""
    load_kernels(np.ndarray)
    count: int = _kernels_in("cpu.onednn").get_threads()
    return count


def cupy() -> Any:
    """The module ``cupy``, seen to have a driver and a GPU; a DeviceError says what is missing."""
    global _library
    if _library is None:
        try:
            library = importlib.import_module("cupy")
        except ImportError as error:
            raise DeviceError(
                f"device 'cuda' needs CuPy, which did not import ({error}); install it with: pip install 'numzoo[gpu]'"
            ) from error
        if not library.cuda.is_available():
            raise DeviceError(f"device 'cuda' was asked for, but {_missing(library)}; use device='cpu'")
        importlib.import_module(f"{__package__}.cuda.growth").install(library)
        _library = library
    return _library


_library: Any = None


def _missing(library: Any) -> str:
    """Why CuPy has no GPU, in words."""
    try:
        count = library.cuda.runtime.getDeviceCount()
    except Exception as error:  # whatever the driver says
        text = str(error)
        if "insufficient" in text.lower():
            return f"there is no NVIDIA driver, or it is older than CuPy's CUDA ({text})"
        return f"the NVIDIA driver answers: {text}"
    return "the NVIDIA driver finds no GPU" if not count else "CuPy cannot use the GPU"


class _Callable(ModuleType):
    """This module, called as PyTorch's users call ``device``: ``engine.device("cuda:0")``."""

    def __call__(self, type: DeviceLike | int, index: int | None = None) -> Device:
        place = Device("cuda", type) if isinstance(type, int) else as_device(type)
        return place if index is None else Device(place.type, index)


sys.modules[__name__].__class__ = _Callable
