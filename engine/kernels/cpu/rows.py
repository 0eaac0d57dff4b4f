"""Rows of large tables, in memory that is used again: what a fresh table's pages cost is more than the sums in it."""

from __future__ import annotations

import numpy as np

from ...ops.indexing.rows import add_rows, check_rows, check_sum
from . import pool
from .memory import Array, Result


def take_rows(table: Array, index: Array, *, padding: int | None = None, by_frequency: bool = False) -> Result:
    """The rows of `table` that `index` names."""
    if table.ndim != 2 or not index.size:
        return NotImplemented
    if not table.flags.aligned and table.flags.c_contiguous:  # NumPy would first copy the whole of such a table
        check_rows("take_rows", index, table.shape[0])
        return np.take(table.view(np.uint8), index, axis=0).view(table.dtype)
    if index.size * table.shape[1] * table.itemsize < pool.SMALLEST:
        return NotImplemented
    check_rows("take_rows", index, table.shape[0])
    result = pool.empty((*index.shape, table.shape[1]), table.dtype)
    # All numbers are known to lie inside; NumPy would check again, into a buffer.
    return np.take(table, index, axis=0, out=result, mode="clip")


def sum_rows(x: Array, index: Array, *, rows: int) -> Result:
    """A table of `rows` rows, each the sum of the rows of x that `index` assigns to it."""
    check_sum(x, index, rows)
    if rows * x.shape[-1] * x.itemsize < pool.SMALLEST:
        return NotImplemented
    table = pool.empty((rows, x.shape[-1]), x.dtype)
    table.fill(0)
    add_rows(table, x, index)
    return table
