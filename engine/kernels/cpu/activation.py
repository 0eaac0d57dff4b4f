"""Activations and the softmax by oneDNN.

Where oneDNN's own code would lose a NaN (its relu, clip, exp, hardsigmoid) it is not used, or used another way.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from ...op import TABLE
from . import pool
from .elementwise import (
    CLIP_FROM_RESULT,
    GELU_ERF,
    GELU_TANH,
    HARDSWISH,
    RELU,
    SWISH,
    backward,
    flat_layout,
    forward,
    zeros_address,
)
from .library import Library
from .memory import BFLOAT16, FLOAT32, FLOATS, Array, Layout, Result, address, is_dense
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, SOURCE, SOURCE_1, Primitive, describe
from .reorder import as_dense

Bound = Callable[[int, int], None]

BINARY_MAXIMUM = 0x1FFF2
BINARY_MINIMUM = 0x1FFF3
SOFTMAX = 0x30000
LOG_SOFTMAX = 0x30001
FORWARD_INFERENCE = 96

# The sizes from which on these kernels beat NumPy, in elements.
FEWEST_RELU = 1 << 14
FEWEST = 1 << 12
FEWEST_SOFTMAX = 1 << 13
FEWEST_GELU = 1 << 8  # the body is a polynomial, and takes five times as long for the row of a decoder

# So many elements are bounded from below and above before the next ones: they stay in the cache in between.
BLOCK = 1 << 19


def relu(x: Array) -> Result:
    """max(x, 0)."""
    if x.size < FEWEST_RELU:
        return NotImplemented
    key = (relu, x.shape, x.strides, x.dtype)
    return (PLANS.get(key) or plan(key, _plan_relu, x))(x)


def relu_input(flow: Array, result: Array) -> Result:
    """What flows back through relu, where the result was above 0."""
    return backward(RELU, flow, result, FEWEST)


def hardtanh(x: Array, *, low: float = -1.0, high: float = 1.0) -> Result:
    """min(max(x, low), high)."""
    if x.size < FEWEST_RELU:
        return NotImplemented
    if x.dtype == FLOAT32 and x.size and is_dense(x):
        return np.clip(x, low, high, out=pool.empty_like(x))  # one thread of NumPy reaches the speed of memory
    key = (hardtanh, x.shape, x.strides, x.dtype, low, high)
    return (PLANS.get(key) or plan(key, _plan_hardtanh, x, low, high))(x)


def hardtanh_input(flow: Array, result: Array, *, low: float, high: float) -> Result:
    """What flows back through hardtanh, where the result lies between the limits."""
    if result.size < FEWEST or result.dtype not in FLOATS:
        return NotImplemented
    # The limits as the result's type has them: oneDNN compares in float32.
    low, high = (float(np.asarray(limit, result.dtype)) for limit in (low, high))
    return backward(CLIP_FROM_RESULT, flow, result, FEWEST, low, high)


def gelu(x: Array) -> Result:
    """x times the normal distribution's cumulative probability at x, by erf (to 2e-7 of the largest)."""
    return forward(GELU_ERF, x, FEWEST_GELU)


def gelu_input(flow: Array, x: Array) -> Result:
    """What flows back through gelu."""
    return backward(GELU_ERF, flow, x, FEWEST)


def gelu_tanh(x: Array) -> Result:
    """The tanh approximation of gelu."""
    return _widened("gelu_tanh", x) if _is_short(x) else forward(GELU_TANH, x, FEWEST)


def gelu_tanh_input(flow: Array, x: Array) -> Result:
    """What flows back through gelu_tanh."""
    return backward(GELU_TANH, flow, x, FEWEST)


def silu(x: Array) -> Result:
    """x sigmoid(x)."""
    return _widened("silu", x) if _is_short(x) else forward(SWISH, x, FEWEST, 1.0)


def silu_input(flow: Array, x: Array) -> Result:
    """What flows back through silu."""
    return backward(SWISH, flow, x, FEWEST, 1.0)


def hardswish(x: Array) -> Result:
    """x min(max(x + 3, 0), 6) / 6."""
    return forward(HARDSWISH, x, FEWEST, 1 / 6, 0.5)


def hardswish_input(flow: Array, x: Array) -> Result:
    """What flows back through hardswish."""
    return backward(HARDSWISH, flow, x, FEWEST, 1 / 6, 0.5)


def softmax(x: Array, *, axis: int = -1) -> Result:
    """exp(x) over its sum along the last axis."""
    key = (SOFTMAX, x.shape, x.strides, x.dtype, axis)
    return (PLANS.get(key) or plan(key, _plan_softmax, x, SOFTMAX, axis))(x)


def log_softmax(x: Array, *, axis: int = -1) -> Result:
    """The logarithm of softmax along the last axis."""
    key = (LOG_SOFTMAX, x.shape, x.strides, x.dtype, axis)
    return (PLANS.get(key) or plan(key, _plan_softmax, x, LOG_SOFTMAX, axis))(x)


def _is_short(x: Array) -> bool:
    """Whether these are few numbers of bfloat16, on which NumPy computes one by one."""
    return x.dtype == BFLOAT16 and x.size < FEWEST


def _widened(name: str, x: Array) -> Array:
    """The body in float32, where NumPy has vector code."""
    return TABLE[name].body(np, x.astype(FLOAT32)).astype(BFLOAT16)  # type: ignore[no-any-return]


def _plan_relu(library: Library, x: Array) -> Plan | None:
    if x.size < FEWEST_RELU or flat_layout(library, x) is None:
        return None
    return _into_another(x, plan_bounds(library, x.size, x.dtype, 0.0))


def _plan_hardtanh(library: Library, x: Array, low: float, high: float) -> Plan | None:
    if x.size < FEWEST_RELU or flat_layout(library, x) is None:
        return None
    return _into_another(x, plan_bounds(library, x.size, x.dtype, low, high))


def _into_another(x: Array, bound: Bound | None) -> Plan | None:
    """The plan that bounds such an array's numbers in another array."""
    if bound is None:
        return None
    allocate = pool.allocator(x.shape, x.dtype, x.strides)

    def compute(x: Array) -> Array:
        result = allocate()
        bound(address(x), address(result))
        return result

    return compute


def plan_bounds(
    library: Library, size: int, dtype: np.dtype[Any], low: float, high: float | None = None
) -> Bound | None:
    """A function that bounds so many numbers from below, and above if told, from an address to an address, which may be the same; NaN passes."""
    # The machine's maximum gives its second operand where one is NaN; oneDNN's relu has 0 there. With x there, NaN passes.
    if high is None and low == 0.0:
        layout = Layout(library, (size,), dtype, (1,))
        description = describe(library, "binary", BINARY_MAXIMUM, layout, layout, layout)
        if description is None:
            return None
        run, size_in_bytes = Primitive(description, (SOURCE, SOURCE_1, DESTINATION)).run, size * dtype.itemsize
        return lambda source, destination: run(zeros_address(size_in_bytes), source, destination)
    if dtype == FLOAT32:  # one thread of NumPy reaches the speed of memory, and takes both bounds at once
        numbers: Any = ctypes.c_float * size

        def clip(source: int, destination: int) -> None:
            given, made = (np.frombuffer(numbers.from_address(at), FLOAT32) for at in (source, destination))
            np.clip(given, low, high, out=made)

        return clip
    kinds = [(BINARY_MAXIMUM, _constant(low, dtype))]
    if high is not None:
        kinds.append((BINARY_MINIMUM, _constant(high, dtype)))
    most = min(size, BLOCK)
    runs = {}
    for count in {most, size % most or most}:
        layout = Layout(library, (count,), dtype, (1,))
        found = [describe(library, "binary", kind, layout, layout, layout) for kind, _ in kinds]
        runs[count] = [Primitive(each, (SOURCE, SOURCE_1, DESTINATION)).run for each in found if each]
        if len(runs[count]) < len(kinds):
            return None
    pieces = [(start * dtype.itemsize, runs[min(most, size - start)]) for start in range(0, size, most)]

    def bound(source: int, destination: int) -> None:
        limits = [address(limit) for _, limit in kinds]
        for offset, steps in pieces:
            where = source + offset
            for limit, run in zip(limits, steps, strict=True):
                run(limit, where, destination + offset)
                where = destination + offset

    return bound


@lru_cache(maxsize=16)
def _constant(value: float, dtype: Any) -> Array:
    """A block of one number."""
    return np.full(BLOCK, value, dtype)


def _plan_softmax(library: Library, x: Array, algorithm: int, axis: int) -> Plan | None:
    if x.size < FEWEST_SOFTMAX or axis not in (-1, x.ndim - 1) or x.dtype != FLOAT32:
        return None
    width = x.shape[-1]
    layout = Layout(library, (x.size // width, width), x.dtype, (width, 1))
    description = describe(library, "softmax_forward", FORWARD_INFERENCE, algorithm, layout, layout, 1)
    if description is None:
        return None
    run, fetch, allocate = (
        Primitive(description, (SOURCE, DESTINATION)).run,
        as_dense(x),
        pool.allocator(x.shape, x.dtype),
    )

    def compute(x: Array) -> Result:
        source, result = fetch(x), allocate()
        run(address(source), address(result))
        # oneDNN leaves one NaN in a row that should be NaN throughout.
        return NotImplemented if np.isnan(result.max()) else result

    return compute
