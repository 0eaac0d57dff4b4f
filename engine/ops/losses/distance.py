"""Distances and angles between vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dtype import Dtype, accumulator, kind, result_type
from ...errors import DtypeError, SettingError, ShapeError
from ...tensor import Tensor, tensor_like
from ..algebra.matrix import matmul
from ..elementwise.arithmetic import abs, maximum, where
from ..reductions.reduction import amax, one_axis, root, sum
from ..shapes.shape import unsqueeze

__all__ = [
    "cdist",
    "cosine_similarity",
    "pairwise_distance",
]

FEWEST_FOR_PRODUCTS = 25
"""Rows beyond which ``cdist`` multiplies matrices instead of holding every difference, as PyTorch does."""


def _vectors(name: str, *given: Any) -> tuple[list[Tensor], Dtype]:
    """Floating-point tensors of shapes that broadcast, in the dtype to compute in; and the dtype of the result."""
    tensors = [tensor_like(name, value) for value in given]
    dtype = result_type(*(t.array for t in tensors))
    if kind(dtype) != 2:
        raise DtypeError(f"{name}: wants floating-point vectors, not {dtype}; convert them with .float()")
    return [t.to(dtype=accumulator(dtype)) for t in tensors], dtype


def _check_broadcast(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        given = " and ".join(str(tuple(shape)) for shape in shapes)
        raise ShapeError(
            f"{name}: {given} do not broadcast: counted from the last axis, sizes must be equal or 1"
        ) from None


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim``, lengths counting as at least ``eps``."""
    (x1, x2), dtype = _vectors("cosine_similarity", x1, x2)
    shape = _check_broadcast("cosine_similarity", x1.shape, x2.shape)
    axis = one_axis("cosine_similarity", dim, len(shape)) - len(shape)
    from ..shapes.shape import broadcast_to

    directions = []
    for x in (x1, x2):
        x = x if x.shape == shape else broadcast_to(x, shape)
        length = root(sum(x * x, axis, True))
        # The bound is a number beside the length: it does not bend the gradient.
        directions.append(x / (length + (maximum(length, eps) - length).detach()))
    return sum(directions[0] * directions[1], axis).to(dtype=dtype)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last axis."""
    (x1, x2), dtype = _vectors("pairwise_distance", x1, x2)
    _check_power("pairwise_distance", p)
    shape = _check_broadcast("pairwise_distance", x1.shape, x2.shape)
    if not shape:
        raise ShapeError("pairwise_distance: numbers are no vectors; give tensors of at least one axis")
    return _length(x1 - x2 + eps, p, keepdim).to(dtype=dtype)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distance of every row of x1 (..., m, width) from every row of x2 (..., n, width): (..., m, n)."""
    (x1, x2), dtype = _vectors("cdist", x1, x2)
    _check_power("cdist", p)
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"cdist: wants rows of one width, (..., m, width) and (..., n, width), not {tuple(x1.shape)} and {tuple(x2.shape)}"
        )
    _check_broadcast("cdist", x1.shape[:-2], x2.shape[:-2])
    if p == 2 and max(x1.shape[-2], x2.shape[-2]) > FEWEST_FOR_PRODUCTS:
        first, second = sum(x1 * x1, -1, True), sum(x2 * x2, -1, True)
        return root(maximum(first + second.mT - matmul(x1, x2.mT) * 2.0, 0.0)).to(dtype=dtype)
    return _length(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, False).to(dtype=dtype)


def _check_power(name: str, p: float) -> None:
    if not isinstance(p, (int, float, np.integer, np.floating)) or not p >= 0:
        raise SettingError(f"{name}: p must be a number from 0 (infinity too), not {p!r:.60}")


def _length(x: Tensor, p: float, keepdim: bool) -> Tensor:
    """The p-norm over the last axis, whose slope is 0 where it is 0."""
    if p == 2:
        return root(sum(x * x, -1, keepdim))
    size = abs(x)
    if p == 1:
        return sum(size, -1, keepdim)
    if math.isinf(p):
        return amax(size, -1, keepdim)
    if p == 0:
        return sum((x != 0).to(dtype=x.dtype), -1, keepdim)
    total = sum(where(size > 0, where(size > 0, size, 1.0) ** p, 0.0), -1, keepdim)
    positive = total > 0
    return where(positive, where(positive, total, 1.0) ** (1.0 / p), 0.0)
