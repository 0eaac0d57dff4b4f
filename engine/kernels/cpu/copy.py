"""Conversions between the floating types by oneDNN, for large dense arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import packs, pool
from .elementwise import flat_layout
from .library import Library
from .memory import FLOATS, Array, Layout, Result, address
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, SOURCE, Primitive, describe_reorder

FEWEST = 1 << 15


def cast(x: Array, *, dtype: Any) -> Result:
    """The array with its elements in another floating type, in the same layout."""
    key = (cast, x.shape, x.strides, x.dtype, dtype)
    return (PLANS.get(key) or plan(key, _plan_cast, x, dtype))(x)


def cast_always(x: Array, dtype: Any) -> Array:
    """The same, by NumPy where oneDNN does not serve."""
    result = cast(x, dtype=dtype)
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
    source = flat_layout(library, x) if x.size >= FEWEST and target in FLOATS and target != x.dtype else None
    if source is None:
        return None
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
