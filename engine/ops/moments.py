"""Variances and standard deviations, and the sums that skip NaN or count."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..dtype import Array, DtypeLike, as_dtype, float32, kind
from ..errors import ArgumentError, DtypeError, SettingError
from ..op import op
from ..tensor import Tensor, tensor_like
from .arithmetic import where
from .complex_numbers import imag, real
from .elementary import exp
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
    return _var_mean("var", x, axis, unbiased, keepdim, correction, dim)[0]


def var_mean(
    x: Tensor, axis: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None, dim: Axes = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The variance, as ``var`` gives it, and the mean."""
    return _var_mean("var_mean", x, axis, unbiased, keepdim, correction, dim)


def std(
    x: Tensor, axis: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None, dim: Axes = None,
) -> Tensor:  # fmt: skip
    """The standard deviation: the root of ``var``, whose slope at 0 is taken as 0."""
    return root(_var_mean("std", x, axis, unbiased, keepdim, correction, dim)[0])


def std_mean(
    x: Tensor, axis: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: float | None = None, dim: Axes = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The standard deviation, as ``std`` gives it, and the mean."""
    variance, average = _var_mean("std_mean", x, axis, unbiased, keepdim, correction, dim)
    return root(variance), average


def _var_mean(
    name: str, x: Any, axis: Any, unbiased: bool | None, keepdim: bool, correction: float | None, dim: Axes
) -> tuple[Tensor, Tensor]:
    x = tensor_like(name, x)
    if isinstance(axis, bool):
        axis, unbiased = None, axis
    axis = axis if dim is None else dim
    if unbiased is not None and correction is not None:
        raise ArgumentError(f"{name}: give either unbiased or correction, not both")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise SettingError(f"{name}: correction is a number, not {correction!r:.40}")
    if kind(x.dtype) < 2:
        raise DtypeError(f"{name}: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    axes = normal_axes(name, axis, x.ndim)
    average = mean(x, axes, True)
    away = x - average
    count = math.prod(x.shape[a] for a in axes) - correction
    squares = real(away) * real(away) + imag(away) * imag(away) if kind(x.dtype) == 3 else away * away
    variance = sum(squares, axes, keepdim)
    variance = variance / float(count) if count > 0 else variance / 0.0
    return variance, average if keepdim else average.reshape(variance.shape)


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
    high = xp.max(x, axes, keepdims=True)
    high = xp.where(xp.isfinite(high), high, x.dtype.type(0))
    with xp.errstate(divide="ignore", over="ignore"):
        result = xp.log(
            xp.sum(
                xp.exp(x - high),
                axes,
                keepdims=True,
                dtype=None if x.dtype.kind == "f" and x.dtype.itemsize > 2 else float32,
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
