"""The GPU as the kernels see it: arrays, addresses, compiled modules and launches.

Everything that touches CuPy and the driver goes through the one ``Machine`` here. Kernels never name CuPy themselves, so
the tests can put another machine in its place, which runs the same sources on a CPU.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from operator import attrgetter
from struct import Struct
from typing import Any, Protocol

import numpy as np

from ...dtype import Array, Dtype
from .entries import Arguments, Entry

__all__ = ["Launch", "Machine", "machine", "use"]

CYCLES = 40_000
"""Of a processor: about 20 microseconds, in which the host gives a GPU one piece of work."""
MOST_SHARED = 8
"""The driver's number for the attribute of an entry point that says how much shared memory its launches may ask for."""
SHARE_OF_SHARED = 9
"""The same for the percentage that shared memory should have of what it shares with the first cache."""


class Launch(Protocol):
    """An entry point of a compiled module: grid and block in (x, y, z), bytes of shared memory, arguments and their layout."""

    def __call__(
        self,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        shared: int,
        layout: Struct,
        arguments: tuple[int | float, ...],
    ) -> None: ...

    def prepared(
        self, grid: tuple[int, int, int], block: tuple[int, int, int], shared: int, layout: Struct, arguments: Arguments
    ) -> Callable[..., None]:
        """The same again and again, given only the arguments that are None here."""


class Machine(Protocol):
    """What kernels ask of a GPU."""

    xp: Any
    """Its array library, for bodies."""
    architecture: str
    """What sources are compiled for, as ``"sm_90a"``."""
    processors: int
    """How many multiprocessors it has."""
    shared_memory: int
    """Bytes of shared memory that a block may ask for."""

    def empty(self, shape: tuple[int, ...], dtype: Dtype) -> Array:
        """A C-contiguous array of whatever the memory holds."""

    def zeros(self, shape: tuple[int, ...], dtype: Dtype) -> Array:
        """A C-contiguous array of zeros."""

    def lying(self, size: int, shape: tuple[int, ...], dtype: Dtype, strides: tuple[int, ...] | None) -> Array:
        """An array without gaps of ``size`` bytes in all, with these strides (those of rows if None), of whatever the memory holds."""

    def memory(self, size: int) -> Any:
        """Memory of so many bytes, for as long as what is given back lives. It begins at ``.ptr``."""

    def lasting(self, size: int) -> Array:
        """So many bytes for what lives as long as the process: apart, so that no large block that was freed is held by a piece of it."""

    def address(self, array: Array) -> int:
        """Where an array's first element lies."""

    def stream(self) -> int:
        """The stream that work now goes to, as the driver's number."""

    def shared_words(self, count: int) -> tuple[Any, int]:
        """So many whole numbers of 8 bytes, all 0, that the CPU and the GPU can read and write: as NumPy's array, and their address."""

    def load(self, source: str, name: str, headers: dict[str, str], options: tuple[str, ...]) -> Any:
        """A source, compiled; entry points are found in it by ``entry``."""

    def entry(self, module: Any, name: str) -> Launch:
        """An entry point of a module."""

    def prepare(self, wanted: Any) -> Any:
        """What runs a computation of NVIDIA's libraries, given addresses (see ``libraries``); None where they refuse it."""

    def milliseconds(self, work: Callable[[], None], times: int) -> float:
        """What the GPU takes for ``work``, given to the current stream so many times one after another. The host waits for it."""


lasting_pools: list[Any] = []
"""Where machines have the memory that lasts, to be counted with the rest."""


class CudaMachine:
    """The current CUDA device through CuPy and the driver."""

    address: Callable[[Array], int] = staticmethod(attrgetter("data.ptr"))

    def __init__(self) -> None:
        import cupy
        from cupy_backends.cuda.api import driver

        self.xp = cupy
        self._driver = driver
        self._current = current = cupy.cuda.get_current_stream
        self.stream: Callable[[], int] = lambda: current().ptr
        properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
        major, minor = properties["major"], properties["minor"]
        # Hopper's and Blackwell's own instructions are in the architectures with an "a"; code for 9.0a runs nowhere else.
        self.architecture = f"sm_{major}{minor}" + ("a" if major >= 9 else "")
        self.processors: int = properties["multiProcessorCount"]
        self.shared_memory: int = properties["sharedMemPerBlockOptin"]
        self._local = threading.local()
        # The current allocator, so that of a captured step while one is captured.
        self.memory: Callable[[int], Any] = cupy.cuda.alloc
        self.lying = laid(cupy, self.memory)
        self._lasting = cupy.cuda.MemoryPool()
        lasting_pools.append(self._lasting)

    def empty(self, shape: tuple[int, ...], dtype: Dtype) -> Array:
        size = dtype.itemsize
        for count in shape:
            size *= count
        return self.lying(size, shape, dtype, None)

    def lasting(self, size: int) -> Array:
        return self.xp.ndarray((size,), np.dtype(np.uint8), self._lasting.malloc(size))

    def zeros(self, shape: tuple[int, ...], dtype: Dtype) -> Array:
        return self.xp.zeros(shape, dtype)

    def shared_words(self, count: int) -> tuple[Any, int]:
        # Pinned memory has one address for both wherever CUDA's unified addressing is, which is every 64-bit system.
        memory = self.xp.cuda.alloc_pinned_memory(8 * count)
        words = np.frombuffer(memory, np.int64, count)
        words[:] = 0
        return words, memory.ptr

    def load(self, source: str, name: str, headers: dict[str, str], options: tuple[str, ...]) -> Any:
        from .libraries.store import compiled

        code = compiled(source, name, headers, options, self.architecture)
        self.xp.cuda.runtime.free(0)  # as before a launch: this thread may not have called the runtime yet
        return self._driver.moduleLoadData(code)

    def entry(self, module: Any, name: str) -> Launch:
        cuda, function = self.xp.cuda, self._driver.moduleGetFunction(module, name)

        def allow(shared: int) -> None:
            self._driver.funcSetAttribute(function, MOST_SHARED, shared)
            self._driver.funcSetAttribute(function, SHARE_OF_SHARED, 100)

        return Entry(
            function, self._driver.launchKernel, self._current, self._local, lambda: cuda.runtime.free(0), allow
        )

    def prepare(self, wanted: Any) -> Any:
        from .libraries.installed import prepare

        return prepare(self, wanted)

    def milliseconds(self, work: Callable[[], None], times: int) -> float:
        cuda = self.xp.cuda
        stream, first, last = cuda.get_current_stream(), cuda.Event(), cuda.Event()
        self._occupy(times * CYCLES)  # else short work would be timed by how fast the host gives it
        first.record(stream)
        for _ in range(times):
            work()
        last.record(stream)
        last.synchronize()
        return float(cuda.get_elapsed_time(first, last)) / times

    def _occupy(self, cycles: int) -> None:
        from .program import Kernel

        Kernel("waiting.cu", "wait_cycles", "q")(1, 1, cycles)


def laid(cupy: Any, memory: Callable[[int], Any]) -> Callable[..., Array]:
    """What makes CuPy's arrays by ``Machine.lying``: without what its class does for classes derived from it, which takes half of the time."""
    kind = cupy.ndarray
    new, fill = getattr(kind.__mro__[-2], "__new__", None), getattr(kind, "_init", None)

    def plainly(size: int, shape: tuple[int, ...], dtype: Dtype, strides: tuple[int, ...] | None) -> Array:
        return kind(shape, dtype, memory(size), strides)

    def directly(size: int, shape: tuple[int, ...], dtype: Dtype, strides: tuple[int, ...] | None) -> Array:
        made = new(kind)  # type: ignore[misc]
        fill(made, shape, dtype, memory(size), strides)  # type: ignore[misc]
        return made

    # This is no public way, so it is looked at once whether both come to the same.
    described = attrgetter(
        "shape", "strides", "dtype", "data.ptr", "size", "nbytes", "flags.owndata", "base", "flags.c_contiguous"
    )
    try:
        nowhere = cupy.cuda.MemoryPointer(cupy.cuda.UnownedMemory(256, 32, None, 0), 0)
        given = (2, 4), np.dtype(np.float32), nowhere, (4, 8)
        made = new(kind)  # type: ignore[misc]
        fill(made, *given)  # type: ignore[misc]
        same = type(made) is kind and described(made) == described(kind(*given))
    except (TypeError, AttributeError):
        return plainly
    return directly if same else plainly


_machines: dict[int, Machine] = {}
_used: Machine | None = None
_current_device: Callable[[], int] | None = None


def machine() -> Machine:
    """The machine of the current device."""
    global _used, _current_device
    if _used is not None:
        return _used
    if _current_device is None:  # asked for every operation: not imported anew each time
        import cupy

        _current_device = cupy.cuda.runtime.getDevice
    number = _current_device()
    found = _machines.get(number)
    if found is None:
        found = _machines.setdefault(number, CudaMachine())
        if found.xp.cuda.runtime.getDeviceCount() == 1:
            _used = found  # there is no other
    return found


def use(other: Machine | None) -> None:
    """Let kernels run on another machine, or on the current device again (None)."""
    global _used
    _used = other
