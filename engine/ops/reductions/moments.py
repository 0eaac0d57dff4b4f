"""Variances and standard deviations, and the sums that skip NaN or count."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ...dtype import Array, DtypeLike, accumulator, as_dtype, float32, kind
from ...errors import ArgumentError, DtypeError, SettingError
from ...op import op
from ...tensor import Tensor, tensor_like
from ..elementwise.arithmetic import where
from ..elementwise.elementary import exp
from .reduction import Axes, amax, amin, mean, normal_axes, root, spread, sum

__all__ = [
    "aminmax",
    "count_nonzero",
    "logsumexp",
    "nanmean",
    "nansum",
    "std",
    "std_mean",
    "var",
    "var_mean",
]


def var(
    x: Tensor, axis: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None, dim: Axes = None,
) -> Tensor:  # fmt: skip
    """The variance over ``axis``: squared distances from the mean, summed and divided by the count less ``correction`` (1 by default).

    ``unbiased`` (which alone may come first) is PyTorch's older word: True is a correction of 1, False of 0.
    """
    x, axis, correction = _settled("var", x, axis, unbiased, correction, dim)
    return variance(x, axis, keepdim, correction=correction)


def var_mean(
    x: Tensor, axis: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None, dim: Axes = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The variance, as ``var`` gives it, and the mean."""
    x, axis, correction = _settled("var_mean", x, axis, unbiased, correction, dim)
    return variance(x, axis, keepdim, correction=correction), mean(x, axis, keepdim)


def std(
    x: Tensor, axis: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None, dim: Axes = None,
) -> Tensor:  # fmt: skip
    """The standard deviation: the root of ``var``, whose slope at 0 is taken as 0."""
    x, axis, correction = _settled("std", x, axis, unbiased, correction, dim)
    return root(variance(x, axis, keepdim, correction=correction))


def std_mean(
    x: Tensor, axis: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None, dim: Axes = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The standard deviation, as ``std`` gives it, and the mean."""
    x, axis, correction = _settled("std_mean", x, axis, unbiased, correction, dim)
    return root(variance(x, axis, keepdim, correction=correction)), mean(x, axis, keepdim)


def _settled(
    name: str, x: Any, axis: Any, unbiased: bool | None, correction: float | None, dim: Axes
) -> tuple[Tensor, Axes, float]:
    """The tensor, the axes and the correction that the many ways to ask for them mean."""
    x = tensor_like(name, x)
    if isinstance(axis, bool):
        axis, unbiased = None, axis
    if unbiased is not None and correction is not None:
        raise ArgumentError(f"{name}: give either unbiased or correction, not both")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise SettingError(f"{name}: correction is a number, not {correction!r:.40}")
    if x.array.dtype.kind in "biu":
        raise DtypeError(f"{name}: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    return x, axis if dim is None else dim, correction


def _variance_x(grad: Tensor, x: Tensor, axis: Axes, keepdim: bool, correction: float) -> Tensor:
    count = math.prod(x.shape[a] for a in normal_axes("var", axis, x.ndim)) - correction
    away = x - mean(x, axis, True)
    # Of nothing to divide by, the slope is not a number either.
    return spread(grad * (2.0 / count if count > 0 else math.nan), x.shape, axis, keepdim) * away


@op(x=_variance_x, holomorphic=False)
def variance(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False, *, correction: float = 1) -> Array:
    """``var`` with all settings checked; |x - mean|^2 for complex numbers. Half precisions are summed in float32."""
    axes = normal_axes("var", axis, x.ndim)
    count = 1
    for a in axes:
        count *= x.shape[a]
    values = x.astype(accumulator(x.dtype), copy=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        average = xp.add.reduce(values, axes, None, None, True) if xp is np else xp.sum(values, axes, keepdims=True)
        average = average / values.dtype.type(count)
        away = values - average
        if away.dtype.kind == "c":
            away = xp.abs(away)
        away *= away
        total = xp.add.reduce(away, axes, None, None, keepdim) if xp is np else xp.sum(away, axes, keepdims=keepdim)
        result = total / away.dtype.type(count - correction if count > correction else 0)
    return result if x.dtype.kind == "c" else result.astype(x.dtype, copy=False)


def _logsumexp_x(grad: Tensor, x: Tensor, out: Tensor, axis: Axes, keepdim: bool) -> Tensor:
    total = spread(out, x.shape, axis, keepdim)
    # Where all is -inf, the differences are NaN, and every weight is 0.
    nothing = total == -math.inf
    return spread(grad, x.shape, axis, keepdim) * where(nothing, 0.0, exp(where(nothing, 0.0, x - total)))


@op(x=_logsumexp_x)
def logsumexp_of(xp: Any, x: Array, axis: Axes, keepdim: bool = False) -> Array:
    """``logsumexp`` of floating-point tensors."""
    axes = normal_axes("logsumexp", axis, x.ndim)
    if not x.size:
        return xp.log(xp.sum(xp.exp(x), axes, keepdims=keepdim))
    high = xp.max(x.real, axes, keepdims=True)
    high = xp.where(xp.isfinite(high), high, high.dtype.type(0))
    with np.errstate(divide="ignore", over="ignore"):
        result = xp.log(
            xp.sum(
                xp.exp(x - high),
                axes,
                keepdims=True,
                dtype=accumulator(x.dtype),
            )
        )
        result = (result + high).astype(x.dtype, copy=False)
    return result if keepdim else result.reshape([size for i, size in enumerate(x.shape) if i not in axes])


def logsumexp(x: Tensor, axis: Axes = None, keepdim: bool = False, *, dim: Axes = None) -> Tensor:
    """log of the sum of exp(x) over ``axis``, without overflow; integers become float32 first."""
    x = tensor_like("logsumexp", x)
    return logsumexp_of(x.to(dtype=float32) if kind(x.dtype) < 2 else x, axis if dim is None else dim, keepdim)


@op()
def count_nonzero(xp: Any, x: Array, axis: Axes = None) -> Array:
    """How many elements over ``axis`` are other than 0 (NaN is)."""
    return xp.sum(x != 0, normal_axes("count_nonzero", axis, x.ndim), dtype="int64")


def nansum(
    x: Tensor, axis: Axes = None, keepdim: bool = False, *, dim: Axes = None, dtype: DtypeLike | None = None
) -> Tensor:
    """The sum over ``axis`` of what is not NaN."""
    x = tensor_like("nansum", x)
    x = x if dtype is None else x.to(dtype=as_dtype(dtype))
    return sum(x if kind(x.dtype) < 2 else where(x != x, 0.0, x), axis if dim is None else dim, keepdim)


def nanmean(
    x: Tensor, axis: Axes = None, keepdim: bool = False, *, dim: Axes = None, dtype: DtypeLike | None = None
) -> Tensor:
    """The mean over ``axis`` of what is not NaN; NaN where nothing is left."""
    x = tensor_like("nanmean", x)
    x = x if dtype is None else x.to(dtype=as_dtype(dtype))
    if kind(x.dtype) < 2:
        raise DtypeError(f"nanmean: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    axis = axis if dim is None else dim
    return nansum(x, axis, keepdim) / sum(x == x, axis, keepdim)


class Extremes(NamedTuple):
    """The smallest and the largest elements."""

    min: Tensor
    max: Tensor


def aminmax(x: Tensor, axis: int | None = None, keepdim: bool = False, *, dim: int | None = None) -> Extremes:
    """(min, max) over one axis, or of all; equal elements share the gradient."""
    axis = axis if dim is None else dim
    return Extremes(amin(x, axis, keepdim), amax(x, axis, keepdim))
