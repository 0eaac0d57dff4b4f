"""Special functions in blocks that stay in the cache: their bodies make dozens of passes over what they are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...op import TABLE
from . import pool
from .memory import Array, Result, is_dense

BLOCK = 1 << 14
"""Elements: a few float64 arrays of so many fit the second cache, and NumPy's calls still cost little beside the work."""


def erf(x: Array) -> Result:
    """The error function."""
    return _in_blocks("erf", x)


def erfc(x: Array) -> Result:
    """1 - erf(x)."""
    return _in_blocks("erfc", x)


def erfinv(x: Array) -> Result:
    """The inverse of the error function."""
    return _in_blocks("erfinv", x)


def lgamma(x: Array) -> Result:
    """log |Gamma(x)|."""
    return _in_blocks("lgamma", x)


def digamma(x: Array) -> Result:
    """The slope of log Gamma."""
    return _in_blocks("digamma", x)


def polygamma_of(x: Array, *, n: int) -> Result:
    """The n-th slope of digamma."""
    return _in_blocks("polygamma_of", x, n=n)


def logaddexp(x: Array, y: Array) -> Result:
    """log(exp(x) + exp(y)); of operands that broadcast, not here."""
    return _in_blocks("logaddexp", x, y) if x.shape == y.shape and x.strides == y.strides else NotImplemented


def _in_blocks(name: str, *arrays: Array, **settings: Any) -> Result:
    """The body of an operation, a block after the other; for dense arrays of one layout."""
    first = arrays[0]
    if first.size < 2 * BLOCK or not is_dense(first):
        return NotImplemented
    body, out = TABLE[name].body, pool.empty_like(first)
    *rows, result = [array.ravel(order="K") for array in (*arrays, out)]
    if out.strides != first.strides or not np.shares_memory(result, out):
        return NotImplemented
    for start in range(0, first.size, BLOCK):
        part = slice(start, start + BLOCK)
        result[part] = body(np, *(row[part] for row in rows), **settings)
    return out
