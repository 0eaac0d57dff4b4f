"""A machine that runs the CUDA sources on a CPU: for tests of kernels where there is no GPU.

Its arrays are NumPy's behind a type of their own, which the engine takes for CuPy's. Memory that `empty` gives is
filled with NaN and has a guard on either side: a kernel that writes past an array's ends, or leaves an element out,
is found. Threads run in ascending and, by a second machine, in descending order, which shows most missing barriers.
"""

from __future__ import annotations

import ctypes
import hashlib
import re
import shutil
import subprocess
import tempfile
import weakref
from contextlib import nullcontext
from pathlib import Path
from struct import Struct
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parents[1] / "engine" / "kernels" / "cuda" / "emulator"
GUARD = 256
_ENTRY = re.compile(r'extern "C" __global__ void(?:\s+__launch_bounds__\([^)]*\))?\s+(\w+)\s*\(')
_folder = tempfile.TemporaryDirectory(prefix="numzoo-emulated-")


def compiler() -> str | None:
    """A C++ compiler on this machine."""
    return shutil.which("g++") or shutil.which("clang++")


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
        if any(isinstance(value, np.ndarray) and value.ndim for value in inputs):
            raise TypeError(f"Unsupported type {np.ndarray}")
        return computed(getattr(ufunc, method), unwrapped(inputs), unwrapped(settings))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return called(getattr(self.host, name))

    @property
    def device(self) -> Any:
        return Device(0)

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self.host.ctypes.data)

    def get(self) -> Any:
        return np.array(self.host)

    def __getitem__(self, index: Any) -> Any:
        return computed(self.host.__getitem__, (unwrapped(index),), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise TypeError(f"Unsupported type {np.ndarray}")
        computed(self.host.__setitem__, (unwrapped(index), unwrapped(value)), {})

    def __len__(self) -> int:
        return len(self.host)

    def __bool__(self) -> bool:
        return bool(self.host)

    def __int__(self) -> int:
        return int(self.host)

    def __index__(self) -> int:
        return int(self.host.__index__())

    def __float__(self) -> float:
        return float(self.host)

    def __repr__(self) -> str:
        return repr(self.host)


def _operator(name: str) -> Any:
    def apply(self: DeviceArray, *others: Any) -> Any:
        if any(isinstance(other, np.ndarray) and other.ndim for other in others):
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
        return value.host
    if type(value) in (list, tuple):
        return type(value)(unwrapped(item) for item in value)
    if type(value) is dict:
        return {key: unwrapped(item) for key, item in value.items()}
    return value


def wrapped(value: Any) -> Any:
    """The same with device arrays in the places of NumPy's arrays and numbers."""
    if isinstance(value, (np.ndarray, np.generic)):
        return DeviceArray(np.asarray(value))
    if type(value) in (list, tuple):
        return type(value)(wrapped(item) for item in value)
    return value


def called(attribute: Any) -> Any:
    """A function that takes and gives device arrays; what is no function stays as it is."""
    if not callable(attribute) or isinstance(attribute, (type, np.dtype)):
        return wrapped(attribute) if isinstance(attribute, np.ndarray) else attribute

    def call(*inputs: Any, **settings: Any) -> Any:
        return computed(attribute, unwrapped(inputs), unwrapped(settings))

    return call


class Recording:
    """A CUDA graph, emulated: what was computed while it was captured, to be computed again in the same places.

    A real capture runs nothing; here everything runs once, and `end` puts all memory back as it was.
    """

    now: Recording | None = None

    def __init__(self, here: EmulatedMachine) -> None:
        self.steps: list[Any] = []
        self._before = [(raw, raw.copy()) for raw in here.memory()]
        self._known: dict[int, tuple[Any, Any]] = {}

    def touch(self, array: Any) -> None:
        """Remember what NumPy's own memory holds before something is computed into it."""
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        self._known.setdefault(id(root), (root, root.copy()))

    def end(self) -> None:
        """Undo what happened meanwhile."""
        for memory, before in [*self._before, *self._known.values()]:
            memory[...] = before

    def launch(self, stream: Any = None) -> None:
        """Replay."""
        for step in self.steps:
            step()


def computed(function: Any, inputs: Any, settings: Any) -> Any:
    """What a NumPy function gives, as device arrays; in a capture it is recorded too."""
    recording = Recording.now
    if recording is None:
        return wrapped(function(*inputs, **settings))
    owner = getattr(function, "__self__", None)
    for value in (owner, *inputs, *settings.values()):
        if isinstance(value, np.ndarray) and value.flags.writeable:
            recording.touch(value)
    result = function(*inputs, **settings)
    if isinstance(result, np.generic):
        result = np.asarray(result)

    def again() -> None:
        found = function(*inputs, **settings)
        for place, value in zip(*((r if isinstance(r, (tuple, list)) else [r]) for r in (result, found)), strict=True):
            if isinstance(place, np.ndarray) and place.flags.writeable and not np.may_share_memory(place, value):
                place[...] = value

    recording.steps.append(again)
    return wrapped(result)


class Stream:
    """CuPy's class of that name: the only stream there is, which can be captured."""

    ptr = 0

    def __init__(self, here: EmulatedMachine) -> None:
        self._here = here

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def record(self) -> None:
        """Nothing is ever under way."""

    def wait_event(self, event: Any) -> None: ...

    def synchronize(self) -> None: ...

    def begin_capture(self) -> None:
        """Record from now on."""
        Recording.now = Recording(self._here)

    def end_capture(self) -> Recording:
        """What was recorded."""
        recording, Recording.now = Recording.now, None
        assert recording is not None, "no capture is under way"
        recording.end()
        return recording


class Pool:
    """CuPy's memory pool, which counts nothing here."""

    def malloc(self, size: int) -> None: ...

    def used_bytes(self) -> int:
        """None."""
        return 0

    def total_bytes(self) -> int:
        """None."""
        return 0

    def free_all_blocks(self) -> None: ...


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
                getDeviceCount=lambda: 1, getDevice=lambda: 0, memGetInfo=lambda: (1 << 30, 2 << 30)
            ),
            get_current_stream=lambda: Stream(here),
            Stream=lambda non_blocking=False: Stream(here),
            MemoryPool=Pool,
            using_allocator=lambda allocator: nullcontext(),
        )

    def get_default_memory_pool(self) -> Pool:
        return Pool()

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if isinstance(found, ModuleType):
            return SimpleNamespace(
                **{key: called(value) for key, value in vars(found).items() if not key.startswith("_")}
            )
        if isinstance(found, np.ufunc):
            return Ufunc(found)
        return called(found)

    def asarray(self, value: Any, dtype: Any = None, order: Any = None) -> Any:
        if isinstance(value, DeviceArray):
            return value if dtype is None or value.dtype == dtype else value.astype(dtype)
        return self._here.put(np.asarray(value, dtype))

    def array(self, value: Any, dtype: Any = None, copy: bool = True) -> Any:
        return self._here.put(np.asarray(unwrapped(value), dtype))

    def asnumpy(self, value: Any) -> Any:
        return value.get() if isinstance(value, DeviceArray) else np.asarray(value)

    def empty(self, shape: Any, dtype: Any = float, order: str = "C") -> Any:
        return self._here.empty(tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),), dtype)


class Ufunc:
    """A universal function of device arrays, with its methods."""

    def __init__(self, ufunc: Any) -> None:
        self._ufunc = ufunc

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        return called(self._ufunc)(*inputs, **settings)

    def __getattr__(self, name: str) -> Any:
        return called(getattr(self._ufunc, name))


class EmulatedMachine:
    """See above; `launched` lists what ran."""

    architecture = "sm_90a"
    processors = 4

    def __init__(self, *, descending: bool = False) -> None:
        self.xp = Namespace(self)
        self.descending = descending
        self.launched: list[str] = []
        self._guards: list[weakref.ref[Any]] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        raw = np.full(size + 3 * GUARD, 0xFF, np.uint8)
        start = GUARD + -(raw.ctypes.data + GUARD) % GUARD
        held = _Guarded(raw, start, size)
        self._guards.append(weakref.ref(held))
        return DeviceArray(np.asarray(held).view(kind).reshape(shape) if size else np.empty(shape, kind))

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        array = self.empty(shape, dtype)
        array.host[...] = 0
        return array

    def put(self, array: Any) -> Any:
        """A NumPy array on this machine, with the same strides (its memory starts where an allocation does)."""
        array = np.asarray(array)
        order = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        dense = self.empty(tuple(array.shape[axis] for axis in order), array.dtype)
        back = dense.transpose(np.argsort(order)) if array.ndim else dense
        back.host[...] = array
        return back

    def address(self, array: Any) -> int:
        return int(array.host.ctypes.data)

    def stream(self) -> int:
        return 0

    def load(self, source: str, name: str, headers: dict[str, str], options: tuple[str, ...]) -> Any:
        texts = {**headers, "hardware.cuh": (HERE / "hardware.cuh").read_text()}
        whole = source
        for _ in range(4):
            for header, text in texts.items():
                whole = whole.replace(f'#include "{header}"', text, 1)
        whole += "\n" + "\n".join(f"EMULATE({entry})" for entry in _ENTRY.findall(source))
        key = hashlib.sha256("\0".join([whole, *options]).encode()).hexdigest()[:24]
        place = Path(_folder.name) / f"{key}.so"
        if not place.exists():
            unit = place.with_suffix(".cpp")
            unit.write_text(whole)
            command = [
                str(compiler()),
                "-std=c++17",
                "-O1",
                "-shared",
                "-fPIC",
                "-ffp-contract=off",
                "-fno-strict-aliasing",
            ]
            command += ["-w", "-include", str(HERE / "emulator.h"), *options, str(unit), "-o", str(place)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            assert ended.returncode == 0, f"{name} {options}:\n{ended.stderr[:4000]}"
        return ctypes.CDLL(str(place))

    def entry(self, module: Any, name: str) -> Any:
        run, size = getattr(module, f"emulate_{name}"), getattr(module, f"bytes_of_{name}")
        run.restype, size.restype = ctypes.c_char_p, ctypes.c_size_t

        def launch(grid: Any, block: Any, shared: int, layout: Struct, arguments: Any) -> None:
            assert layout.size == size(), f"{name} takes {size()} bytes of arguments, but {layout.size} are packed"
            assert shared <= 227 << 10
            packed, sizes = layout.pack(*arguments), (ctypes.c_uint * 6)(*grid, *block)

            def execute() -> None:
                complaint = run(packed, sizes, int(self.descending))
                assert not complaint, f"{name}: {complaint.decode()}"
                self.launched.append(name)
                self._check_guards(name)

            if Recording.now is not None:
                Recording.now.steps.append(execute)
            execute()

        return launch

    def memory(self) -> list[Any]:
        """The bytes of all arrays that live now."""
        return [held.inner for held in (reference() for reference in self._guards) if held is not None]

    def _check_guards(self, name: str) -> None:
        living = []
        for reference in self._guards:
            held = reference()
            if held is not None:
                assert held.whole(), f"{name} wrote outside of an array of {held.size} bytes"
                living.append(reference)
        self._guards = living


class _Guarded:
    """Bytes between two guards, as an array's memory."""

    def __init__(self, raw: Any, start: int, size: int) -> None:
        self.raw, self.start, self.size = raw, start, size
        self.inner = raw[start : start + size]
        self.__array_interface__ = self.inner.__array_interface__

    def whole(self) -> bool:
        before, after = self.raw[: self.start], self.raw[self.start + self.size :]
        return bool((before == 0xFF).all() and (after == 0xFF).all())
