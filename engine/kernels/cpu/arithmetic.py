"""Sums, differences, products and quotients of large arrays by oneDNN: of one layout, or with one operand broadcast.

The first three are complete: what oneDNN is not asked for they give to NumPy themselves, since for a small array every call counts.
"""

from __future__ import annotations

import numpy as np

from . import pool
from .elementwise import flat_layout
from .library import Library
from .memory import FLOAT32, FLOATS, MOST_DIMENSIONS, Array, Layout, Result, address, element_strides, is_dense
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, SOURCE, SOURCE_1, Primitive, describe
from .reorder import as_layout

ADD = 0x1FFF0
MULTIPLY = 0x1FFF1
DIVIDE = 0x1FFF4
SUBTRACT = 0x1FFF5

plain_add, plain_subtract, plain_multiply = np.add, np.subtract, np.multiply

# Elements from which on two threads beat NumPy's one.
FEWEST = 1 << 17


def add(x: Array, y: Array) -> Result:
    """x + y."""
    if x.size < FEWEST and y.size < FEWEST:
        return plain_add(x, y)
    result = _binary(ADD, x, y) if x.size >= y.size else _binary(ADD, y, x)
    return plain_add(x, y) if result is NotImplemented else result


def sub(x: Array, y: Array) -> Result:
    """x - y."""
    result = _binary(SUBTRACT, x, y) if x.size >= FEWEST else NotImplemented
    return plain_subtract(x, y) if result is NotImplemented else result


def mul(x: Array, y: Array) -> Result:
    """x y."""
    if x.size < FEWEST and y.size < FEWEST:
        return plain_multiply(x, y)
    result = _binary(MULTIPLY, x, y) if x.size >= y.size else _binary(MULTIPLY, y, x)
    return plain_multiply(x, y) if result is NotImplemented else result


def div(x: Array, y: Array) -> Result:
    """x / y."""
    return _binary(DIVIDE, x, y) if x.size >= FEWEST else NotImplemented


def clip(x: Array, *, low: float | None = None, high: float | None = None) -> Result:
    """x, not below `low` and not above `high`; NaN stays NaN, which oneDNN's clip does not promise."""
    if x.dtype != FLOAT32 or x.nbytes < pool.SMALLEST or (low is None and high is None) or not is_dense(x):
        return NotImplemented
    result = pool.empty_like(x)
    # NumPy's clip runs at the speed of memory; its maximum and minimum take three times as long.
    return np.clip(x, -np.inf if low is None else low, np.inf if high is None else high, out=result)


def _binary(algorithm: int, x: Array, y: Array) -> Result:
    key = (algorithm, x.shape, x.strides, x.dtype, y.shape, y.strides, y.dtype)
    return (PLANS.get(key) or plan(key, _plan_binary, algorithm, x, y))(x, y)


def _plan_binary(library: Library, algorithm: int, x: Array, y: Array) -> Plan | None:
    """x gives the result's shape and layout; y has the same shape or is broadcast."""
    if x.dtype not in FLOATS or y.dtype != x.dtype or not is_dense(x) or y.ndim > x.ndim or x.ndim > MOST_DIMENSIONS:
        return None
    strides = element_strides(x)
    if strides is None or any(a not in (1, b) for a, b in zip(reversed(y.shape), reversed(x.shape), strict=False)):
        return None
    fetch = None
    if y.shape == x.shape and 0 not in y.strides:
        fetch = as_layout(library, y, strides)
        first = second = flat_layout(library, x)
    else:
        first, second = _broadcast(library, x, strides, y)
    if first is None or second is None:
        return None
    description = describe(library, "binary", algorithm, first, second, first)
    if description is None:
        return None
    run = Primitive(description, (SOURCE, SOURCE_1, DESTINATION)).run
    allocate = pool.allocator(x.shape, x.dtype, x.strides)

    def compute(x: Array, y: Array) -> Array:
        other, result = y if fetch is None else fetch(y), allocate()
        run(address(x), address(other), address(result))
        return result

    return compute


def _broadcast(library: Library, x: Array, strides: tuple[int, ...], y: Array) -> tuple[Layout | None, Layout | None]:
    """The layouts of both, y with its repeated axes of length one."""
    missing = x.ndim - y.ndim
    shape = (1,) * missing + tuple(1 if step == 0 else n for n, step in zip(y.shape, y.strides, strict=True))
    if max(shape) == 1:
        return flat_layout(library, x), Layout(library, (1,), y.dtype, (1,))
    index = (None,) * missing + tuple(slice(0, 1) if step == 0 else slice(None) for step in y.strides)
    given = element_strides(y[index])
    if given is None:
        return None, None
    return Layout(library, x.shape, x.dtype, strides), Layout(library, shape, y.dtype, given)
