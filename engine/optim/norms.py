"""Lengths of arrays, without temporaries as large as the array and without overflow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..device import namespace
from ..dtype import Array, accumulator, float64, kind

CHUNK = 8192
"""Numbers whose squares are summed at once: few enough that BLAS uses one thread, so the bits do not hang on how many there are."""


def squares(xp: Any, vector: Array) -> float:
    """The sum of the squares of a vector of real numbers."""
    total = 0.0
    step = CHUNK if xp is np else max(vector.size, 1)
    for start in range(0, vector.size, step):
        part = vector[start : start + step]
        found = float(xp.dot(part, part))
        if not math.isfinite(found) and part.dtype != float64:
            # The numbers themselves may be finite.
            part = part.astype(float64)
            found = float(xp.dot(part, part))
        total += found
    return total


def power_sum(array: Array, power: float) -> float:
    """The sum of |x|^power over any array of floating-point or complex numbers; for an infinite power the largest |x|."""
    xp = namespace(array)
    total = 0.0
    for part in parts(array):
        if kind(part.dtype) == 3:
            part = abs(part) if power != 2.0 else part.view(f"f{part.dtype.itemsize // 2}")
        if math.isinf(power):
            found = float(xp.abs(part).max())
            total = found if found > total or math.isnan(found) else total
            if math.isnan(total):
                return total
        elif power == 2.0:
            total += squares(xp, part)
        else:
            total += float((xp.abs(part).astype(float64) ** power).sum())
    return total


def parts(array: Array) -> Any:
    """The numbers of an array as vectors of a moderate length, narrow dtypes widened."""
    if array.size and not array.flags.c_contiguous:
        # In the order of the memory where it is dense, without a copy.
        array = array.transpose(sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis])))
    flat = array.reshape(-1)
    dtype = accumulator(flat.dtype)
    chunk = 8 * CHUNK if isinstance(array, np.ndarray) else max(flat.size, 1)
    return (flat[start : start + chunk].astype(dtype, copy=False) for start in range(0, flat.size, chunk))
