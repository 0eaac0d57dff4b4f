"""Arrays as oneDNN sees them: an address, a shape, strides in elements and a data type."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, TypeAlias

import ml_dtypes
import numpy as np

from .library import OUT_OF_MEMORY, Library

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
# What a kernel answers: an array, several, or NotImplemented where the body is to compute.
Result: TypeAlias = Any

BYTE = np.dtype(np.uint8)
FLOAT32 = np.dtype(np.float32)
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT16 = np.dtype(np.float16)
DATA_TYPES: dict[np.dtype[Any], int] = {
    FLOAT16: 1,
    BFLOAT16: 2,
    FLOAT32: 3,
    np.dtype(np.int32): 4,
    np.dtype(np.int8): 5,
    BYTE: 6,
}
FLOATS = frozenset((FLOAT32, BFLOAT16, FLOAT16))
TAG_ANY = 1
MOST_DIMENSIONS = 12

# NumPy's array object begins with Python's object head, then the data pointer: a part of its C ABI since 1.0. Reading
# it there takes a tenth of the time of `array.ctypes.data`.
_POINTER_OFFSET = object.__basicsize__
_read = ctypes.c_size_t.from_address


def address(array: Array) -> int:
    """Where the array's first element lies."""
    return _read(id(array) + _POINTER_OFFSET).value


def _slow_address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


_probe = np.zeros(4, np.uint8)[1:]
if address(_probe) != _slow_address(_probe):  # an interpreter whose objects look different
    address = _slow_address


class RefusedError(Exception):
    """oneDNN does not take this combination, so the body is to compute."""


def refusal(what: str, code: int) -> Exception:
    """The error that a status of oneDNN's stands for."""
    if code == OUT_OF_MEMORY:
        return MemoryError(f"oneDNN has not enough memory for {what}")
    return RefusedError(f"oneDNN refuses {what} (status {code})")


class Layout:
    """A oneDNN memory descriptor. `strides` are in elements; without them the primitive chooses its own (tag any)."""

    __slots__ = ("_destroy", "handle")

    def __init__(
        self, library: Library, shape: tuple[int, ...], dtype: np.dtype[Any], strides: tuple[int, ...] | None = None
    ) -> None:
        self._destroy = library.layout_destroy
        handle = ctypes.c_void_p()
        self.handle: int | None = None
        kind = DATA_TYPES[dtype]
        if strides is None:
            code = library.layout_create_tag(ctypes.byref(handle), len(shape), vector(shape), kind, TAG_ANY)
        else:
            code = library.layout_create(ctypes.byref(handle), len(shape), vector(shape), kind, vector(strides))
        if code:
            raise refusal(f"the layout {shape} {dtype} with strides {strides}", code)
        self.handle = handle.value

    def __del__(self) -> None:
        if self.handle is not None:
            self._destroy(self.handle)


def vector(values: tuple[int, ...]) -> ctypes.Array[ctypes.c_int64]:
    """Integers as the C interface takes them."""
    return (ctypes.c_int64 * len(values))(*map(int, values))


def element_strides(array: Array) -> tuple[int, ...] | None:
    """Strides in elements, those of axes of length one made regular; None where oneDNN cannot express them.

    It cannot express steps back, steps of parts of an element, repetition (a step of 0) and overlap.
    """
    size = array.itemsize
    strides = []
    regular = 1
    for length, stride in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if length == 1:
            stride = regular
        elif stride <= 0 or stride % size:
            return None
        else:
            stride //= size
        strides.append(stride)
        regular = max(regular, stride * length)
    strides.reverse()
    return tuple(strides) if disjoint(array.shape, strides) else None


def disjoint(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether no two elements share memory, as far as sorting the axes by their steps can tell."""
    taken = 0
    for stride, length in sorted(zip(strides, shape, strict=True)):
        if length > 1:
            if stride < taken:
                return False
            taken = stride * length
    return True


def dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of a C-contiguous array."""
    strides = []
    step = 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def channels_last_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides in elements of an (N, C, ...) array whose memory is (N, ..., C)."""
    channels = shape[1]
    strides = dense_strides((shape[0], *shape[2:], channels))
    return (strides[0], strides[-1], *strides[1:-1])


def is_dense(array: Array) -> bool:
    """Whether the elements fill one stretch of memory without gaps, in any order of the axes."""
    step = array.itemsize
    for stride, length in sorted((s, n) for s, n in zip(array.strides, array.shape, strict=True) if n != 1):
        if stride != step:
            return False
        step *= length
    return True
