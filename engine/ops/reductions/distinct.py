"""Distinct values and counts. The shapes of the results depend on the values, and nothing here has a gradient."""

from __future__ import annotations

from typing import Any

from ...device import namespace
from ...dtype import Array, float32, float64, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...tensor import Tensor, tensor_like, tensor_of
from .order import comparable
from .reduction import one_axis

__all__ = [
    "bincount",
    "histc",
    "unique",
    "unique_consecutive",
]


def unique(
    x: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, axis: int | None = None, *, dim: int | None = None
) -> Any:  # fmt: skip
    """The distinct elements, in ascending order whatever ``sorted`` says; with an ``axis``, the distinct slices along it.

    With ``return_inverse`` also where each element's value is in them, with ``return_counts`` also how often each comes.
    NaN equals nothing, so each is one of its own.
    """
    x = tensor_like("unique", x)
    axis = axis if dim is None else dim
    rows = _rows("unique", x, axis)
    xp = namespace(rows)
    if rows.ndim == 1 and not return_inverse:
        rows = xp.sort(comparable(rows)).astype(rows.dtype, copy=False)
        begins = _begins(xp, rows)
        return _results(xp, [tensor_of(rows[begins])], None, begins, return_counts)
    order = _order(xp, comparable(rows))
    begins = _begins(xp, rows[order])
    where = xp.empty(rows.shape[0], "int64")
    where[order] = xp.cumsum(begins) - 1
    return _found(x, axis, order[begins], where, begins, return_inverse, return_counts)


def unique_consecutive(
    x: Tensor, return_inverse: bool = False, return_counts: bool = False, axis: int | None = None, *, dim: int | None = None
) -> Any:  # fmt: skip
    """The elements without those that equal the one before; with an ``axis``, so for the slices along it.

    With ``return_inverse`` also where each element's value is in them, with ``return_counts`` also how often it came in a row.
    """
    x = tensor_like("unique_consecutive", x)
    axis = axis if dim is None else dim
    rows = _rows("unique_consecutive", x, axis)
    xp = namespace(rows)
    begins = _begins(xp, rows)
    return _found(x, axis, xp.flatnonzero(begins), xp.cumsum(begins) - 1, begins, return_inverse, return_counts)


def _rows(name: str, x: Tensor, axis: int | None) -> Array:
    """The elements in a row, or what lies along ``axis`` as rows."""
    if axis is None:
        return x.array.reshape(-1)
    place = one_axis(name, axis, x.ndim)
    turned = namespace(x.array).moveaxis(x.array, place, 0)
    width = 1
    for size in turned.shape[1:]:
        width *= size
    return turned.reshape(turned.shape[0], width)


def _order(xp: Any, rows: Array) -> Array:
    """The indices that put elements, or rows by their first element that differs, in order."""
    if rows.ndim == 1:
        return xp.argsort(rows)
    return xp.lexsort(rows.T[::-1]) if rows.shape[1] else xp.arange(rows.shape[0])


def _begins(xp: Any, rows: Array) -> Array:
    """Whether each row differs from the one before."""
    begins = xp.ones(rows.shape[0], bool)
    changed = rows[1:] != rows[:-1]
    begins[1:] = changed if rows.ndim == 1 else changed.any(1)
    return begins


def _found(x: Tensor, axis: int | None, places: Array, where: Array, begins: Array, inverse: bool, counts: bool) -> Any:
    """The values at these places of x, and what else was asked for."""
    xp = namespace(x.array)
    values = x.array.reshape(-1)[places] if axis is None else xp.take(x.array, places, axis)
    where = where.reshape(x.shape) if axis is None else where
    return _results(xp, [tensor_of(values)], where if inverse else None, begins, counts)


def _results(xp: Any, results: list[Tensor], where: Array | None, begins: Array, counts: bool) -> Any:
    """One tensor, or a tuple of several; the counts are the distances between beginnings."""
    if where is not None:
        results.append(tensor_of(where))
    if counts:
        ends = xp.concatenate([xp.flatnonzero(begins), xp.asarray([begins.shape[0]])])
        results.append(tensor_of(ends[1:] - ends[:-1]))
    return results[0] if len(results) == 1 else tuple(results)


def bincount(x: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number from 0 comes, or the sum of its ``weights``; at least ``minlength`` numbers.

    Counts are int64; sums are float32 for float32 weights, else float64.
    """
    x = tensor_like("bincount", x)
    if isinstance(minlength, bool) or not isinstance(minlength, int) or minlength < 0:
        raise SettingError(f"bincount: minlength is a whole number from 0, not {minlength!r:.40}")
    if kind(x.dtype) != 1:
        raise DtypeError(f"bincount: wants integers, not {x.dtype}; convert with .long()")
    if x.ndim != 1:
        raise ShapeError(f"bincount: wants one axis, not shape {tuple(x.shape)}; use .flatten()")
    if x.array.size and int(x.array.min()) < 0:
        raise SettingError(f"bincount: counts numbers from 0, but the least is {int(x.array.min())}")
    xp = namespace(x.array)
    places = x.array.astype("int64", copy=False)
    if weights is None:
        return tensor_of(xp.bincount(places, None, minlength).astype("int64", copy=False))
    weights = tensor_like("bincount", weights)
    if weights.shape != x.shape or kind(weights.dtype) > 2:
        raise ShapeError(
            f"bincount: weights must be real numbers in the shape of x {tuple(x.shape)}, not {weights.dtype} {tuple(weights.shape)}"
        )
    total = xp.bincount(places, weights.array.astype(float64), minlength)
    return tensor_of(total.astype(float32 if weights.dtype == float32 else float64, copy=False))


def histc(x: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements fall into each of ``bins`` equal parts of [min, max], the last part closed; in x's dtype.

    Where min = max, the range is that of the elements. What lies outside is not counted, nor is NaN.
    """
    x = tensor_like("histc", x)
    if kind(x.dtype) != 2:
        raise DtypeError(f"histc: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise SettingError(f"histc: bins is a whole number from 1, not {bins!r:.40}")
    low, high = float(min), float(max)
    xp = namespace(x.array)
    values = x.array.reshape(-1).astype(float64)
    if low == high and values.size:
        low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 1, high + 1
    if not -float("inf") < low < high < float("inf"):
        raise SettingError(f"histc: the range must be finite and min below max, not [{low}, {high}]; give min and max")
    values = values[(values >= low) & (values <= high)]
    places = xp.minimum(((values - low) * (bins / (high - low))).astype("int64"), bins - 1)
    return tensor_of(xp.bincount(places, None, bins).astype(x.dtype))
