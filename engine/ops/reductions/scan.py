"""Scans: running sums, products and extremes along one axis, and differences of neighbours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dtype import Array, DtypeLike, accumulator, as_dtype, float32, kind
from ...errors import SettingError, ShapeError
from ...op import op, op_with_results
from ...tensor import Tensor, tensor_like, tensor_of
from .choice import Chosen, itself, picked, to_kept_places
from .reduction import one_axis

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "diff",
    "logcumsumexp",
    "recurrence",
]


def _running_sum_x(grad: Tensor, axis: int, reverse: bool) -> Tensor:
    return running_sum(grad, axis, reverse=not reverse)


@op(x=_running_sum_x)
def running_sum(xp: Any, x: Array, axis: int, *, reverse: bool = False) -> Array:
    """The sum of each element and all before it (after it, in ``reverse``) along ``axis``; half precisions are summed in float32."""
    if not x.ndim:
        return x.copy()
    way = _way(x.ndim, one_axis("cumsum", axis, x.ndim), reverse)
    total = xp.cumsum(x[way], axis, dtype=accumulator(x.dtype))
    return total[way].astype(x.dtype, copy=False)


def cumsum(x: Tensor, axis: int | None = None, *, dim: int | None = None, dtype: DtypeLike | None = None) -> Tensor:
    """The sum of each element and all before it along ``axis``; of integers and booleans in int64, unless ``dtype`` says other."""
    return running_sum(*_prepared("cumsum", x, axis, dim, dtype))


def _cumprod_x(grad: Tensor, x: Tensor, out: Tensor, axis: int, reverse: bool) -> Tensor:
    """The sum over k >= j of grad_k out_k / x_j; where something is 0, without the division."""
    if not x.ndim:
        return grad
    axis = one_axis("cumprod", axis, x.ndim)
    if isinstance(x.array, np.ndarray) and x.array.all():  # elsewhere looking would be to wait
        return running_sum(grad * out, axis, reverse=not reverse) / x
    # The elements before j, times what those after j make of the gradient: R_j = grad_j + x_(j + 1) R_(j + 1).
    after = recurrence(grad, _moved(x, axis, 1.0, not reverse), axis=axis, reverse=not reverse)
    return _moved(_scanned_product(x, axis, reverse), axis, 1.0, reverse) * after


@op(x=_cumprod_x)
def running_product(xp: Any, x: Array, axis: int, *, reverse: bool = False) -> Array:
    """The product of each element and all before it (after it, in ``reverse``) along ``axis``."""
    if not x.ndim:
        return x.copy()
    way = _way(x.ndim, one_axis("cumprod", axis, x.ndim), reverse)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        total = xp.cumprod(x[way], axis, dtype=accumulator(x.dtype))
    return total[way].astype(x.dtype, copy=False)


def cumprod(x: Tensor, axis: int | None = None, *, dim: int | None = None, dtype: DtypeLike | None = None) -> Tensor:
    """The product of each element and all before it along ``axis``; of integers and booleans in int64, unless ``dtype`` says other."""
    return running_product(*_prepared("cumprod", x, axis, dim, dtype))


def product_of_others(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """For each element the product of all the others over ``axes``, without a division: right where some are 0, and so are its gradients."""
    from ..shapes.shape import permute, reshape

    if not x.ndim or not axes:
        return tensor_of(x.array * 0 + x.array.dtype.type(1))
    order = (*(a for a in range(x.ndim) if a not in axes), *axes)
    turned = permute(x, order)
    row = reshape(turned, (*turned.shape[: x.ndim - len(axes)], math.prod(x.shape[a] for a in axes)))
    last = row.ndim - 1
    before = _moved(_scanned_product(row, last, False), last, 1.0, False)
    after = _moved(_scanned_product(row, last, True), last, 1.0, True)
    others = reshape(before * after, turned.shape)
    return permute(others, tuple(sorted(range(x.ndim), key=lambda i: order[i])))


def _scanned_product(x: Tensor, axis: int, reverse: bool) -> Tensor:
    """A running product as a recurrence of nothing but factors, whose gradients know no division."""
    from ..shapes.create import zeros_like

    start = zeros_like(x)
    if x.shape[axis]:
        start.array[_place(x.ndim, axis, -1 if reverse else 0)] = 1
    return recurrence(start * x, x, axis=axis, reverse=reverse)


def _recurrence_values(grad: Tensor, factors: Tensor, axis: int, reverse: bool) -> Tensor:
    return recurrence(grad, _moved(factors, axis, 0.0, not reverse), axis=axis, reverse=not reverse)


def _recurrence_factors(grad: Tensor, out: Tensor, factors: Tensor, axis: int, reverse: bool) -> Tensor:
    return _recurrence_values(grad, factors, axis, reverse) * _moved(out, axis, 0.0, reverse)


@op(values=_recurrence_values, factors=_recurrence_factors)
def recurrence(xp: Any, values: Array, factors: Array, *, axis: int, reverse: bool = False) -> Array:
    """y_t = values_t + factors_t y_(t - 1) along ``axis`` (y_(t + 1), in ``reverse``), y being 0 outside.

    Both of one shape. Computed by doubling: after k rounds every place has taken in the 2^k before it.
    """
    if values.shape != factors.shape:
        raise ShapeError(
            f"recurrence: values {tuple(values.shape)} and factors {tuple(factors.shape)} must be of one shape"
        )
    axis = one_axis("recurrence", axis, values.ndim)
    way = _way(values.ndim, axis, reverse)
    wide = accumulator(values.dtype)
    total, factor = values[way].astype(wide), factors[way].astype(wide)
    step = 1
    while step < values.shape[axis]:
        later, earlier = _place(values.ndim, axis, slice(step, None)), _place(values.ndim, axis, slice(None, -step))
        total[later] += factor[later] * total[earlier]
        factor[later] *= factor[earlier]  # NumPy and CuPy read all of an overlapping operand before they write
        step *= 2
    return total[way].astype(values.dtype, copy=False)


def _logcumsumexp_x(grad: Tensor, x: Tensor, out: Tensor, axis: int) -> Tensor:
    """The sum over k >= j of grad_k exp(x_j - out_k), in steps exp(out_j - out_(j + 1)) that are at most 1."""
    from ..elementwise.arithmetic import where
    from ..elementwise.elementary import exp

    if not x.ndim:
        return grad
    axis = one_axis("logcumsumexp", axis, x.ndim)
    nothing = out == -math.inf
    level = where(nothing, 0.0, out)
    decay = exp(where(nothing, -math.inf, level - _moved(level, axis, 0.0, True)))
    flow = recurrence(grad, decay, axis=axis, reverse=True)
    return where(nothing, 0.0, flow * exp(where(nothing, 0.0, x - level)))


@op(x=_logcumsumexp_x)
def logcumsumexp_of(xp: Any, x: Array, axis: int) -> Array:
    """``logcumsumexp`` of floating-point tensors."""
    if not x.ndim:
        return x.copy()
    axis = one_axis("logcumsumexp", axis, x.ndim)
    wide = x.astype(accumulator(x.dtype), copy=False)
    with np.errstate(invalid="ignore"):
        return accumulated(xp, xp.logaddexp, wide, axis).astype(x.dtype, copy=False)


def logcumsumexp(x: Tensor, axis: int | None = None, *, dim: int | None = None) -> Tensor:
    """log of the sum of exp(x) over each element and all before it along ``axis``, without overflow."""
    x, axis = _prepared("logcumsumexp", x, axis, dim, None if _is_float(x) else float32)
    return logcumsumexp_of(x, axis)


def cummax(x: Tensor, axis: int | None = None, *, dim: int | None = None) -> Chosen:
    """(values, indices) of the largest of each element and all before it, the last of equal ones; NaN once there was one."""
    return Chosen(*extreme_so_far(x, _needed("cummax", axis, dim), largest=True))


def cummin(x: Tensor, axis: int | None = None, *, dim: int | None = None) -> Chosen:
    """(values, indices) of the smallest of each element and all before it, the last of equal ones; NaN once there was one."""
    return Chosen(*extreme_so_far(x, _needed("cummin", axis, dim), largest=False))


@op_with_results(2, residuals=("place",), x=to_kept_places)
def extreme_so_far(xp: Any, x: Array, axis: int, *, largest: bool) -> tuple[Array, ...]:
    """The largest (or smallest) of each element and all before it, and the index of the last of equal ones."""
    if not x.ndim:
        return itself(xp, x)
    axis = one_axis("cummax" if largest else "cummin", axis, x.ndim)
    wide = x.astype(accumulator(x.dtype), copy=False)
    with np.errstate(invalid="ignore"):
        best = accumulated(xp, xp.maximum if largest else xp.minimum, wide, axis)
    hit = wide == best
    if x.dtype.kind not in "biu":
        hit |= wide != wide
    place = xp.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    last = accumulated(xp, xp.maximum, hit * place, axis)
    return picked(xp, x, last, axis, values=best.astype(x.dtype, copy=False))


def diff(
    x: Tensor, n: int = 1, axis: int = -1, prepend: Tensor | None = None, append: Tensor | None = None, *, dim: int | None = None
) -> Tensor:  # fmt: skip
    """The differences x_(i + 1) - x_i along ``axis``, taken ``n`` times, after ``prepend`` and ``append`` were joined on; of booleans, whether they differ."""
    from ..elementwise.compare import logical_xor
    from ..shapes.shape import cat

    x = tensor_like("diff", x)
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise SettingError(f"diff: n is a whole number from 0, not {n!r:.40}")
    axis = one_axis("diff", axis if dim is None else dim, x.ndim)
    parts = [tensor_like("diff", part) for part in (prepend, x, append) if part is not None]
    if not n:
        return x
    x = cat(parts, axis) if len(parts) > 1 else x
    for _ in range(min(n, x.shape[axis])):
        later, earlier = x[_place(x.ndim, axis, slice(1, None))], x[_place(x.ndim, axis, slice(None, -1))]
        x = later - earlier if kind(x.dtype) else logical_xor(later, earlier)
    return x


def _prepared(name: str, x: Any, axis: int | None, dim: int | None, dtype: DtypeLike | None) -> tuple[Tensor, int]:
    """The tensor in the dtype that the scan computes in, and its axis."""
    x = tensor_like(name, x)
    if dtype is not None:
        x = x.to(dtype=as_dtype(dtype))
    elif kind(x.dtype) < 2:
        x = x.to(dtype="int64")
    return x, _needed(name, axis, dim)


def _needed(name: str, axis: int | None, dim: int | None) -> int:
    axis = axis if dim is None else dim
    if axis is None:
        raise ShapeError(
            f"{name}: needs the axis to go along, such as axis=0; flatten() first to go along all elements"
        )
    return axis


def _is_float(x: Any) -> bool:
    return kind(tensor_like("logcumsumexp", x).dtype) > 1


def _moved(x: Tensor, axis: int, fill: float, reverse: bool) -> Tensor:
    """Elements moved one place along ``axis`` (back, in ``reverse``), with ``fill`` coming in and the last falling out."""
    from ..shapes.create import full
    from ..shapes.shape import cat

    if not x.shape[axis]:
        return x
    axis %= x.ndim
    edge = full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), fill, dtype=x.dtype, device=x.device)
    if reverse:
        return cat([x[_place(x.ndim, axis, slice(1, None))], edge], axis)
    return cat([edge, x[_place(x.ndim, axis, slice(None, -1))]], axis)


def accumulated(xp: Any, function: Any, x: Array, axis: int) -> Array:
    """NumPy's accumulate of a function of two; CuPy has it for sums and products only, so others double their reach each round there."""
    if xp is np:
        return function.accumulate(x, axis)
    step, total = 1, x.copy()
    while step < x.shape[axis]:
        later, earlier = _place(x.ndim, axis, slice(step, None)), _place(x.ndim, axis, slice(None, -step))
        total[later] = function(total[later], total[earlier])
        step *= 2
    return total


def _way(ndim: int, axis: int, reverse: bool) -> tuple[slice, ...]:
    return _place(ndim, axis, slice(None, None, -1)) if reverse else (slice(None),) * ndim


def _place(ndim: int, axis: int, part: Any) -> Any:
    return tuple(part if i == axis % ndim else slice(None) for i in range(ndim))
