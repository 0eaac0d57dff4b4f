"""Copies from one memory layout to another, by oneDNN where it can and by NumPy where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import packs, pool
from .library import Library
from .memory import (
    BYTE,
    Array,
    Layout,
    address,
    channels_last_strides,
    element_strides,
)
from .primitive import (
    DESTINATION,
    SOURCE,
    Primitive,
    describe_reorder,
    signature,
)

Fetch = Callable[[Array], Array]


def as_channels_last(library: Library, array: Array) -> Fetch:
    """A function that gives such an (N, C, ...) array in channels-last memory: the array itself where it is."""
    return as_layout(library, array, channels_last_strides(array.shape))


def as_layout(library: Library, array: Array, strides: tuple[int, ...]) -> Fetch:
    """A function that gives such an array in a dense layout (strides in elements): the array itself where it is."""
    shape, dtype = array.shape, array.dtype
    in_bytes = tuple(stride * dtype.itemsize for stride in strides)
    if all(n == 1 or have == want for n, have, want in zip(shape, array.strides, in_bytes, strict=True)):
        return lambda array: array
    allocate = pool.allocator(shape, dtype, in_bytes)
    given = element_strides(array)
    description = None
    if given is not None:
        description = describe_reorder(
            library, Layout(library, shape, dtype, given), Layout(library, shape, dtype, strides)
        )
    if description is None:

        def copy(array: Array) -> Array:
            result = allocate()
            np.copyto(result, array)
            return result

        return copy
    run = Primitive(description, (SOURCE, DESTINATION)).run

    def reorder(array: Array) -> Array:
        result = allocate()
        run(address(array), address(result))
        return result

    return reorder


def channels_last_allocator(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Callable[[], Array]:
    """A function that gives an uninitialised (N, C, H, W) array in channels-last memory."""
    return pool.allocator(shape, dtype, tuple(stride * dtype.itemsize for stride in channels_last_strides(shape)))


def as_dense(array: Array) -> Fetch:
    """A function that gives such an array C-contiguous."""
    if array.flags.c_contiguous:
        return lambda array: array
    allocate = pool.allocator(array.shape, array.dtype)

    def copy(array: Array) -> Array:
        result = allocate()
        np.copyto(result, array)
        return result

    return copy


def packer(
    library: Library, array: Array, source: Layout, destination: int, *, keep: bool, sparing: bool = False
) -> Fetch | None:
    """A function that gives such weights in the layout `destination`, as bytes; kept per array if `keep`; if `sparing`, where `packs.worth_keeping`.

    `source` describes the array, perhaps with other axes. None where oneDNN has no such copy.
    """
    description = describe_reorder(library, source, destination)
    if description is None:
        return None
    run = Primitive(description, (SOURCE, DESTINATION)).run
    size = int(library.layout_bytes(destination))
    obtain, allocate = packs.obtain, pool.allocator((size,), BYTE)

    def make(array: Array) -> Array:
        result = np.empty(size + 64, np.uint8)
        result = result[-address(result) % 64 :][:size]
        run(address(array), address(result))
        return result

    def temporary(array: Array) -> Array:
        result = allocate()
        run(address(array), address(result))
        return result

    if not keep:
        return temporary
    token = pack_token(library, array, destination)
    find, worth_keeping = packs.find, packs.worth_keeping

    def kept(array: Array) -> Array:
        found = find(array, token)
        if found is None:
            return obtain(array, token, make) if not sparing or worth_keeping(array, token) else temporary(array)
        return found  # type: ignore[no-any-return]

    return kept


def pack_token(library: Library, array: Array, destination: int) -> tuple[object, ...]:
    """What a pack of such weights in the layout `destination` is kept under."""
    return (array.shape, array.strides, array.dtype, *signature(library, destination))
