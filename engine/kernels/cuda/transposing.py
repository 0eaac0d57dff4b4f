"""Copies into another order of axes: images to channels last and back, heads to rows, by way of tiles in shared memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...dtype import Array
from ...op import TABLE
from ..plans import Plans
from .elementwise import STORED, Computation, Lying, compute_type, launcher, walk_numbers
from .layout import walk
from .machine import machine
from .program import Kernel

__all__ = ["in_order", "in_rows"]

TILE = 32
LEAST = 8
"""Elements along both ways from which on tiles pay."""
UNITS = {1: "unsigned char", 2: "unsigned short", 4: "unsigned", 8: "unsigned long long"}
SIGNATURE = "PP5qii8q8I8I32q"

_plans: Plans[Callable[[Array], Any]] = Plans()
_kernels: dict[tuple[int, str], Kernel] = {}


def in_rows(x: Array) -> Any:
    """A copy in row order; NotImplemented for dtypes of 16 bytes and arrays of too many axes."""
    key = (x.dtype, x.shape, x.strides)
    return (_plans.get(key) or _plans.make(key, _plan, x))(x)


def in_order(x: Array, order: tuple[int, ...]) -> Any:
    """A copy without gaps whose axes lie in memory in this order, the outermost first."""
    copy = in_rows(x.transpose(order))
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return copy if copy is NotImplemented else copy.transpose(back)


def _plan(x: Array) -> Callable[[Array], Any]:
    steps, step = [], x.itemsize
    for size in reversed(x.shape):
        steps.append(step)
        step *= size
    out = Lying(x.shape, tuple(reversed(steps)), x.itemsize)
    found = walk(x.shape, out, Lying(x.shape, x.strides, x.itemsize))
    sizes, (_, strides) = found.shape, found.strides
    beside = [axis for axis, stride in enumerate(strides[:-1]) if stride == 1 and sizes[axis] >= LEAST]
    if (
        x.itemsize not in UNITS
        or not x.size
        or not beside
        or strides[-1] in (0, 1)
        or sizes[-1] < LEAST
        or len(sizes) > 8
    ):
        if x.dtype not in STORED:
            return lambda x: NotImplemented
        copy = launcher(Computation("a", [x.dtype], x.dtype, compute_type(x.dtype)), (x,), order=tuple(range(x.ndim)))
        return lambda x: copy((x,))
    axis, last = beside[-1], len(sizes) - 1
    rest = [a for a in range(last) if a != axis]
    index = "unsigned" if x.size < 2**31 else "index_t"
    kernel = _kernels.get((x.itemsize, index))
    if kernel is None:
        kernel = _kernels[x.itemsize, index] = Kernel(
            "transposing.cu", "transposed", SIGNATURE, UNIT=UNITS[x.itemsize], INDEX=index
        )
    tiles = -(-sizes[axis] // TILE) * -(-sizes[last] // TILE) * math.prod(sizes[a] for a in rest)
    own = found.strides[0]
    walked = walk_numbers(
        [sizes[a] for a in rest] or [1], [[strides[a] for a in rest] or [0], [own[a] for a in rest] or [0]]
    )
    fixed = (sizes[axis], sizes[last], strides[last], own[axis], tiles, *walked)
    shape, dtype = x.shape, x.dtype

    def run(x: Array) -> Any:
        here = machine()
        out = here.empty(shape, dtype)
        kernel(min(tiles, 32 * here.processors), (TILE, 8, 1), here.address(x), here.address(out), *fixed)
        return out

    return run


TABLE["_rows"].kernel("cuda")(in_rows)
