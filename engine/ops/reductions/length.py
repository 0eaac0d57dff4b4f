"""Lengths and distances: vector norms of any order, their gradients finite where the length is 0."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dtype import Array, DtypeLike, accumulator, as_dtype, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...op import op
from ...tensor import Tensor, tensor_like
from ..elementwise.arithmetic import abs as size_of
from ..elementwise.arithmetic import pow, sign, where
from .reduction import Axes, normal_axes, spread

__all__ = [
    "dist",
    "norm",
    "vector_norm",
]


def _norm_x(grad: Tensor, x: Tensor, out: Tensor, axis: Axes, keepdim: bool, p: float) -> Tensor | None:
    if p == 0:
        return None
    grad, length = spread(grad, x.shape, axis, keepdim), spread(out, x.shape, axis, keepdim)
    if p == 1:
        return grad * sign(x)
    if math.isinf(p):
        hit = (size_of(x) == length).to(dtype=x.dtype)
        return grad * sign(x) * hit / hit.sum(axis, True)
    zero = length == 0
    if p == 2:
        return where(zero, 0.0, grad * (x / where(zero, 1.0, length)))
    # x |x|^(p - 2) / length^(p - 1), from the quotient so that neither power overflows.
    flat = zero | (x == 0)
    ratio = where(flat, 1.0, size_of(x) / where(zero, 1.0, length))
    return where(flat, 0.0, grad * sign(x) * pow(ratio, p - 1.0))


@op(x=_norm_x)
def vector_norm_of(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False, *, p: float = 2.0) -> Array:
    """``vector_norm`` with all settings checked."""
    axes = normal_axes("norm", axis, x.ndim)
    if math.isinf(p) and math.prod(x.shape[a] for a in axes) == 0:
        raise ShapeError(
            f"norm: a tensor of shape {tuple(x.shape)} has no largest or smallest element over axis {axis}"
        )
    wide = accumulator(x.dtype)
    if p == 2 and axis is None and x.dtype == wide and x.flags.c_contiguous:
        row = x.reshape(-1)
        total = xp.sqrt(xp.dot(row, row))
        return total.reshape((1,) * x.ndim) if keepdim else total
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        values = x.astype(wide, copy=False)
        sizes = values if p == 2 else xp.abs(values)
        if p == 2:
            result = xp.sqrt(xp.sum(sizes * sizes, axes, keepdims=keepdim))
        elif p == 1:
            result = xp.sum(sizes, axes, keepdims=keepdim)
        elif p == 0:
            result = xp.sum((sizes != 0).astype(sizes.dtype), axes, keepdims=keepdim)
        elif math.isinf(p):
            result = (xp.max if p > 0 else xp.min)(sizes, axes, keepdims=keepdim)
        else:
            result = xp.sum(sizes**p, axes, keepdims=keepdim) ** (1.0 / p)
    return result.astype(x.dtype, copy=False)


def vector_norm(
    x: Tensor, ord: float = 2, axis: Axes = None, keepdim: bool = False, *, dim: Axes = None, dtype: DtypeLike | None = None
) -> Tensor:  # fmt: skip
    """(sum of |x|^ord over ``axis``)^(1 / ord); 0 counts what is not 0, infinity is the largest, -infinity the smallest.

    A slope that does not exist (at 0) is taken as 0.
    """
    return _normed("vector_norm", x, ord, axis if dim is None else dim, keepdim, dtype)


def norm(
    x: Tensor, p: float | str | None = "fro", axis: Axes = None, keepdim: bool = False, *, dim: Axes = None, dtype: DtypeLike | None = None
) -> Tensor:  # fmt: skip
    """The ``vector_norm`` of order ``p`` over ``axis`` (all elements if None); "fro" and None are 2, "nuc" sums a matrix's singular values."""
    if isinstance(p, str) and p != "fro":
        raise SettingError(
            f"norm: p is a number, an infinity, or 'fro', not {p!r:.40}; singular values give the others"
        )
    return _normed(
        "norm", x, 2.0 if p is None or isinstance(p, str) else p, axis if dim is None else dim, keepdim, dtype
    )


def _normed(name: str, x: Any, p: float, axis: Axes, keepdim: bool, dtype: DtypeLike | None) -> Tensor:
    x = tensor_like(name, x)
    x = x if dtype is None else x.to(dtype=as_dtype(dtype))
    if isinstance(p, bool) or not isinstance(p, (int, float)) or math.isnan(p):
        raise SettingError(f"{name}: the order is a number or an infinity, not {p!r:.40}")
    if kind(x.dtype) < 2:
        raise DtypeError(
            f"{name}: wants a floating-point tensor, not {x.dtype}; convert it with .float(), or give dtype="
        )
    return vector_norm_of(size_of(x) if kind(x.dtype) == 3 else x, axis, keepdim, p=float(p))


def dist(x: Tensor, y: Tensor, p: float = 2) -> Tensor:
    """The length of x - y, by the norm of order ``p``."""
    return _normed("dist", tensor_like("dist", x) - y, p, None, False, None)
