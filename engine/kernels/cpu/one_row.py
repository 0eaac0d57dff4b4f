"""One row times a matrix, read where it lies: the step of a decoder.

Such a product is bound by reading the matrix once. oneDNN's own product of matrices reads it as fast only if it was packed before, which takes
its memory a second time; its older BLAS interface has code for vectors, which takes a matrix as it is, stored by rows or by columns: the weights
of a decoder stay mapped from their file, and nothing is kept of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import pool, primitive
from .library import Library
from .memory import BFLOAT16, FLOAT32, Array, address
from .plans import Plan

# Below this many multiplications NumPy's product is done before a second thread is awake.
FEWEST_PRODUCTS = 1 << 15


def plan_row(library: Library, x: Array, weight: Array, bias: Array | None, dtype: np.dtype[Any]) -> Plan | None:
    """The plan of x weight^T + bias for x (..., K) of one row, weight (N, K), bias (N), with a result of `dtype`.

    None where no code for vectors serves: other types than float32 and bfloat16, strides, an old processor.
    """
    outs = len(weight)
    read = _reader(library, weight)
    if read is None or not x.flags.c_contiguous:
        return None
    shape = (*x.shape[:-1], outs)
    allocate = pool.allocator(shape, FLOAT32)
    has_bias = bias is not None
    flat = (outs,)

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        result = allocate()
        if has_bias:
            result.reshape(flat)[...] = bias
        primitive.join_team()
        read(address(x), address(weight), address(result), 1.0 if has_bias else 0.0)
        return result if dtype == FLOAT32 else result.astype(dtype)

    # Tried once, on the arrays at hand: the code for bfloat16 is not there on every processor.
    probe = np.empty(outs, FLOAT32)
    primitive.join_team()
    return compute if read(address(x), address(weight), address(probe), 0.0) == 0 else None


def _reader(library: Library, weight: Array) -> Callable[[int, int, int, float], int] | None:
    """A function of the addresses of x, weight and result and of what the result's old contents count; it gives oneDNN's status."""
    multiply = {FLOAT32: library.multiply_float32, BFLOAT16: library.multiply_bfloat16}.get(weight.dtype)
    if multiply is None:
        return None
    outs, inner = weight.shape
    size = weight.itemsize
    down, across = (stride // size for stride in weight.strides)
    if across == 1 and down >= inner and weight.strides[0] % size == 0:
        return lambda x, w, out, old: multiply(b"N", b"T", 1, outs, inner, 1.0, x, inner, w, down, old, out, outs)
    if down == 1 and across >= outs and weight.strides[1] % size == 0:
        return lambda x, w, out, old: multiply(b"N", b"N", 1, outs, inner, 1.0, x, inner, w, across, old, out, outs)
    return None
