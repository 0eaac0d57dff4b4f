"""Dropout into memory that is used again: a fresh array's page faults cost more than the product."""

from __future__ import annotations

import numpy as np

from . import pool
from .memory import FLOAT32, Array, Result


def drop(x: Array, mask: Array, *, scale: float) -> Result:
    """x scale where `mask` is True, else 0."""
    if x.dtype != FLOAT32 or x.nbytes < pool.SMALLEST or mask.shape != x.shape:
        return NotImplemented
    result = pool.empty_like(x)
    np.multiply(x, mask, out=result)
    return np.multiply(result, FLOAT32.type(scale), out=result)
