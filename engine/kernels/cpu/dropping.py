"""Dropout in one pass: oneDNN multiplies by a mask of bytes, and by the scale before it writes."""

from __future__ import annotations

import numpy as np

from . import pool
from .elementwise import flat_layout
from .epilogue import Epilogue
from .library import Library
from .memory import BYTE, FLOAT32, Array, Layout, Result, address
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, SOURCE, SOURCE_1, Primitive, describe

MULTIPLY = 0x1FFF1


def drop(x: Array, mask: Array, *, scale: float) -> Result:
    """x scale where `mask` is True, else 0."""
    if x.nbytes < pool.SMALLEST:
        return NotImplemented
    result = drop_into(x, mask, None, scale)
    if result is NotImplemented and x.dtype == FLOAT32 and mask.shape == x.shape:
        result = pool.empty_like(x)
        np.multiply(x, mask, out=result)
        np.multiply(result, FLOAT32.type(scale), out=result)
    return result


def drop_into(x: Array, mask: Array, out: Array | None, scale: float = 1.0) -> Result:
    """The same in `out`, which is laid out as x and may be x itself, or in new memory."""
    key = (drop, x.shape, x.strides, x.dtype, mask.shape, mask.strides, mask.dtype, scale)
    return (PLANS.get(key) or plan(key, _plan_drop, x, mask, scale))(x, mask, out)


def _plan_drop(library: Library, x: Array, mask: Array, scale: float) -> Plan | None:
    layout = flat_layout(library, x)
    alike = tuple(step * x.itemsize for step in mask.strides) == x.strides
    if layout is None or x.dtype != FLOAT32 or mask.dtype != bool or mask.shape != x.shape or not alike:
        return None
    epilogue = Epilogue(library)
    if scale != 1.0:
        epilogue.scale(scale)
    bytes_ = Layout(library, (x.size,), BYTE, (1,))
    description = describe(library, "binary", MULTIPLY, layout, bytes_, layout, epilogue=epilogue)
    if description is None:
        return None
    run, allocate = (
        Primitive(description, (SOURCE, SOURCE_1, DESTINATION)).run,
        pool.allocator(x.shape, x.dtype, x.strides),
    )

    def compute(x: Array, mask: Array, out: Array | None) -> Array:
        result = allocate() if out is None else out
        run(address(x), address(mask), address(result))
        return result

    return compute
