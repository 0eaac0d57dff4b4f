"""Gradients brought to what they are of: its shape, where it was broadcast, and its dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dtype import NARROW, Dtype, float32
from .errors import GradientError
from .ops.reductions.reduction import sum as _sum
from .tensor import Tensor

__all__ = ["fitted"]


def fitted(gradient: Tensor, like: Any) -> Tensor:
    """A gradient in another shape, summed over what was broadcast, and in another dtype."""
    if gradient.array.shape != like.shape:
        gradient = _sum_to(gradient, like.shape, like.dtype)
    dtype = gradient.array.dtype
    if dtype == like.dtype:
        return gradient
    if dtype.kind == "c" and like.dtype.kind != "c":
        gradient = gradient.real
    return gradient.to(like.dtype)


def _sum_to(gradient: Tensor, shape: tuple[int, ...], dtype: Dtype) -> Tensor:
    """Undo broadcasting: sum over the axes along which ``shape`` was stretched; the sums of narrow numbers on a GPU need not be rounded."""
    given = gradient.array.shape
    extra = len(given) - len(shape)
    axes = tuple(range(extra))
    if given[extra:] != shape:
        axes += tuple(axis + extra for axis, size in enumerate(shape) if size == 1 and given[axis + extra] != 1)
    if not axes:
        total = gradient
    elif dtype == float32 and gradient.array.dtype in NARROW and not isinstance(gradient.array, np.ndarray):
        total = _sum(gradient, axis=axes, dtype=float32)
    else:
        total = _sum.one(gradient, {"axis": axes, "keepdim": False, "dtype": None})
    if total.array.shape == shape:
        return total
    if total.array.size != int(np.prod(shape)):
        raise GradientError(f"a gradient rule gave shape {tuple(gradient.shape)} for an input of shape {tuple(shape)}")
    return total.reshape(shape)
