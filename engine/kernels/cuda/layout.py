"""How arrays lie in memory, in plain numbers: which axes may be walked as one, in which order, and grids that cover them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from ...dtype import Array, Dtype
from .machine import Machine

__all__ = [
    "Walk",
    "blocks_for",
    "channels_last",
    "dense_order",
    "empty_in_order",
    "empty_like",
    "in_memory",
    "maker",
    "walk",
]

Strides = tuple[int, ...]

THREADS = 256
"""Threads of a block where nothing speaks for another number."""
BLOCKS_EACH = 32
"""Blocks for each multiprocessor of a loop over many elements: several times what it has room for, so that none is long without work."""


class Walk(tuple[tuple[int, ...], tuple[Strides, ...]]):
    """The sizes of a walk over several arrays at once, outermost first, and each array's strides in elements."""

    __slots__ = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, without those of 1."""
        return self[0]

    @property
    def strides(self) -> tuple[Strides, ...]:
        """For each array, how many elements apart the neighbours along each axis are; 0 along a broadcast axis."""
        return self[1]

    @property
    def is_flat(self) -> bool:
        """Whether every array is walked from one end to the other in steps of 1."""
        return not self[0] or (len(self[0]) == 1 and all(steps == (1,) for steps in self[1]))


def walk(shape: Sequence[int], *arrays: Array) -> Walk:
    """The shortest walk over arrays that broadcast to ``shape``, in the order in which the first lies in memory.

    Axes that all arrays step through as through one are joined. Strides may be negative, or 0 where an array is broadcast.
    """
    ndim = len(shape)
    steps = []
    for array in arrays:
        lead = ndim - array.ndim
        own = [
            stride // array.itemsize if size != 1 else 0
            for stride, size in zip(array.strides, array.shape, strict=True)
        ]
        steps.append([0] * lead + own)
    axes = [axis for axis in range(ndim) if shape[axis] != 1]
    if steps:
        axes.sort(key=lambda axis: tuple(-abs(each[axis]) for each in steps))
    sizes: list[int] = []
    merged: list[list[int]] = [[] for _ in steps]
    for axis in axes:
        if sizes and all(row[-1] == each[axis] * shape[axis] for row, each in zip(merged, steps, strict=True)):
            sizes[-1] *= shape[axis]
            for row, each in zip(merged, steps, strict=True):
                row[-1] = each[axis]
        else:
            sizes.append(shape[axis])
            for row, each in zip(merged, steps, strict=True):
                row.append(each[axis])
    return Walk((tuple(sizes), tuple(tuple(row) for row in merged)))


def dense_order(array: Array) -> tuple[int, ...] | None:
    """The axes from the outermost to the innermost in memory, if the array fills its memory without gaps; else None."""
    return _order(array.shape, array.strides, array.itemsize)


@lru_cache(4096)
def _order(shape: tuple[int, ...], strides: Strides, itemsize: int) -> tuple[int, ...] | None:
    order = sorted(range(len(shape)), key=lambda axis: (-strides[axis], axis))
    expected = itemsize
    for axis in reversed(order):
        if shape[axis] != 1:
            if strides[axis] != expected:
                return None
            expected *= shape[axis]
    return tuple(order)


def channels_last(ndim: int) -> tuple[int, ...]:
    """The order of (batch, channels, ...) images whose channels lie side by side."""
    return (0, *range(2, ndim), 1)


def empty_in_order(here: Machine, shape: tuple[int, ...], dtype: Dtype, order: tuple[int, ...]) -> Array:
    """An array without gaps whose axes lie in memory in this order, the outermost first."""
    if order == tuple(range(len(shape))):
        return here.empty(shape, dtype)
    return maker(here, shape, dtype, order)()


def maker(
    here: Machine, shape: tuple[int, ...], dtype: Dtype, order: tuple[int, ...] | None = None
) -> Callable[[], Array]:
    """For a plan: what makes arrays without gaps whose axes lie in memory in this order (row order if None), the outermost first."""
    size = dtype.itemsize * math.prod(shape)
    apart = [axis for axis in order or () if shape[axis] != 1]
    if apart == sorted(apart):
        return partial(here.lying, size, shape, dtype, None)
    if size:
        return partial(here.lying, size, shape, dtype, in_memory(shape, order or (), dtype.itemsize))
    inner, back = tuple(shape[axis] for axis in order or ()), sorted(range(len(shape)), key=(order or ()).__getitem__)
    return lambda: here.empty(inner, dtype).transpose(back)


def in_memory(shape: tuple[int, ...], order: tuple[int, ...], itemsize: int) -> Strides:
    """The strides in bytes of an array without gaps whose axes lie in this order, the outermost first."""
    strides, step = [0] * len(shape), itemsize
    for axis in reversed(order):
        strides[axis] = step
        step *= max(shape[axis], 1)
    return tuple(strides)


def empty_like(here: Machine, array: Array, dtype: Dtype | None = None) -> Array:
    """An array of this shape that lies in memory in the same order, without gaps."""
    shape, dtype = array.shape, dtype or array.dtype
    order, size, strides = _alike(shape, array.strides, array.itemsize, dtype.itemsize)
    return here.lying(size, shape, dtype, strides) if size else empty_in_order(here, shape, dtype, order)


@lru_cache(4096)
def _alike(
    shape: tuple[int, ...], strides: Strides, itemsize: int, wanted: int
) -> tuple[tuple[int, ...], int, Strides | None]:
    """The order of an array's axes; the bytes, and the strides if that is not row order, of one in the same order with elements of the ``wanted`` size."""
    order = _order(shape, strides, itemsize)
    if order is None:
        order = tuple(sorted(range(len(shape)), key=lambda axis: (-abs(strides[axis]), axis)))
    apart = [axis for axis in order if shape[axis] != 1]
    size = wanted * math.prod(shape)
    return order, size, None if apart == sorted(apart) else in_memory(shape, order, wanted)


def blocks_for(here: Machine, elements: int, each: int = 1, threads: int = THREADS) -> int:
    """Blocks for a loop over so many elements, of which a thread takes ``each`` at a time."""
    wanted = -(-elements // (each * threads))
    return max(1, min(wanted, here.processors * BLOCKS_EACH)) if elements else 0
