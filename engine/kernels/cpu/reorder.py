"""Copies from one memory layout to another, by oneDNN where it can and by NumPy where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numzoo.engine.kernels.cpu import packs, pool
from numzoo.engine.kernels.cpu.library import Library
from numzoo.engine.kernels.cpu.memory import (
    BYTE,
    Array,
    Layout,
    address,
    channels_last_strides,
    element_strides,
    is_channels_last,
)
from numzoo.engine.kernels.cpu.primitive import (
    DESTINATION,
    SOURCE,
    Primitive,
    describe_reorder,
    signature,
)

def as_channels_last(library: Library, array: Array) -> Callable[[Array], Array]:
    """A function that gives such an (N, C, H, W) array in channels-last memory: the array itself where it is."""
    if is_channels_last(array):
        return lambda array: array
    shape, dtype = array.shape, array.dtype
    wanted = channels_last_strides(shape)
    allocate = channels_last_allocator(shape, dtype)
    strides = element_strides(array)
    description = None
    if strides is not None:
        description = describe_reorder(library, Layout(library, shape, dtype, strides), Layout(library, shape, dtype, wanted))
    if description is None:

        def copy(array: Array) -> Array:
            result = allocate()
            np.copyto(result, array)
            return result

        return copy
    primitive = Primitive(description, (SOURCE, DESTINATION))

    def reorder(array: Array) -> Array:
        result = allocate()
        primitive.run(address(array), address(result))
        return result

    return reorder


def channels_last_allocator(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Callable[[], Array]:
    """A function that gives an uninitialised (N, C, H, W) array in channels-last memory."""
    return pool.allocator(shape, dtype, tuple(stride * dtype.itemsize for stride in channels_last_strides(shape)))


def as_dense(array: Array) -> Callable[[Array], Array]:
    """A function that gives such an array C-contiguous."""
    if array.flags.c_contiguous:
        return lambda array: array
    allocate = pool.allocator(array.shape, array.dtype)

    def copy(array: Array) -> Array:
        result = allocate()
        np.copyto(result, array)
        return result

    return copy


def packer(library: Library, array: Array, source: Layout, destination: int, *, keep: bool) -> Callable[[Array], Array] | None:
    """A function that gives such weights in the layout `destination`, as bytes; kept per array if `keep`.

    `source` describes the array, perhaps with other axes. None where oneDNN has no such copy.
    """
    description = describe_reorder(library, source, destination)
    if description is None:
        return None
    primitive = Primitive(description, (SOURCE, DESTINATION))
    size = int(library.layout_bytes(destination))
    obtain, allocate = packs.obtain, pool.allocator((size,), BYTE)

    def make(array: Array) -> Array:
        result = np.empty(size + 64, np.uint8)
        result = result[-address(result) % 64 :][:size]
        primitive.run(address(array), address(result))
        return result

    def temporary(array: Array) -> Array:
        result = allocate()
        primitive.run(address(array), address(result))
        return result

    if not keep:
        return temporary
    token = (array.shape, array.strides, array.dtype, *signature(library, destination))
    find = packs.find

    def kept(array: Array) -> Array:
        found = find(array, token)
        return obtain(array, token, make) if found is None else found

    return kept
