"""CuPy as tests imitate it where there is no GPU: NumPy computes behind a type of its own, which the engine takes for CuPy's.

It refuses what CuPy refuses: NumPy's functions on its arrays, NumPy's arrays among its own, arguments and functions that CuPy
does not have (as CuPy itself tells, which imports without a GPU).
"""

from __future__ import annotations

import ctypes
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from operator import attrgetter
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from emulated_capture import Pool, Recording, note, recorded

if TYPE_CHECKING:
    from emulated_gpu import EmulatedMachine


WAITING = {
    "argpartition", "argsort", "argwhere", "bincount", "compress", "extract", "flatnonzero", "histogram", "item", "lexsort", "nonzero",
    "percentile", "quantile", "sort", "tolist", "trim_zeros", "unique",
}  # fmt: skip
"""CuPy's functions and methods that wait for the GPU: they ask it for a size, or for the numbers themselves."""
_listening: list[list[str]] = []


@contextmanager
def listened() -> Iterator[list[str]]:
    """A list of all that, within the block, lets the host wait for the GPU, or copies from one to the other: what, and where in the engine."""
    found: list[str] = []
    _listening.append(found)
    try:
        yield found
    finally:
        _listening.remove(found)


def met(what: str) -> None:
    """Note a wait or a copy; a capture refuses both, as CUDA does."""
    if Recording.now is not None:
        raise RuntimeError(f"cudaErrorStreamCaptureUnsupported: {what} while a stream is capturing")
    if _listening:
        place, frame = "", sys._getframe(1)
        while frame is not None and not place:
            file = frame.f_code.co_filename
            place = "" if "/tests/" in file else f"{file}:{frame.f_lineno}"
            frame = frame.f_back  # type: ignore[assignment]
        for found in _listening:
            found.append(f"{what} at {place}")


class DeviceArray:
    """An array that passes for CuPy's: NumPy computes, but no NumPy function takes it, and reductions give arrays."""

    __module__ = "cupy.emulated"
    __array_priority__ = 100

    def __init__(self, host: Any) -> None:
        self.host = host

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        if any(isinstance(value, np.ndarray) for value in inputs):
            raise TypeError(f"Unsupported type {np.ndarray}")
        return computed(getattr(ufunc, method), unwrapped(inputs), unwrapped(settings))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in WAITING:
            met(name)
        own = partial(take, self.host) if name == "take" else getattr(self.host, name)
        return called(own, known(f"ndarray.{name}"))

    @property
    def device(self) -> Any:
        return Device(0)

    @property
    def flags(self) -> Any:
        """No array of CuPy's knows whether it may be written to."""
        names = "c_contiguous", "f_contiguous", "owndata", "fnc", "forc"
        return SimpleNamespace(**{name: getattr(self.host.flags, name) for name in names})

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.host.ctypes.data)

    @property
    def __cuda_array_interface__(self) -> Any:
        return self.host.__array_interface__

    def set(self, source: Any, stream: Any = None) -> None:
        assert source.shape == self.shape
        assert source.dtype == self.dtype
        assert source.flags.c_contiguous
        met("set")
        self.host[...] = source

    def get(self) -> Any:
        met("get")
        return np.array(self.host)

    def diagonal(self, *axes: Any) -> Any:
        view = self.host.diagonal(*axes)
        view.flags.writeable = True
        return DeviceArray(view)

    @property
    def real(self) -> Any:
        return DeviceArray(self.host.real)

    @real.setter
    def real(self, value: Any) -> None:
        self.host.real = unwrapped(value)

    @property
    def imag(self) -> Any:
        return DeviceArray(self.host.imag)

    @imag.setter
    def imag(self, value: Any) -> None:
        self.host.imag = unwrapped(value)

    def __getitem__(self, index: Any) -> Any:
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, (list, np.ndarray)):
                met("an index of the CPU")
            elif isinstance(part, DeviceArray) and part.host.dtype == bool:
                met("a mask as an index")
        found = around(index, self.host.shape)
        parts = found if isinstance(found, tuple) else (found,)
        if all(isinstance(part, (int, np.integer)) for part in parts):
            found = (*parts, Ellipsis)  # one element is a view, too, and not a number of its own
        return computed(self.host.__getitem__, (found,), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"Unsupported type {np.ndarray}")
        computed(self.host.__setitem__, (around(index, self.host.shape), unwrapped(value)), {})

    def __len__(self) -> int:
        return len(self.host)

    def __bool__(self) -> bool:
        met("bool()")
        return bool(self.host)

    def __int__(self) -> int:
        met("int()")
        return int(self.host)

    def __index__(self) -> int:
        met("index()")
        return int(self.host.__index__())

    def __float__(self) -> float:
        met("float()")
        return float(self.host)

    def __repr__(self) -> str:
        return repr(self.host)


def _operator(name: str) -> Any:
    def apply(self: DeviceArray, *others: Any) -> Any:
        if any(isinstance(other, np.ndarray) for other in others):
            raise TypeError(f"Unsupported type {np.ndarray}")
        result = computed(getattr(self.host, name), unwrapped(others), {})
        return self if isinstance(result, DeviceArray) and result.host is self.host else result

    return apply


_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod"
_REVERSED = "radd rsub rmul rtruediv rfloordiv rmod rpow rmatmul rand ror rxor"
_IN_PLACE = "iadd isub imul itruediv ifloordiv imod ipow iand ior ixor"
_OTHERS = "lt le gt ge eq ne neg pos abs invert"
for _name in f"{_ARITHMETIC} {_REVERSED} {_IN_PLACE} {_OTHERS}".split():
    setattr(DeviceArray, f"__{_name}__", _operator(f"__{_name}__"))
DeviceArray.__hash__ = None  # type: ignore[assignment]


def unwrapped(value: Any) -> Any:
    """The same with NumPy's arrays in the places of device arrays, in lists, tuples and dictionaries too."""
    if isinstance(value, DeviceArray):
        if Recording.now is not None:
            Recording.now.given.add(id(value.host))
        return value.host
    if type(value) in (list, tuple):
        return type(value)(unwrapped(item) for item in value)
    if type(value) is dict:
        return {key: unwrapped(item) for key, item in value.items()}
    return value


def around(index: Any, shape: tuple[int, ...]) -> Any:
    """An index as CuPy takes it, which looks at no number: those outside of their axis come in again at its other end."""
    index = unwrapped(index)
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(part, np.ndarray) and part.ndim and part.dtype.kind in "iu" for part in parts):
        return index
    used = [part for part in parts if part is not None and part is not Ellipsis]
    spoken = sum(part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1 for part in used)
    axis, found = 0, []
    for part in parts:
        if part is Ellipsis:
            axis += len(shape) - spoken
        elif part is not None:
            is_array = isinstance(part, np.ndarray)
            if is_array and part.ndim and part.dtype.kind in "iu" and axis < len(shape) and shape[axis]:
                part = wrapping(part, shape[axis])
            axis += part.ndim if is_array and part.dtype == bool else 1
        found.append(part)
    return tuple(found) if isinstance(index, tuple) else found[0]


def wrapping(index: Any, size: int) -> Any:
    """The numbers, or a copy with those outside brought inside; a captured step reads the numbers themselves."""
    return index if not index.size or -size <= index.min() <= index.max() < size else index.astype(np.int64) % size


def take(a: Any, indices: Any, axis: Any = None, out: Any = None) -> Any:
    """CuPy's function of that name, which wraps around."""
    return np.take(a, indices, axis, out, "wrap")


def take_along_axis(a: Any, indices: Any, axis: Any) -> Any:
    """CuPy's function of that name, which wraps around."""
    return np.take_along_axis(a, wrapping(indices, a.shape[axis]), axis)


def wrapped(value: Any) -> Any:
    """The same with device arrays in the places of NumPy's arrays and numbers."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(value)
        note(value)
        return DeviceArray(value)
    if isinstance(value, (list, tuple)):
        return (list if isinstance(value, list) else tuple)(wrapped(item) for item in value)
    return value


def called(attribute: Any, signature: inspect.Signature | None = None) -> Any:
    """A function that takes and gives device arrays, with the arguments that CuPy's takes; what is no function stays as it is."""
    if not callable(attribute) or isinstance(attribute, (type, np.dtype)):
        return wrapped(attribute) if isinstance(attribute, np.ndarray) else attribute

    def call(*inputs: Any, **settings: Any) -> Any:
        if signature is not None:
            signature.bind(*inputs, **settings)
        if any(isinstance(value, np.ndarray) for value in (*inputs, *settings.values())):
            raise TypeError(f"Unsupported type {np.ndarray}")
        return computed(attribute, unwrapped(inputs), unwrapped(settings))

    return call


def computed(function: Any, inputs: Any, settings: Any) -> Any:
    """What a NumPy function gives, as device arrays; in a capture it is recorded too."""
    recording = Recording.now
    if recording is None:
        return wrapped(function(*inputs, **settings))
    return wrapped(recorded(recording, function, inputs, settings))


class Event:
    """CuPy's class of that name."""

    done = True

    def synchronize(self) -> None:
        """Nothing is ever under way."""
        met("Event.synchronize")


class PinnedMemory(bytearray):
    """Page-locked memory, as CuPy's class PinnedMemoryPointer."""


class Stream:
    """CuPy's class of that name: the only stream there is, which can be captured."""

    ptr = 0

    def __init__(self, here: EmulatedMachine) -> None:
        self._here = here

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def record(self, event: Event | None = None) -> Event:
        """Nothing is ever under way."""
        return event or Event()

    def wait_event(self, event: Any) -> None: ...

    def synchronize(self) -> None:
        """Nothing is ever under way."""
        met("Stream.synchronize")

    def begin_capture(self) -> None:
        """Record from now on."""
        Recording.now = Recording(self._here)

    def end_capture(self) -> Recording:
        """What was recorded."""
        recording, Recording.now = Recording.now, None
        assert recording is not None, "no capture is under way"
        recording.end()
        return recording


def copied(target: int, source: int, count: int, kind: int, stream: int) -> None:
    """The driver's function, to the GPU."""
    assert kind == 1
    met("memcpyAsync")
    ctypes.memmove(target, source, count)


@contextmanager
def allocating(here: EmulatedMachine, allocator: Any) -> Iterator[None]:
    """Memory comes from this allocator within the block."""
    previous, here.allocator = here.allocator, allocator
    try:
        yield
    finally:
        here.allocator = previous


@cache
def known(path: str) -> inspect.Signature | None:
    """The signature of what CuPy has under this name, None where it does not say; an error if it has none. CuPy needs no GPU for it."""
    try:
        import cupy
    except ImportError:
        return None
    found = attrgetter(path)(cupy)
    try:
        return None if isinstance(found, cupy.ufunc) else inspect.signature(found)
    except (TypeError, ValueError):
        # Compiled methods tell theirs in the first line of their documentation.
        told = re.match(r"[\w.]+\((.*?)\)(?: ->|$)", (getattr(found, "__doc__", None) or "").strip().split("\n")[0])
        if told is None or not callable(found):
            return None
        names = [re.sub(r"^\w+ (?=\w)", "", part.strip()) for part in told[1].split(",") if part.strip()]
        space: dict[str, Any] = {}
        exec(f"def told({', '.join(names)}): ...", space)
        signature = inspect.signature(space["told"])
        return signature.replace(parameters=[p for name, p in signature.parameters.items() if name != "self"])


class Device:
    """CuPy's class of that name, as far as the engine uses it."""

    def __init__(self, number: int = 0) -> None:
        self.id = number

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def synchronize(self) -> None:
        """Nothing is ever under way."""
        met("Device.synchronize")


class Namespace:
    """The module ``cupy`` over an emulated machine: NumPy's functions on device arrays, and what the engine asks besides."""

    __name__ = "cupy"

    def __init__(self, here: EmulatedMachine) -> None:
        self._here = here
        self.ndarray = DeviceArray
        self.cuda = SimpleNamespace(
            Device=Device,
            is_available=lambda: True,
            runtime=SimpleNamespace(
                getDeviceCount=lambda: 1,
                getDevice=lambda: 0,
                memGetInfo=lambda: (1 << 30, 2 << 30),
                memcpyHostToDevice=1,
                memcpyAsync=copied,
            ),
            alloc=here.had,
            get_current_stream=lambda: Stream(here),
            Stream=lambda non_blocking=False: Stream(here),
            MemoryPool=Pool,
            PinnedMemoryPointer=PinnedMemory,
            alloc_pinned_memory=PinnedMemory,
            get_allocator=lambda: here.allocator,
            using_allocator=partial(allocating, here),
        )

    def get_default_memory_pool(self) -> Pool:
        return Pool()

    def __getattr__(self, name: str) -> Any:
        return _of_module(np, name, name)

    def asarray(self, value: Any, dtype: Any = None, order: Any = None) -> Any:
        if isinstance(value, DeviceArray):
            return value if dtype is None or value.dtype == dtype else value.astype(dtype)
        met("a copy to the GPU")
        return self._here.put(np.asarray(value, dtype))

    def array(self, value: Any, dtype: Any = None, copy: bool = True, order: str = "K") -> Any:
        if not isinstance(value, DeviceArray):
            met("a copy to the GPU")
        made = self._here.put(np.array(unwrapped(value), dtype, order=order))
        if Recording.now is not None:
            computed(made.host.__setitem__, (..., unwrapped(value)), {})
        return made

    def asnumpy(self, value: Any) -> Any:
        return value.get() if isinstance(value, DeviceArray) else np.asarray(value)

    def empty(self, shape: Any, dtype: Any = float, order: str = "C") -> Any:
        return self._here.empty(tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),), dtype)

    def empty_like(self, model: DeviceArray, dtype: Any = None, *, shape: Any = None) -> Any:
        if shape is not None:
            return self.empty(shape, model.dtype if dtype is None else dtype)
        order = sorted(range(model.ndim), key=lambda axis: -abs(model.strides[axis]))
        dense = self.empty([model.shape[axis] for axis in order], model.dtype if dtype is None else dtype)
        return dense.transpose(tuple(np.argsort(order).tolist())) if order else dense


def _of_module(module: Any, name: str, path: str) -> Any:
    found = {"take": take, "take_along_axis": take_along_axis}.get(name) or getattr(module, name)
    if name in WAITING:
        met(name)
    if isinstance(found, ModuleType):
        return _Submodule(found, path)
    if isinstance(found, np.ufunc):
        known(path)
        return Ufunc(found)
    return called(found, known(path))


class _Submodule:
    """A module in the library, as ``linalg``."""

    def __init__(self, module: Any, path: str) -> None:
        self._module, self._path = module, path

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _of_module(self._module, name, f"{self._path}.{name}")


SUMMABLE = ["int32", "int64", "uint32", "uint64", "float16", "float32", "float64"]
METHODS = {
    "at": ("add", "subtract", "bitwise_and", "bitwise_or", "bitwise_xor"),
    "reduce": ("add", "multiply"),
    "accumulate": ("add", "multiply"),
    "reduceat": ("add",),
}
"""The universal functions for which CuPy has a method."""


class Ufunc:
    """A universal function of device arrays, with the methods that CuPy's have."""

    def __init__(self, ufunc: Any) -> None:
        self._ufunc = ufunc

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        return called(self._ufunc)(*inputs, **settings)

    def __getattr__(self, name: str) -> Any:
        if self._ufunc.__name__ not in METHODS.get(name, (self._ufunc.__name__,)):
            raise NotImplementedError(f"`{self._ufunc.__name__}.{name}` is not supported yet")
        method = called(getattr(self._ufunc, name))
        if name != "at":
            return method

        def at(a: Any, index: Any, values: Any) -> None:
            if values.dtype.name not in SUMMABLE:
                raise TypeError(f"cupy.add.at does not support {values.dtype}")
            computed(self._ufunc.at, (unwrapped(a), around(index, a.shape), unwrapped(values)), {})

        return at
