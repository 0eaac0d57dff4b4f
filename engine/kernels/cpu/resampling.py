"""Linear resampling by oneDNN. Other tables are the body's, and turned ones, which it computes faster than oneDNN's gradient."""

from __future__ import annotations

from typing import Any

from . import pool
from .library import Library
from .memory import FLOATS, Array, Layout, Result, address, channels_last_strides, dense_strides
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, SOURCE, Primitive, describe

FORWARD_INFERENCE = 96
LINEAR = 0x2FFF1
FEWEST = 1 << 10

Shape = tuple[int, ...]


def resample(x: Array, *, tables: tuple[Any, ...]) -> Result:
    """The last axes resampled by linear tables of the ratio of their sizes; None leaves an axis as it is."""
    if (
        x.ndim != len(tables) + 2
        or x.size < FEWEST
        or not all(
            table is None or (table.by_ratio and table.size == size)
            for size, table in zip(x.shape[2:], tables, strict=True)
        )
    ):
        return NotImplemented
    out = tuple(size if table is None else len(table.index) for size, table in zip(x.shape[2:], tables, strict=True))
    key = (resample, x.shape, x.strides, x.dtype, out)
    return (PLANS.get(key) or plan(key, _plan, x, out))(x)


def _plan(library: Library, x: Array, sizes: Shape) -> Plan | None:
    if x.dtype not in FLOATS or not 3 <= x.ndim <= 5:
        return None
    out, size = (*x.shape[:2], *sizes), x.dtype.itemsize
    strides = None
    for candidate in (dense_strides, channels_last_strides):
        wanted = candidate(x.shape)
        if all(n == 1 or have == want * size for n, have, want in zip(x.shape, x.strides, wanted, strict=True)):
            strides = candidate
    if strides is None or 0 in out:
        return None
    given, made = Layout(library, x.shape, x.dtype, strides(x.shape)), Layout(library, out, x.dtype, strides(out))
    description = describe(library, "resampling_forward", FORWARD_INFERENCE, LINEAR, None, given, made)
    if description is None or not description.implementation.startswith("jit"):
        return None
    run = Primitive(description, (SOURCE, DESTINATION)).run
    allocate = pool.allocator(out, x.dtype, tuple(step * size for step in strides(out)))

    def compute(x: Array) -> Array:
        result = allocate()
        run(address(x), address(result))
        return result

    return compute
