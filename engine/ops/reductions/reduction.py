"""Reductions: many elements to one, along all axes, one, or several."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ...device import namespace
from ...dtype import Array, DtypeLike, accumulator, as_dtype, float16, int64, kind
from ...errors import DtypeError, ShapeError
from ...node import Node
from ...op import op
from ...tensor import Tensor

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "mean",
    "prod",
    "sum",
]

Axes = int | tuple[int, ...] | None


def normal_axes(name: str, axis: Axes, ndim: int) -> tuple[int, ...]:
    """Axes as a tuple of distinct numbers from 0; checked."""
    try:
        given = tuple(range(ndim)) if axis is None else tuple([operator.index(a) for a in _listed(axis)])
    except TypeError:
        raise ShapeError(f"{name}: an axis is a whole number (or several, or None for all), not {axis!r:.60}") from None
    axes = []
    for value in given:
        if not -max_of(ndim, 1) <= value < max_of(ndim, 1):
            raise ShapeError(
                f"{name}: axis {value} is out of range for {ndim} dimension(s); give {-ndim} to {ndim - 1}"
            )
        axes.append(value % ndim if ndim else 0)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: an axis is named twice in {given}")
    return tuple(axes) if ndim else ()


def one_axis(name: str, axis: int, ndim: int) -> int:
    """An axis as a number from 0, checked; a tensor without axes has none."""
    if not ndim:
        raise ShapeError(f"{name}: a 0-dimensional tensor has no axis {axis!r}; add one with .unsqueeze(0)")
    if type(axis) is int and -ndim <= axis < ndim:
        return axis % ndim
    return normal_axes(name, (axis,), ndim)[0]


def _listed(axis: Any) -> Any:
    return axis if isinstance(axis, (tuple, list)) else (axis,)


def max_of(a: int, b: int) -> int:
    return a if a > b else b


def broadcast_number(x: Array, shape: tuple[int, ...]) -> Array:
    """One number over a whole shape without zeros, as a read-only view: NumPy's own function takes microseconds for its care."""
    view = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    view.flags.writeable = False
    return view


def spread(grad: Tensor, shape: tuple[int, ...], axis: Axes, keepdim: bool) -> Tensor:
    """A reduced gradient over the shape it was reduced from."""
    from ..shapes.shape import broadcast_to, reshape

    if not keepdim and grad.ndim:
        axes = normal_axes("sum", axis, len(shape))
        grad = reshape.one(grad, {"shape": tuple([1 if i in axes else size for i, size in enumerate(shape)])})
    return broadcast_to.one(grad, {"shape": shape})


@op(x=lambda grad, x_shape, axis, keepdim: spread(grad, x_shape, axis, keepdim))
def sum(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False, *, dtype: DtypeLike | None = None) -> Array:
    """The sum over ``axis`` (all axes if None), of the values in ``dtype`` if given. Half precisions are summed in float32, integers in int64."""
    if dtype is not None:
        x = x.astype(as_dtype(dtype), copy=False)
    axes = None if axis is None else normal_axes("sum", axis, x.ndim)
    if x.dtype.kind in "fc" and x.dtype != float16:
        return xp.add.reduce(x, axes, None, None, keepdim) if xp is np else xp.sum(x, axes, keepdims=keepdim)
    wide = accumulator(x.dtype)
    if kind(x.dtype) < 2:
        return xp.sum(x, axes, dtype=_whole_total(x, dtype), keepdims=keepdim)
    return xp.sum(x, axes, dtype=wide, keepdims=keepdim).astype(x.dtype)


@sum.directly
def _sum_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    flow, shape = arrived.array, node.edges[0].shape
    # One number over the whole shape. Nothing is kept of the input but its shape, which the edge knows too.
    if flow.ndim or 0 in shape:
        return None
    return [broadcast_number(flow, shape) if type(flow) is np.ndarray else namespace(flow).broadcast_to(flow, shape)]


def _whole_total(x: Array, dtype: DtypeLike | None) -> Any:
    """What whole numbers are added and multiplied in: int64, unless a dtype was asked for."""
    return int64 if dtype is None else x.dtype


def _count(shape: tuple[int, ...], axis: Axes, name: str = "mean") -> int:
    return math.prod(shape[a] for a in normal_axes(name, axis, len(shape)))


@op(
    x=lambda grad, x_shape, axis, keepdim: spread(
        grad * (1.0 / max_of(_count(x_shape, axis), 1)), x_shape, axis, keepdim
    )
)
def mean(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False, *, dtype: DtypeLike | None = None) -> Array:
    """The mean over ``axis``, of the values in ``dtype`` if given; NaN of nothing. Only for floating-point tensors."""
    if dtype is not None:
        x = x.astype(as_dtype(dtype), copy=False)
    if kind(x.dtype) < 2:
        raise DtypeError(f"mean: wants a floating-point tensor, not {x.dtype}; convert it with .float()")
    axes = normal_axes("mean", axis, x.ndim)
    count = _count(x.shape, axis)
    wide = accumulator(x.dtype)
    total = xp.sum(x, axes, dtype=wide, keepdims=keepdim)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (total / wide.type(count)).astype(x.dtype)


def root(x: Tensor) -> Tensor:
    """The square root of sums of squares, whose slope at 0 is taken as 0."""
    from ..elementwise.arithmetic import where
    from ..elementwise.elementary import sqrt

    positive = x != 0
    return where(positive, sqrt(where(positive, x, 1.0)), 0.0) if x.requires_grad else sqrt(x)


def _share_of_extreme(grad: Tensor, x: Tensor, out: Tensor, axis: Axes, keepdim: bool) -> Tensor:
    """Equal shares of the gradient for all elements that equal the extreme."""
    hit = (x == spread(out, x.shape, axis, keepdim)).to(dtype=grad.dtype)
    return spread(grad, x.shape, axis, keepdim) * hit / hit.sum(axis, True)


@op(x=_share_of_extreme)
def amax(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False) -> Array:
    """The largest element over ``axis``; equal ones share the gradient."""
    return xp.max(_filled("amax", x, axis), normal_axes("amax", axis, x.ndim), keepdims=keepdim)


@op(x=_share_of_extreme)
def amin(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False) -> Array:
    """The smallest element over ``axis``; equal ones share the gradient."""
    return xp.min(_filled("amin", x, axis), normal_axes("amin", axis, x.ndim), keepdims=keepdim)


@op()
def argmax(xp: Any, x: Array, axis: int | None = None, keepdim: bool = False) -> Array:
    """The index of the largest element along ``axis``, the first of equal ones; in the flat tensor if None."""
    return xp.argmax(_filled("argmax", x, axis), _single("argmax", axis), keepdims=keepdim)


@op()
def argmin(xp: Any, x: Array, axis: int | None = None, keepdim: bool = False) -> Array:
    """The index of the smallest element along ``axis``, the first of equal ones; in the flat tensor if None."""
    return xp.argmin(_filled("argmin", x, axis), _single("argmin", axis), keepdims=keepdim)


def _prod_x(grad: Tensor, x: Tensor, out: Tensor, axis: Axes, keepdim: bool, dtype: DtypeLike | None) -> Tensor:
    """The product of the others: by division where nothing is 0, else from both sides, which is right at any order."""
    from .scan import product_of_others

    if dtype is not None:
        x = x.to(dtype=dtype)
    grad = spread(grad, x.shape, axis, keepdim)
    if isinstance(x.array, np.ndarray) and x.array.all():  # elsewhere looking would be to wait
        return grad * spread(out, x.shape, axis, keepdim) / x
    return grad * product_of_others(x, normal_axes("prod", axis, x.ndim))


@op(x=_prod_x)
def prod(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False, *, dtype: DtypeLike | None = None) -> Array:
    """The product over ``axis``, of the values in ``dtype`` if given; of integers, in int64."""
    if dtype is not None:
        x = x.astype(as_dtype(dtype), copy=False)
    axes = normal_axes("prod", axis, x.ndim)
    if kind(x.dtype) < 2:
        return xp.prod(x, axes, dtype=_whole_total(x, dtype), keepdims=keepdim)
    return xp.prod(x, axes, dtype=accumulator(x.dtype), keepdims=keepdim).astype(x.dtype)


@op()
def all(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False) -> Array:
    """Whether every element over ``axis`` is other than 0."""
    return xp.all(x, normal_axes("all", axis, x.ndim), keepdims=keepdim)


@op()
def any(xp: Any, x: Array, axis: Axes = None, keepdim: bool = False) -> Array:
    """Whether some element over ``axis`` is other than 0."""
    return xp.any(x, normal_axes("any", axis, x.ndim), keepdims=keepdim)


def _single(name: str, axis: Axes) -> Axes:
    if isinstance(axis, (tuple, list)):
        raise ShapeError(f"{name}: takes one axis, or None for the flat tensor, not {axis!r:.60}")
    return axis


def _filled(name: str, x: Array, axis: Axes) -> Array:
    if _count(x.shape, axis, name) == 0:
        raise ShapeError(
            f"{name}: there is nothing to choose from in a tensor of shape {tuple(x.shape)} along axis {axis}"
        )
    return x
