"""A GPU that computes nothing: what models ask of the host is seen without one, on any machine where CuPy imports.

    null_gpu.install()                      # before the first tensor goes to "cuda"
    model.to("cuda")                        # all of the engine's and the kernels' Python runs; launches are counted, and nothing is launched

Arrays are CuPy's own, so that shapes, strides and views cost what they cost there. Allocation, the driver's launch and the
calls of cuDNN and cublasLt do nothing: their own time is missing. What the kernels leave to CuPy is imitated by what NumPy gives
for such shapes; numbers that come back are zeros.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
from collections import Counter
from contextlib import nullcontext
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from typing import Any

import cupy
import ml_dtypes  # noqa: F401  (bfloat16 must be known to NumPy)
import numpy as np

ADDRESS = 1 << 40
LARGEST = 1 << 46
_place = cupy.cuda.MemoryPointer(cupy.cuda.UnownedMemory(ADDRESS, LARGEST, None, 0), 0)

counted: Counter[str] = Counter()
"""What was launched: entry points, "cuDNN", "cublasLt", "allocation", and "cupy NAME" of what was left to CuPy."""


class Array(cupy.ndarray):
    """CuPy's array without memory. Its views are CuPy's own doing."""

    __module__ = "cupy.null"

    @property
    def device(self) -> Any:
        """The only one."""
        return _device

    @property
    def __cuda_array_interface__(self) -> Any:
        return {"shape": self.shape, "strides": self.strides, "typestr": self.dtype.str, "data": (self.data.ptr, False)}

    def get(self, *_: Any, **__: Any) -> Any:
        """Zeros."""
        return np.zeros(self.shape, self.dtype)

    def set(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def item(self, *_: Any) -> Any:
        """Zero."""
        return np.zeros((), self.dtype).item()

    def fill(self, value: Any) -> None:
        """Nothing."""
        counted["cupy fill"] += 1

    def __bool__(self) -> bool:
        return False

    def __int__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __setitem__(self, index: Any, value: Any) -> None:
        counted["cupy setitem"] += 1

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, (cupy.ndarray, np.ndarray, list)) for part in parts):
            return _imitated("getitem", lambda array, *rest: array[tuple(rest)], (self, *parts), {})
        return cupy.ndarray.__getitem__(self, index)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        return _imitated(ufunc.__name__, getattr(ufunc, method), inputs, settings)


def apart(shape: Any, dtype: Any) -> Array:
    """An array that shares its memory with no other of these: parameters and states are asked whether they do."""
    global _taken
    made = Array(shape, dtype, _place + _taken)
    _taken += -(-made.nbytes // 512) * 512
    return made


_taken = 1 << 30


_known: dict[Any, Any] = {}


def _imitated(name: str, function: Any, inputs: Any, settings: Any) -> Any:
    """An array like what NumPy's function gives for inputs of these shapes; asked once, for it is slow."""
    counted[f"cupy {name}"] += 1
    if "out" in settings:
        return settings["out"]
    key = (name, _likeness(inputs), _likeness(settings))
    found = _known.get(key)
    if found is None:
        with np.errstate(all="ignore"):
            found = _known[key] = _likeness_of(function(*_hollow(inputs), **_hollow(settings)))
    return _made(found)


def _likeness(value: Any) -> Any:
    if isinstance(value, (cupy.ndarray, np.ndarray)):
        return (value.shape, value.dtype, value.strides)
    if isinstance(value, (list, tuple)):
        return tuple(map(_likeness, value))
    return tuple((key, _likeness(each)) for key, each in value.items()) if isinstance(value, dict) else repr(value)


def _hollow(value: Any) -> Any:
    """The same, with arrays of zeros that take no memory."""
    if isinstance(value, cupy.ndarray):
        return np.broadcast_to(np.zeros((), value.dtype), value.shape)
    if isinstance(value, (list, tuple)):
        return type(value)(map(_hollow, value))
    return {key: _hollow(each) for key, each in value.items()} if isinstance(value, dict) else value


def _likeness_of(result: Any) -> Any:
    if isinstance(result, (list, tuple)):
        return [_likeness_of(each) for each in result]
    return (result.shape, result.dtype) if isinstance(result, (np.ndarray, np.generic)) else SimpleNamespace(is_=result)


def _made(found: Any) -> Any:
    if isinstance(found, list):
        return tuple(map(_made, found))
    return apart(*found) if isinstance(found, tuple) else found.is_


def _method(name: str) -> Any:
    def method(self: Any, *inputs: Any, **settings: Any) -> Any:
        return _imitated(name.strip("_"), lambda array, *rest, **more: getattr(array, name)(*rest, **more), (self, *inputs), settings)  # fmt: skip

    return method


_METHODS = "astype copy sum mean max min any all prod cumsum argmax argmin argsort nonzero repeat take clip dot round searchsorted"
_OPERATORS = "add sub mul truediv floordiv mod pow matmul and or xor lt le gt ge eq ne radd rsub rmul rtruediv rpow neg abs invert"
for _name in [*_METHODS.split(), *(f"__{operator}__" for operator in _OPERATORS.split())]:
    setattr(Array, _name, _method(_name))
for _name in ("iadd", "isub", "imul", "itruediv", "iand", "ior"):
    setattr(Array, f"__{_name}__", lambda self, other: self)
Array.__hash__ = None  # type: ignore[assignment]


class Library:
    """The module ``cupy``, whose functions compute nothing."""

    ndarray = Array
    broadcast_to = staticmethod(cupy.broadcast_to)
    cuda = SimpleNamespace(
        Device=lambda index=0: _device,
        MemoryPool=lambda *_: SimpleNamespace(malloc=None, free_all_blocks=lambda: None),
        Stream=lambda **_: _Stream(),
        alloc_pinned_memory=bytearray,
        alloc=lambda _: None,
        get_allocator=lambda: None,
        using_allocator=lambda _: nullcontext(),
        get_current_stream=lambda: _Stream(),
        is_available=lambda: True,
        runtime=SimpleNamespace(
            free=lambda _: None,
            getDevice=lambda: 0,
            getDeviceCount=lambda: 1,
            getDeviceProperties=lambda _: {"name": b"none", "major": 9, "minor": 0, "multiProcessorCount": 132},
            memGetInfo=lambda: (LARGEST, LARGEST),
            memcpyAsync=lambda *_: None,
            memcpyHostToDevice=1,
        ),
    )

    def __getattr__(self, name: str) -> Any:
        own = getattr(np, name, None)
        if not callable(own) or isinstance(own, type):
            return getattr(cupy, name) if own is None or isinstance(own, ModuleType) else own

        def function(*inputs: Any, **settings: Any) -> Any:
            if name == "asarray" and isinstance(inputs[0], cupy.ndarray) and len(inputs) == 1:
                return inputs[0]
            return _imitated(name, own, inputs, settings)

        function.__name__ = name
        setattr(self, name, function)
        return function

    def empty(self, shape: Any, dtype: Any = float, *_: Any, **__: Any) -> Array:
        """An array of this shape."""
        counted["allocation"] += 1
        return apart(shape, dtype)

    def asnumpy(self, array: Any) -> Any:
        """Zeros."""
        return array.get()

    def get_default_memory_pool(self) -> Any:
        """One that holds nothing."""
        return SimpleNamespace(
            free_all_blocks=lambda: None, free_bytes=lambda: 0, used_bytes=lambda: 0, total_bytes=lambda: 0
        )


class _Device(nullcontext[Any]):
    id = 0

    def synchronize(self) -> None:
        """Nothing is under way."""


_device = _Device()


class _Stream(nullcontext[Any]):
    ptr = 0

    def begin_capture(self) -> None:
        """Whatever is recorded."""

    def end_capture(self) -> Any:
        """A graph that does nothing."""
        return SimpleNamespace(launch=lambda _: None)

    def record(self, event: Any = None) -> Any:
        """An event that has happened."""
        return SimpleNamespace(synchronize=lambda: None)

    def wait_event(self, _: Any) -> None:
        """It has happened."""

    def synchronize(self) -> None:
        """Nothing is under way."""


_stream = _Stream()


class _Driver:
    """The driver: modules and entry points are their names."""

    @staticmethod
    def moduleGetFunction(module: str, name: str) -> str:  # noqa: N802
        return name

    @staticmethod
    def funcSetAttribute(function: str, attribute: int, value: int) -> None: ...  # noqa: N802

    @staticmethod
    def launchKernel(function: str, *_: Any) -> None:  # noqa: N802
        counted[function] += 1


class _Cudnn:
    """The front end of cuDNN: graphs take whatever is written into them, and run as nothing."""

    class cudnnGraphNotSupportedError(Exception): ...  # noqa: N801

    __version__ = "1.23.0"

    def backend_version(self) -> int:
        return 91900

    def backend_version_string(self) -> str:
        return "9.19.0"

    def create_handle(self) -> int:
        return 1

    def set_stream(self, handle: int, stream: int) -> None: ...

    def pygraph(self, **_: Any) -> Any:
        return _Graph()

    def __getattr__(self, name: str) -> Any:  # its enumerations
        return _Anything()


class _Anything:
    """What has every attribute, takes every call, and counts as several."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self

    def __iter__(self) -> Any:
        return iter((self, self))


class _Graph(_Anything):
    def get_workspace_size(self) -> int:
        return 1 << 20

    def serialize(self) -> bytes:
        return b"plan"

    def _prepare_variant_pack_template(self) -> None: ...

    def _get_variant_pack_uids_sorted(self) -> list[int]:
        return [1, 2, 3]

    def sdpa_backward(self, **_: Any) -> Any:
        return self, self, self

    def _execute_with_raw_ptrs(self, pointers: int, count: int, workspace: int, handle: int) -> None:
        counted["cuDNN"] += 1


class _Lt:
    """nvmath's bindings of cublasLt."""

    MatmulDescAttribute = IntEnum("MatmulDescAttribute", {"TRANSA": 3, "TRANSB": 4, "EPILOGUE": 7, "BIAS_POINTER": 8})
    MatrixLayoutAttribute = IntEnum("MatrixLayoutAttribute", {"BATCH_COUNT": 5, "STRIDED_BATCH_OFFSET": 6})
    MatmulPreferenceAttribute = IntEnum(
        "MatmulPreferenceAttribute",
        {"MAX_WORKSPACE_BYTES": 1, "REDUCTION_SCHEME_MASK": 3}
        | {f"MIN_ALIGNMENT_{letter}_BYTES": 5 + place for place, letter in enumerate("ABCD")},
    )
    matmul_algo_dtype = np.dtype([("data_", "<u8", (8,))])
    matmul_heuristic_result_dtype = np.dtype(
        [("algo", matmul_algo_dtype), ("workspace_size", "<u8"), ("state", "<i4"), ("waves_count", "<f4"), ("reserved", "<i4", (4,))]
    )  # fmt: skip

    class cuBLASLtError(Exception): ...  # noqa: N801

    def get_version(self) -> int:
        return 130000

    def matmul_algo_get_heuristic(self, *arguments: int) -> None:
        ctypes.c_int32.from_address(arguments[-1]).value = 1

    def matmul(self, *_: Any) -> None:
        counted["cublasLt"] += 1

    def __getattr__(self, name: str) -> Any:  # makes, sets and destroys descriptions
        return lambda *_: 1


def install() -> Any:
    """Let "cuda" be this from now on, in this process; gives the machine that the kernels run on."""
    os.environ["NUMZOO_KERNEL_CACHE"] = tempfile.mkdtemp(prefix="numzoo-null-")  # its plans are nobody's
    from numzoo.engine import device
    from numzoo.engine.kernels.cuda import machine
    from numzoo.engine.kernels.cuda.libraries import graphs, lt
    from numzoo.engine.kernels.cuda.libraries import installed as libraries

    class NullMachine(machine.CudaMachine):
        def __init__(self) -> None:
            self.xp = device.cupy()
            self._driver, self._local = _Driver(), threading.local()
            self._current = lambda: _stream
            self.stream = lambda: 0
            self.architecture, self.processors, self.shared_memory = "sm_90a", 132, 227 << 10
            self.memory = memory
            self.lying = machine.laid(SimpleNamespace(ndarray=Array, cuda=cupy.cuda), memory)

        def zeros(self, shape: Any, dtype: Any) -> Any:
            return self.empty(shape, dtype)

        def lasting(self, size: int) -> Any:
            return self.empty((size,), np.dtype(np.uint8))

        def shared_words(self, count: int) -> Any:
            return np.zeros(count, np.int64), ADDRESS

        def load(self, source: str, name: str, headers: Any, options: Any) -> str:
            return name

    def memory(size: int) -> Any:
        global _taken
        counted["allocation"] += 1
        place = _place + _taken
        _taken += -(-size // 512) * 512
        return place

    device._library = Library()
    here = NullMachine()
    machine.use(here)
    libraries._products[id(here)] = lt.Products(here, _Lt(), "none", 32 << 20)
    libraries._engines[id(here)] = graphs.Engines(here, _Cudnn(), "none")
    return here
