"""Sorting, and what is found by order: the largest few, the k-th, medians and quantiles, and where a value would go.

NaN counts as larger than every number, as in PyTorch. Gradients flow to the elements that were chosen.
"""

from __future__ import annotations

import operator
from typing import Any

from ...device import namespace
from ...dtype import Array, bfloat16, float32, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...op import op, op_with_results
from ...tensor import Tensor, tensor_like, tensor_of
from .choice import Chosen, itself, picked, to_kept_places, to_places
from .reduction import one_axis

__all__ = [
    "argsort",
    "bucketize",
    "kthvalue",
    "msort",
    "searchsorted",
    "sort",
    "topk",
]


@op()
def order_along(xp: Any, x: Array, axis: int = -1, *, descending: bool = False, stable: bool = False) -> Array:
    """The indices that put x in order along ``axis``."""
    if not x.ndim:
        return xp.zeros((), "int64")
    axis = one_axis("sort", axis, x.ndim)
    keys = comparable(x)
    # The reverse of the ascending order of the reversed keys is descending, and equal keys keep their order.
    order = xp.argsort(_reversed(keys, axis) if descending else keys, axis, kind="stable" if stable else None)
    return x.shape[axis] - 1 - _reversed(order, axis) if descending else order


@op_with_results(2, residuals=("place",), x=to_kept_places)
def sort_along(
    xp: Any, x: Array, axis: int = -1, *, descending: bool = False, stable: bool = False
) -> tuple[Array, ...]:
    """The values in order along ``axis``, and the indices they had."""
    if not x.ndim:
        return itself(xp, x)
    order = order_along.body(xp, x, axis, descending=descending, stable=stable)
    return picked(xp, x, order, one_axis("sort", axis, x.ndim))


def argsort(
    x: Tensor, axis: int = -1, descending: bool = False, stable: bool = False, *, dim: int | None = None
) -> Tensor:
    """The indices that put x in order along ``axis``; equal elements keep their order if ``stable``."""
    return order_along(x, axis if dim is None else dim, descending=bool(descending), stable=bool(stable))


def sort(
    x: Tensor, axis: int = -1, descending: bool = False, stable: bool = False, *, dim: int | None = None
) -> Chosen:
    """(values, indices) in ascending (or ``descending``) order along ``axis``; equal elements keep their order if ``stable``."""
    axis = axis if dim is None else dim
    return Chosen(*sort_along(x, axis, descending=bool(descending), stable=bool(stable)))


def msort(x: Tensor) -> Tensor:
    """The values in ascending order along the first axis."""
    return sort(x, 0).values


@op_with_results(2, residuals=("place",), x=to_kept_places)
def top_along(
    xp: Any, x: Array, k: int, axis: int = -1, *, largest: bool = True, in_order: bool = True
) -> tuple[Array, ...]:
    """The ``k`` largest (or smallest) elements along ``axis``, and their indices."""
    place = one_axis("topk", axis, x.ndim) if x.ndim else 0
    size = x.shape[place] if x.ndim else 1
    if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k <= size:
        raise SettingError(f"topk: k is a whole number from 0 to the {size} elements along axis {axis}, not {k!r:.40}")
    if not x.ndim:
        found = xp.arange(k)
        return (*itself(xp, x),) if k else (x.reshape(1)[:0], found, found)
    keys = comparable(x)
    if 0 < k < size and x.size:
        found = xp.argpartition(keys, size - k if largest else k - 1, place)
    else:
        found = xp.broadcast_to(xp.arange(size).reshape([-1 if i == place else 1 for i in range(x.ndim)]), x.shape)
    found = found[along(x.ndim, place, slice(size - k, None) if largest else slice(k))]
    if not in_order:
        return picked(xp, x, xp.ascontiguousarray(found), place)
    inner = xp.argsort(xp.take_along_axis(keys, found, place), place)
    return picked(xp, x, xp.take_along_axis(found, _reversed(inner, place) if largest else inner, place), place)


def topk(
    x: Tensor, k: int, axis: int = -1, largest: bool = True, sorted: bool = True, *, dim: int | None = None
) -> Chosen:
    """(values, indices) of the ``k`` largest (or smallest) elements along ``axis``, the foremost first if ``sorted``.

    Found by partition: the rest is not put in order.
    """
    k = operator.index(k) if hasattr(k, "__index__") and not isinstance(k, bool) else k
    return Chosen(*top_along(x, k, axis if dim is None else dim, largest=bool(largest), in_order=bool(sorted)))


@op_with_results(2, residuals=("place",), x=to_places)
def kth_along(xp: Any, x: Array, k: int, axis: int = -1, keepdim: bool = False) -> tuple[Array, ...]:
    """The ``k``-th smallest element along ``axis``, counted from 1, and its index."""
    place = one_axis("kthvalue", axis, x.ndim) if x.ndim else 0
    size = x.shape[place] if x.ndim else 1
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= size:
        raise SettingError(
            f"kthvalue: k is a whole number from 1 to the {size} elements along axis {axis}, not {k!r:.40}"
        )
    return picked(xp, x, nth(xp, comparable(x), k - 1, place), place, keepdim) if x.ndim else itself(xp, x)


def nth(xp: Any, keys: Array, position: int, axis: int) -> Array:
    """The index of what stands at a position of the order along ``axis``, which stays with size 1."""
    return xp.argpartition(keys, position, axis)[along(keys.ndim, axis, slice(position, position + 1))]


def kthvalue(x: Tensor, k: int, axis: int = -1, keepdim: bool = False, *, dim: int | None = None) -> Chosen:
    """(value, index) of the ``k``-th smallest element along ``axis``, counted from 1."""
    k = operator.index(k) if hasattr(k, "__index__") and not isinstance(k, bool) else k
    return Chosen(*kth_along(x, k, axis if dim is None else dim, keepdim))


def searchsorted(
    sorted_sequence: Tensor, values: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None, sorter: Tensor | None = None
) -> Tensor:  # fmt: skip
    """Where each value would go in the ascending last axis: before equal elements, or behind them with ``right`` (side="right").

    One sequence serves values of any shape; several are searched by as many rows of values.
    ``sorter`` holds the indices that put the sequence in order, where it is not.
    """
    sequence, wanted = tensor_like("searchsorted", sorted_sequence), tensor_like("searchsorted", values)
    if side not in (None, "left", "right") or (side == "left" and right):
        raise SettingError(f"searchsorted: side is 'left' or 'right' and agrees with right={right}, not {side!r:.40}")
    if sequence.ndim == 0 or (sequence.ndim > 1 and sequence.shape[:-1] != wanted.shape[:-1]):
        raise ShapeError(
            f"searchsorted: values {tuple(wanted.shape)} must have the leading axes of the sequences {tuple(sequence.shape)}, or the sequence one axis"
        )
    if kind(sequence.dtype) > 2 or kind(wanted.dtype) > 2:
        raise DtypeError("searchsorted: complex numbers have no order; compare their abs()")
    xp = namespace(sequence.array)
    row, sought = comparable(sequence.array), comparable(wanted.array)
    if sorter is not None:
        sorter = tensor_like("searchsorted", sorter)
        if sorter.shape != sequence.shape or kind(sorter.dtype) != 1:
            raise ShapeError(
                f"searchsorted: sorter must hold integers in the sequence's shape {tuple(sequence.shape)}, not {sorter.dtype} {tuple(sorter.shape)}"
            )
        row = xp.take_along_axis(row, sorter.array, -1)
    behind = right or side == "right"
    found = (
        xp.searchsorted(row, sought, "right" if behind else "left")
        if row.ndim == 1
        else _merged(xp, row, sought, behind)
    )
    return tensor_of(xp.asarray(found, "int32" if out_int32 else "int64"))


def _merged(xp: Any, rows: Array, values: Array, behind: bool) -> Array:
    """How many of a row's elements come before each value, from one stable order of both together."""
    size, dtype = rows.shape[-1], xp.result_type(rows.dtype, values.dtype)
    parts = [rows.astype(dtype), values.astype(dtype)] if behind else [values.astype(dtype), rows.astype(dtype)]
    order = xp.argsort(xp.concatenate(parts, -1), -1, kind="stable")
    first = 0 if not behind else size
    is_value = (order >= first) & (order < first + values.shape[-1])
    before = xp.cumsum(~is_value, -1)
    result = xp.empty(order.shape, "int64")
    xp.put_along_axis(result, order, before, -1)
    return result[..., first : first + values.shape[-1]]


def bucketize(x: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The bucket of each element between ascending ``boundaries``: a boundary ends its bucket, or begins one with ``right``."""
    boundaries = tensor_like("bucketize", boundaries)
    if boundaries.ndim != 1:
        raise ShapeError(f"bucketize: boundaries have one axis, not shape {tuple(boundaries.shape)}")
    return searchsorted(boundaries, x, out_int32=out_int32, right=right)


def along(ndim: int, axis: int, part: Any) -> tuple[Any, ...]:
    """The index that takes a part of one axis, and all of the others."""
    return tuple(part if i == axis else slice(None) for i in range(ndim))


def _reversed(x: Array, axis: int) -> Array:
    return x[along(x.ndim, axis, slice(None, None, -1))]


def comparable(x: Array) -> Array:
    """The values in a dtype whose order NumPy knows: bfloat16's NaN are beyond it, complex numbers have none."""
    if kind(x.dtype) == 3:
        raise DtypeError(f"sort: complex numbers ({x.dtype}) have no order; sort their abs()")
    return x.astype(float32) if x.dtype == bfloat16 else x
