"""Conversions between the floating types by oneDNN, for large dense arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import packs, pool, stored
from .elementwise import flat_layout
from .library import Library
from .memory import FLOAT16, FLOAT32, FLOATS, Array, Layout, Result, address, element_strides
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, SOURCE, Primitive, describe_reorder

FEWEST = 1 << 15


def cast(x: Array, *, dtype: Any) -> Result:
    """The array with its elements in another floating type, in the same layout."""
    if x.dtype == FLOAT16 and dtype == FLOAT32 and x.size >= FEWEST and x.flags.c_contiguous:
        wide = pool.empty(x.shape, FLOAT32)
        stored.widen(x, wide)  # 90 times as fast as oneDNN's copy
        return wide
    key = (cast, x.shape, x.strides, x.dtype, dtype)
    return (PLANS.get(key) or plan(key, _plan_cast, x, dtype))(x)


def _rows(x: Array) -> Result:
    """A copy in row order, in memory that is used again."""
    if x.nbytes < pool.SMALLEST:
        return NotImplemented
    result = pool.empty(x.shape, x.dtype)
    np.copyto(result, x)
    return result


def cast_always(x: Array, dtype: Any) -> Array:
    """The same, by NumPy where oneDNN does not serve."""
    result = NotImplemented if x.size < FEWEST else cast(x, dtype=dtype)
    return x.astype(dtype) if result is NotImplemented else result


def cast_weight(x: Array, dtype: Any) -> Array:
    """The same, kept for as long as the array does not change: for parameters that compute in a narrower type.

    The result must not be written to. `packs.forget` of `x` drops it.
    """
    token = (cast_weight, x.shape, x.strides, x.dtype, dtype)
    kept: Array = packs.obtain(x, token, lambda x: cast_always(x, dtype))
    return kept


def _plan_cast(library: Library, x: Array, dtype: Any) -> Plan | None:
    target = np.dtype(dtype)
    if x.size < FEWEST or target not in FLOATS or x.dtype not in FLOATS or target == x.dtype:
        return None
    source = flat_layout(library, x)
    if source is None:
        return _plan_cast_of_view(library, x, target)
    description = describe_reorder(library, source, Layout(library, (x.size,), target, (1,)))
    if description is None:
        return None
    run = Primitive(description, (SOURCE, DESTINATION)).run
    strides = tuple(stride // x.itemsize * target.itemsize for stride in x.strides)
    allocate = pool.allocator(x.shape, target, strides)

    def compute(x: Array) -> Array:
        result = allocate()
        run(address(x), address(result))
        return result

    return compute


def _plan_cast_of_view(library: Library, x: Array, target: np.dtype[Any]) -> Plan | None:
    """For a view with gaps, such as heads cut from a projection: its axes stay in their order, the gaps close."""
    given = element_strides(x)
    if given is None or not x.size:
        return None
    strides, step = [0] * x.ndim, 1
    for axis in sorted(range(x.ndim), key=lambda axis: (given[axis], -axis)):
        strides[axis] = step
        step *= x.shape[axis]
    description = describe_reorder(
        library, Layout(library, x.shape, x.dtype, given), Layout(library, x.shape, target, tuple(strides))
    )
    if description is None:
        return None
    run = Primitive(description, (SOURCE, DESTINATION)).run
    allocate = pool.allocator(x.shape, target, tuple(step * target.itemsize for step in strides))

    def compute(x: Array) -> Array:
        result = allocate()
        run(address(x), address(result))
        return result

    return compute
