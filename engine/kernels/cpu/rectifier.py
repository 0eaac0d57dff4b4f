"""Activations of straight pieces in memory that is used again: a fresh array's page faults cost more than the arithmetic."""

from __future__ import annotations

import numpy as np

from . import pool
from .memory import FLOAT32, Array, Result, is_dense

FEWEST = 1 << 15
_ZERO, _INFINITY = FLOAT32.type(0), FLOAT32.type(np.inf)


def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> Result:
    """x above 0, negative_slope x below."""
    if not _is_served(x):
        return NotImplemented
    out, above = pool.empty_like(x), pool.empty_like(x)
    # NumPy's clip runs at the speed of memory, its minimum and maximum at a third of that.
    np.clip(x, -_INFINITY, _ZERO, out=out)
    np.multiply(out, FLOAT32.type(negative_slope), out=out)
    return np.add(out, np.clip(x, _ZERO, _INFINITY, out=above), out=out)


def leaky_relu_input(flow: Array, x: Array, *, negative_slope: float) -> Result:
    """What flows back through leaky_relu."""
    if not _is_served(x) or flow.dtype != FLOAT32 or flow.shape != x.shape:
        return NotImplemented
    out, rest = pool.empty_like(x), pool.empty_like(x)
    above = x > 0
    np.multiply(above, FLOAT32.type(1), out=out)
    np.multiply(~above, FLOAT32.type(negative_slope), out=rest)
    np.add(out, rest, out=out)
    return np.multiply(flow, out, out=out)


def prelu(x: Array, weight: Array) -> Result:
    """x above 0, weight x below, with a weight that broadcasts."""
    if not _is_served(x) or weight.dtype != FLOAT32 or np.broadcast_shapes(x.shape, weight.shape) != x.shape:
        return NotImplemented
    out, above = pool.empty_like(x), pool.empty_like(x)
    np.clip(x, -_INFINITY, _ZERO, out=out)
    np.multiply(out, weight, out=out)
    return np.add(out, np.clip(x, _ZERO, _INFINITY, out=above), out=out)


def hardsigmoid(x: Array) -> Result:
    """min(max(x + 3, 0), 6) / 6."""
    if not _is_served(x):
        return NotImplemented
    out = np.add(x, FLOAT32.type(3), out=pool.empty_like(x))
    np.clip(out, _ZERO, FLOAT32.type(6), out=out)
    return np.multiply(out, FLOAT32.type(1 / 6), out=out)


def hardsigmoid_input(flow: Array, x: Array) -> Result:
    """What flows back through hardsigmoid."""
    if not _is_served(x) or flow.dtype != FLOAT32 or flow.shape != x.shape:
        return NotImplemented
    out = np.multiply(flow, np.abs(x, out=pool.empty_like(x)) < 3, out=pool.empty_like(x))
    return np.multiply(out, FLOAT32.type(1 / 6), out=out)


def _is_served(x: Array) -> bool:
    return x.dtype == FLOAT32 and x.size >= FEWEST and is_dense(x)
