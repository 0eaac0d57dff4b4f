"""Picking elements: slices, masks, integer arrays; and writing to them in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import writes
from ...device import forget, namespace, write_into
from ...dtype import Array, kind
from ...errors import ArgumentError, DtypeError, GradientError, SettingError, ShapeError
from ...modes import modes
from ...op import op
from ...tensor import Tensor, as_array, tensor_like
from ..reductions.reduction import one_axis
from .accumulation import added, flat_places, lies_within, scattered
from .indices import in_two, is_basic, look_at, out_of_range, raw_index

__all__ = [
    "assign",
    "gather",
    "gather_along",
    "getitem",
    "items",
    "spread_along",
    "spread_items",
    "touch",
]


def _items_x(grad: Tensor, x_shape: tuple[int, ...], index: Any) -> Tensor:
    return spread_items.one(grad, {"shape": x_shape, "index": index})


@op(x=_items_x)
def items(xp: Any, x: Array, index: Any) -> Array:
    """x[index], by NumPy's rules: slices and numbers give views, masks and integer arrays copies."""
    if type(index) is tuple and len(index) == 1:
        index = index[0]
    if xp is np and type(index) is np.ndarray and index.dtype.kind in "iu" and x.ndim:
        return x.take(index, 0)  # whole rows are copied at twice the speed of x[index]
    return x[index]


@op(x=lambda grad, index: items.one(grad, {"index": index}))
def spread_items(xp: Any, x: Array, shape: tuple[int, ...], index: Any) -> Array:
    """Zeros of ``shape`` with x added at ``index``: what is named several times adds up."""
    if is_basic(index):
        out = xp.zeros(shape, x.dtype)
        out[index] = x
        return out
    return scattered(xp, x, shape, index)


def getitem(x: Tensor, index: Any) -> Tensor:
    """``x[index]``: numbers, slices, None, Ellipsis, masks and integer tensors.

    As in PyTorch, numbers and slices are taken first and the arrays pick from what is left; as in NumPy, slices may step backwards.
    """
    raw = raw_index(x, index)
    try:
        if is_basic(raw):
            return items.one(x, {"index": raw})
        if not isinstance(x.array, np.ndarray):
            look_at("index", raw, x.shape)
        if type(raw) is np.ndarray and raw.ndim and raw.dtype.kind in "iu":
            return items(x, raw)  # rows by number, the commonest of these
        view, rest = in_two(raw, x.ndim)
        return items(x if view is None else items(x, view), rest)
    except (IndexError, ValueError) as error:
        raise ShapeError(
            f"index: {out_of_range(raw, x.shape) or error} (shape {tuple(x.shape)}, index {index!r:.80})"
        ) from None


def assign(x: Tensor, index: Any, value: Any, *, name: str = "assignment") -> None:
    """``x[index] = value``, in place. Only where no graph could notice: on a leaf, with recording off."""
    refuse_writing(name, x, value)
    raw = value.array if isinstance(value, Tensor) else as_array(value, x.dtype)
    if kind(raw.dtype) == 3 and kind(x.dtype) < 3:
        raise DtypeError(f"{name}: {raw.dtype} values do not fit into a tensor of {x.dtype}")
    place = raw_index(x, index)
    if not isinstance(x.array, np.ndarray) and not is_basic(place):
        look_at(name, place, x.shape)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            write(x.array, place, raw)
    except (IndexError, ValueError) as error:
        raise ShapeError(
            f"{name}: {out_of_range(place, x.shape) or error} (tensor {tuple(x.shape)}, index {index!r:.80}, value {tuple(raw.shape)})"
        ) from None
    touch(x)


def refuse_writing(name: str, x: Tensor, *values: Any) -> None:
    """An error where a graph, or another owner of the memory, would notice that x is written to."""
    if modes.recording and (
        x.requires_grad or any(isinstance(value, Tensor) and value.requires_grad for value in values)
    ):
        raise GradientError(
            f"{name}: writing into a tensor that takes part in a graph would make its gradients wrong; "
            "build a new tensor with where, cat or stack, or write inside no_grad()"
        )
    if x.node is not None:
        raise GradientError(
            f"{name}: writing into a computed tensor would make the gradients of its graph wrong; write into .detach().clone()"
        )
    if isinstance(x.array, np.ndarray) and not x.array.flags.writeable:
        raise SettingError(
            f"{name}: this tensor's memory is read-only (it belongs to a read-only array, or is one number repeated by expand); "
            "write into a .clone()"
        )


def write(array: Array, place: Any, value: Array) -> None:
    """array[place] = value, in place, with the places that ``getitem`` reads."""
    if is_basic(place) and type(array) is not np.ndarray and isinstance(value, type(array)):
        view = array[place]
        write_into(view, value if value.shape == view.shape else namespace(array).broadcast_to(value, view.shape))
        return
    view, rest = (None, place) if is_basic(place) else in_two(place, array.ndim)
    (array if view is None else array[view])[rest] = value


def touch(x: Tensor) -> None:
    """Say that a tensor's memory was written to, so that what kernels prepared from it is made anew.

    A graph that kept what was there before refuses to go backward.
    """
    forget(x.array)
    writes.note(x)


def _gather_along_x(grad: Tensor, x_shape: tuple[int, ...], index: Tensor, axis: int) -> Tensor:
    return spread_along(grad, index, shape=x_shape, axis=axis)


@op(x=_gather_along_x)
def gather_along(xp: Any, x: Array, index: Array, *, axis: int) -> Array:
    """The element at ``index`` along ``axis``, for each place of ``index`` (no larger than x on the other axes)."""
    axis = one_axis("gather", axis, x.ndim)
    check_places("gather", x.shape, index, axis)
    if x.size == 0 or index.size == 0:
        return xp.empty(index.shape, x.dtype)
    return x.reshape(-1).take(flat_places(xp, index, x.shape, axis))


def gather(x: Tensor, dim: Any = None, index: Any = None, *, axis: int | None = None) -> Tensor:
    """out[i][j] = x[index[i][j]][j] for ``dim`` 0, and likewise along others. ``gather(x, index, axis=0)`` means the same."""
    x = tensor_like("gather", x)
    if axis is not None:
        dim, index = axis, dim if index is None else index
    if dim is None or index is None:
        raise ArgumentError("gather: takes x, dim and index, or x, index and axis=")
    place = tensor_like("gather", index)
    if not x.ndim and not place.ndim:
        return gather_along(x.reshape(1), place.reshape(1), axis=0).reshape(())
    return gather_along(x, place, axis=one_axis("gather", dim, x.ndim))


@op(x=lambda grad, index, axis: gather_along(grad, index, axis=axis))
def spread_along(xp: Any, x: Array, index: Array, *, shape: tuple[int, ...], axis: int) -> Array:
    """Zeros of ``shape`` with x added at ``index`` along ``axis``."""
    if not x.size:
        return xp.zeros(shape, x.dtype)
    return added(xp, flat_places(xp, index, shape, axis).reshape(-1), x.reshape(-1), shape)


def check_places(name: str, shape: tuple[int, ...], index: Array, axis: int) -> None:
    """Refuse an index that is no integers, lies outside of the axis, or is larger than ``shape`` on another axis."""
    if kind(index.dtype) != 1:
        raise DtypeError(f"{name}: index must hold integers, not {index.dtype}")
    if len(shape) != index.ndim or any(
        b > a for i, (a, b) in enumerate(zip(shape, index.shape, strict=True)) if i != axis
    ):
        raise ShapeError(
            f"{name}: index {tuple(index.shape)} must have as many axes as x {tuple(shape)}, and no larger ones but for axis {axis}"
        )
    if not lies_within(index, shape[axis], name):
        raise ShapeError(
            f"{name}: an index lies outside the {shape[axis]} elements along axis {axis} (from {index.min()} to {index.max()})"
        )
