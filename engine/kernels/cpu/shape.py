"""Moving elements without losing the layout that the other kernels want."""

from __future__ import annotations

import numpy as np

from . import pool
from .memory import Array, Result


def cat_along(*tensors: Array, axis: int) -> Result:
    """Large arrays one behind the other along an axis, laid out in memory like the largest of them.

    NumPy's own result would be C-contiguous: images that were channels-last would have to be turned twice.
    """
    first = tensors[0]
    if sum(part.nbytes for part in tensors) < pool.SMALLEST or any(
        part.dtype != first.dtype or part.ndim != first.ndim for part in tensors
    ):
        return NotImplemented
    guide = max(tensors, key=lambda part: part.size)
    shape = list(first.shape)
    shape[axis] = sum(part.shape[axis] for part in tensors)
    order = sorted(range(first.ndim), key=lambda place: (-abs(guide.strides[place]), place))
    strides, step = [0] * first.ndim, first.itemsize
    for place in reversed(order):
        strides[place] = step
        step *= shape[place]
    result = pool.empty(tuple(shape), first.dtype, tuple(strides))
    return np.concatenate(tensors, axis, out=result)


def stack_along(*tensors: Array, axis: int) -> Result:
    """Arrays side by side along a new axis, in memory that was used before: fresh pages cost more than the copies."""
    first = tensors[0]
    if first.nbytes * len(tensors) < pool.SMALLEST or any(part.dtype != first.dtype for part in tensors):
        return NotImplemented
    result = pool.empty((*first.shape[:axis], len(tensors), *first.shape[axis:]), first.dtype)
    return np.stack(tensors, axis, out=result)
