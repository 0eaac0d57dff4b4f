"""Medians, quantiles and the most frequent value."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...device import namespace
from ...dtype import Array, accumulator, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...op import op, op_with_results
from ...tensor import Tensor, tensor_like, tensor_of
from ..elementwise.limits import lerp
from ..indexing.index import gather_along
from ..shapes.shape import permute, reshape
from .choice import Chosen, itself, picked, to_places
from .order import comparable, nth, sort
from .reduction import mean, one_axis
from .scan import accumulated

__all__ = [
    "median",
    "mode",
    "nanmedian",
    "nanquantile",
    "quantile",
]

INTERPOLATIONS = ("linear", "lower", "higher", "nearest", "midpoint")


def median(x: Tensor, axis: int | None = None, keepdim: bool = False, *, dim: int | None = None) -> Tensor | Chosen:
    """The middle element of all, the lower of two; with an ``axis``, (values, indices). NaN where there is one."""
    return _median("median", x, axis if dim is None else dim, keepdim, False)


def nanmedian(x: Tensor, axis: int | None = None, keepdim: bool = False, *, dim: int | None = None) -> Tensor | Chosen:
    """The middle of the elements that are not NaN, the lower of two; with an ``axis``, (values, indices)."""
    return _median("nanmedian", x, axis if dim is None else dim, keepdim, True)


def _median(name: str, x: Any, axis: int | None, keepdim: bool, skip: bool) -> Tensor | Chosen:
    if axis is not None:
        return Chosen(*middle_along(x, axis, keepdim, skip=skip))
    x = tensor_like(name, x)
    if not x.array.size:
        if kind(x.dtype) < 2:
            raise ShapeError(f"{name}: a tensor of shape {tuple(x.shape)} has no middle")
        return mean(x)  # NaN, as of nothing
    return middle(x, skip=skip)


def _middle_x(grad: Tensor, x: Tensor, out: Tensor) -> Tensor:
    hit = ((x == out) | ((x != x) & (out != out))).to(dtype=grad.dtype)
    return grad * hit / hit.sum()


@op(x=_middle_x)
def middle(xp: Any, x: Array, *, skip: bool) -> Array:
    """The middle element of all; equal ones share the gradient."""
    flat = x.reshape(-1)
    return flat[_middle(xp, flat, 0, skip)].reshape(())


@op_with_results(2, residuals=("place",), x=to_places)
def middle_along(xp: Any, x: Array, axis: int, keepdim: bool = False, *, skip: bool) -> tuple[Array, ...]:
    """The middle element along ``axis`` and its index; of what is not NaN, with ``skip``."""
    if not x.ndim:
        return itself(xp, x)
    axis = one_axis("median", axis, x.ndim)
    return picked(xp, x, _middle(xp, x, axis, skip), axis, keepdim)


def _middle(xp: Any, x: Array, axis: int, skip: bool) -> Array:
    """The index of the middle element along ``axis``, which stays with size 1."""
    size = x.shape[axis]
    if not size:
        raise ShapeError(f"median: a tensor of shape {tuple(x.shape)} has no middle along axis {axis}")
    keys = comparable(x)
    missing = keys != keys
    if xp is np and not missing.any():
        return nth(xp, keys, (size - 1) // 2, axis)
    if skip:
        there = size - missing.sum(axis, keepdims=True)
        return xp.take_along_axis(xp.argsort(keys, axis), xp.maximum(there - 1, 0) // 2, axis)
    usual = nth(xp, keys, (size - 1) // 2, axis)
    return xp.where(missing.any(axis, keepdims=True), missing.argmax(axis, keepdims=True), usual)


def quantile(
    x: Tensor, q: Any, axis: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", dim: int | None = None
) -> Tensor:  # fmt: skip
    """The value below which the share ``q`` of the elements along ``axis`` lies; several shares come as a new first axis.

    Between two elements: "linear" (by distance), "lower", "higher", "nearest" (halves to even) or "midpoint". NaN where there is one.
    """
    return _quantile("quantile", x, q, axis if dim is None else dim, keepdim, interpolation, False)


def nanquantile(
    x: Tensor, q: Any, axis: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", dim: int | None = None
) -> Tensor:  # fmt: skip
    """The ``quantile`` of what is not NaN; NaN where nothing is left."""
    return _quantile("nanquantile", x, q, axis if dim is None else dim, keepdim, interpolation, True)


def _quantile(name: str, x: Any, q: Any, axis: int | None, keepdim: bool, interpolation: str, skip: bool) -> Tensor:
    x = tensor_like(name, x)
    shares = _shares(name, x, q, interpolation)
    row = reshape(x, (-1,)) if axis is None or not x.ndim else x
    place = one_axis(name, 0 if row is not x or axis is None else axis, row.ndim)
    size = row.shape[place]
    if not size:
        raise ShapeError(f"{name}: a tensor of shape {tuple(x.shape)} has no quantile along axis {axis}")
    last = row.ndim - 1
    ordered = permute(sort(row, place).values, (*(a for a in range(row.ndim) if a != place), place))
    xp = namespace(ordered.array)
    missing = (ordered.array != ordered.array).sum(last, keepdims=True)
    wide = accumulator(x.dtype)
    ranks = shares.reshape(-1).astype(wide) * (xp.maximum(size - missing * skip, 1) - 1).astype(wide)
    if not skip:
        ranks = xp.where(missing > 0, wide.type(size - 1), ranks)  # where NaN is, the last of the order
    if interpolation == "nearest":
        ranks = xp.round(ranks)
    below = xp.ceil(ranks) if interpolation == "higher" else xp.floor(ranks)
    values = gather_along(ordered, tensor_of(below.astype("int64")), axis=last)
    if interpolation in ("linear", "midpoint"):
        above = gather_along(ordered, tensor_of(xp.ceil(ranks).astype("int64")), axis=last)
        weight = xp.full_like(ranks, 0.5) if interpolation == "midpoint" else ranks - below
        values = lerp(values, above, tensor_of(weight.astype(x.dtype)))
    values = permute(values, (last, *range(last)))  # (shares, what is left of x)
    if keepdim:
        kept = tuple(1 if row is not x or a == place else length for a, length in enumerate(x.shape))
        values = reshape(values, (values.shape[0], *kept))
    return values if shares.ndim else reshape(values, values.shape[1:])


def _shares(name: str, x: Tensor, q: Any, interpolation: str) -> Array:
    """The shares as an array, all settings checked."""
    if kind(x.dtype) != 2:
        raise DtypeError(f"{name}: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    if interpolation not in INTERPOLATIONS:
        raise SettingError(f"{name}: interpolation is one of {', '.join(INTERPOLATIONS)}, not {interpolation!r:.40}")
    # Python's numbers stay in double precision, whatever x is.
    shares: Array = (tensor_like(name, q) if hasattr(q, "dtype") else Tensor(np.asarray(q))).to(device=x.device).array
    if shares.ndim > 1 or kind(shares.dtype) > 2:
        raise ShapeError(f"{name}: q is a number or a row of numbers, not {shares.dtype} {tuple(shares.shape)}")
    wanted = f"{name}: q is a share from 0 to 1, not {{0:g}}"
    if not left_to_gpu(shares, 0, 1, wanted, SettingError) and not bool(((shares >= 0) & (shares <= 1)).all()):
        raise SettingError(f"{name}: q is a share from 0 to 1, not {shares.tolist()!r:.60}")
    return shares


def mode(x: Tensor, axis: int = -1, keepdim: bool = False, *, dim: int | None = None) -> Chosen:
    """(value, index) of the most frequent element along ``axis``: of several the smallest, at its last place."""
    return Chosen(*most_frequent_along(x, axis if dim is None else dim, keepdim))


@op_with_results(2, residuals=("place",), x=to_places)
def most_frequent_along(xp: Any, x: Array, axis: int, keepdim: bool = False) -> tuple[Array, ...]:
    """The smallest of the most frequent elements along ``axis``, and the index of the last of it."""
    if not x.ndim:
        return itself(xp, x)
    axis = one_axis("mode", axis, x.ndim)
    if not x.shape[axis]:
        raise ShapeError(f"mode: a tensor of shape {tuple(x.shape)} has no element along axis {axis}")
    keys = comparable(x)
    order = xp.argsort(keys, axis, kind="stable")
    ranked = xp.moveaxis(xp.take_along_axis(keys, order, axis), axis, -1)
    place = xp.arange(x.shape[axis])
    begins = xp.ones(ranked.shape, bool)
    begins[..., 1:] = ranked[..., 1:] != ranked[..., :-1]
    # Where each run of equal elements began, so that its length so far is known at every place.
    start = accumulated(xp, xp.maximum, xp.where(begins, place, 0), begins.ndim - 1)
    end = xp.argmax(place - start, -1)[..., None]
    return picked(xp, x, xp.take_along_axis(order, xp.moveaxis(end, -1, axis), axis), axis, keepdim)
