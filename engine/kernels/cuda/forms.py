"""What kernels ask of arrays before they plan: their form as a key, rows that lie side by side, and teams of threads for a row."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from ...dtype import Array, Dtype, accumulator
from .machine import Machine
from .program import SCALARS, Kernel, scalars
from .shapes.transposing import copy_like

__all__ = [
    "Rows",
    "Team",
    "as_rows",
    "dense",
    "fetcher",
    "form",
    "gatherer",
    "lies",
    "parameter",
    "plain_rows",
    "row_kernel",
    "row_order",
    "team",
]

VECTOR = 16
"""Bytes of one access."""


def form(array: Array | None) -> Any:
    """What a plan depends on: shape, strides and dtype."""
    return None if array is None else (array.shape, array.strides, array.dtype)


def dense(here: Machine, array: Array) -> Array:
    """The array in row order, without gaps."""
    return array if array.flags.c_contiguous else copy_like(array)


class Rows(NamedTuple):
    """How an array lies as rows: the axes from the outermost to the innermost in memory, how many rows, and how wide."""

    order: tuple[int, ...]
    number: int
    width: int


def row_order(array: Array, axes: int) -> Rows | None:
    """The rows over the last ``axes`` axes, if each lies side by side and they fill their memory in some order of the other axes."""
    lead = array.ndim - axes
    step = array.itemsize
    for axis in range(array.ndim - 1, lead - 1, -1):
        if array.shape[axis] != 1:
            if array.strides[axis] != step:
                return None
            step *= array.shape[axis]
    # Axes of size 1 may say anything of their strides.
    outer = sorted(range(lead), key=lambda axis: (array.shape[axis] != 1, -array.strides[axis], axis))
    for axis in reversed(outer):
        if array.shape[axis] != 1:
            if array.strides[axis] != step:
                return None
            step *= array.shape[axis]
    width = math.prod(array.shape[lead:])
    return Rows((*outer, *range(lead, array.ndim)), array.size // max(width, 1), width)


def plain_rows(array: Array, axes: int) -> Rows:
    """The rows over the last axes of an array in row order."""
    width = math.prod(array.shape[array.ndim - axes :])
    return Rows(tuple(range(array.ndim)), array.size // max(width, 1), width)


def as_rows(here: Machine, array: Array, order: tuple[int, ...]) -> Array:
    """The array with its axes in this order in memory, without gaps: itself if it lies so, else a copy. Its address is what counts."""
    return array if lies(array, order) else copy_like(array, order)


def lies(array: Array, order: tuple[int, ...]) -> bool:
    """Whether an array's axes lie in this order in memory, without gaps."""
    step = array.itemsize
    for axis in reversed(order):
        if array.shape[axis] != 1:
            if array.strides[axis] != step:
                return False
            step *= array.shape[axis]
    return True


Fetch = Callable[[Machine, Any], Any]


def _itself(here: Machine, array: Any) -> Any:
    return array


def fetcher(array: Array | None, order: tuple[int, ...] | None = None) -> Fetch:
    """For a plan: what brings arrays of this form into an order (row order if None); what lies so, or is not there, stays."""
    if array is None:
        return _itself
    if order is None:
        return _itself if array.flags.c_contiguous else lambda here, given: copy_like(given)
    turned = order
    return _itself if lies(array, order) else lambda here, given: copy_like(given, turned)


def gatherer(here: Machine, *samples: tuple[Array | None, tuple[int, ...] | None]) -> Callable[..., list[Any]] | None:
    """For a plan: what brings arrays like these into their orders (see ``fetcher``) and gives all of them; None where they lie so already."""
    fetches = [fetcher(array, order) for array, order in samples]
    if all(fetch is _itself for fetch in fetches):
        return None
    return lambda *arrays: [fetch(here, array) for fetch, array in zip(fetches, arrays, strict=True)]


def parameter(x: Dtype, *vectors: Array | None) -> str | None:
    """What the sources call the dtype of weights beside x: that of x, or the wide one; None if they are of another, or of two."""
    dtypes = {vector.dtype for vector in vectors if vector is not None} or {accumulator(x)}
    dtype = dtypes.pop()
    return None if dtypes or dtype not in (x, accumulator(x)) else SCALARS[dtype][0]


class Team(NamedTuple):
    """Threads that share a row, threads of a block, and accesses that each thread makes for a row (0: as many as it takes)."""

    threads: int
    block: int
    chunks: int


@lru_cache(1024)
def team(bytes_wide: int, choices: tuple[tuple[int, int], ...]) -> Team:
    """The smallest team whose threads hold a row; ``choices`` are (threads, most accesses). Rows that none holds get the largest, and 0."""
    vectors = max(-(-bytes_wide // VECTOR), 1)
    for threads, most in choices:
        if vectors <= threads * most:
            wanted = -(-vectors // threads)
            chunks = wanted + wanted % 2 if wanted > 4 else wanted  # not every number, that fewer be compiled
            return Team(threads, 128 if threads <= 32 else threads, chunks)
    threads = choices[-1][0]
    return Team(threads, threads, 0)


@lru_cache(1024)
def row_kernel(source: str, name: str, signature: str, dtype: Dtype, who: Team, **definitions: Any) -> Kernel:
    """A kernel of a source that includes rows.cuh; "W" in its signature is a number of the wide dtype."""
    named = scalars(dtype)
    letter = "d" if named["WIDE"] == "double" else "f"
    return Kernel(
        source, name, signature.replace("W", letter), **named, TEAM=who.threads, BLOCK=who.block, CHUNKS=who.chunks, **definitions
    )  # fmt: skip
