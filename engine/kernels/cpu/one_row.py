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

# Below this many multiplications NumPy's product is done before a second thread is awake.
FEWEST_PRODUCTS = 1 << 15

Row = Callable[[Array, Array, "Array | None"], Array]


def plan_row(
    library: Library, lead: tuple[int, ...], weight: tuple[int, int], strides: tuple[int, ...], dtype: np.dtype[Any], result: np.dtype[Any]
) -> Row | None:  # fmt: skip
    """A function of x (*lead, K), weight (N, K) of `dtype` and bias (N) or None: x weight^T + bias as `result`, for lead axes of length one.

    `strides` are the weight's, in elements. None where no code for vectors serves: other types than float32 and bfloat16, other strides, an
    old processor.
    """
    multiply = {FLOAT32: library.multiply_float32, BFLOAT16: library.multiply_bfloat16}.get(dtype)
    outs, inner = weight
    down, across = strides
    if multiply is None or not _serves(multiply, dtype):
        return None
    if across == 1 and down >= inner:
        form, step = (b"N", b"T", 1, outs, inner, 1.0), down
    elif down == 1 and across >= outs:
        form, step = (b"T", b"N", outs, 1, inner, 1.0), across
    else:
        return None
    by_rows = across == 1
    allocate, flat = pool.allocator((*lead, outs), FLOAT32), (outs,)

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        out = allocate()
        old = 0.0
        if bias is not None:
            out.reshape(flat)[...] = bias
            old = 1.0
        primitive.join_team()
        if by_rows:
            multiply(*form, address(x), inner, address(weight), step, old, address(out), outs)
        else:
            multiply(*form, address(weight), step, address(x), 1, old, address(out), 1)
        return out if result == FLOAT32 else out.astype(result)

    return compute


def _serves(multiply: Callable[..., int], dtype: np.dtype[Any]) -> bool:
    """Whether the processor has what this code wants, tried on a single number."""
    one, out = np.ones(1, dtype), np.empty(1, FLOAT32)
    return multiply(b"N", b"N", 1, 1, 1, 1.0, address(one), 1, address(one), 1, 0.0, address(out), 1) == 0
