"""Picking elements: slices, masks, integer arrays; and writing to them in place."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from .. import writes
from ..device import forget, namespace
from ..dtype import Array, kind
from ..errors import DtypeError, GradientError, SettingError, ShapeError
from ..modes import modes
from ..op import op
from ..tensor import Tensor, as_array
from .reduction import one_axis

__all__ = [
    "assign",
    "gather",
    "getitem",
    "items",
    "spread_along",
    "spread_items",
    "touch",
]


def _items_x(grad: Tensor, x_shape: tuple[int, ...], index: Any) -> Tensor:
    return spread_items(grad, x_shape, index)


@op(x=_items_x)
def items(xp: Any, x: Array, index: Any) -> Array:
    """x[index], by NumPy's rules: slices and numbers give views, masks and integer arrays copies."""
    return x[index]


@op(x=lambda grad, index: items(grad, index))
def spread_items(xp: Any, x: Array, shape: tuple[int, ...], index: Any) -> Array:
    """Zeros of ``shape`` with x added at ``index``: what is named several times adds up."""
    out = xp.zeros(shape, x.dtype)
    if _is_basic(index):
        out[index] = x
    elif hasattr(xp, "add") and hasattr(xp.add, "at"):
        xp.add.at(out, index, x)
    else:
        import cupyx

        cupyx.scatter_add(out, index, x)
    return out


def getitem(x: Tensor, index: Any) -> Tensor:
    """``x[index]``: numbers, slices, None, Ellipsis, masks and integer tensors, as in NumPy."""
    raw = raw_index(x, index)
    try:
        return items(x, raw)
    except (IndexError, ValueError) as error:
        raise ShapeError(f"index: {error} (shape {tuple(x.shape)}, index {index!r:.80})") from None


def assign(x: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value``, in place. Only where no graph could notice: on a leaf, with recording off."""
    if modes.recording and (x.requires_grad or (isinstance(value, Tensor) and value.requires_grad)):
        raise GradientError(
            "assignment: writing into a tensor that takes part in a graph would make its gradients wrong; "
            "build a new tensor with where, cat or stack, or write inside no_grad()"
        )
    if x.node is not None:
        raise GradientError(
            "assignment: writing into a computed tensor would make the gradients of its graph wrong; write into .detach().clone()"
        )
    if isinstance(x.array, np.ndarray) and not x.array.flags.writeable:
        raise SettingError(
            "assignment: this tensor's memory is read-only (it belongs to a read-only array, or is one number repeated by expand); "
            "write into a .clone()"
        )
    raw = value.array if isinstance(value, Tensor) else as_array(value, x.dtype)
    if kind(raw.dtype) == 3 and kind(x.dtype) < 3:
        raise DtypeError(f"assignment: {raw.dtype} values do not fit into a tensor of {x.dtype}")
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            x.array[raw_index(x, index)] = raw
    except (IndexError, ValueError) as error:
        raise ShapeError(
            f"assignment: {error} (tensor {tuple(x.shape)}, index {index!r:.80}, value {tuple(raw.shape)})"
        ) from None
    touch(x)


def touch(x: Tensor) -> None:
    """Say that a tensor's memory was written to, so that what kernels prepared from it is made anew.

    A graph that kept what was there before refuses to go backward.
    """
    forget(x.array)
    writes.note(x)


def raw_index(x: Tensor, index: Any) -> Any:
    """The index with raw arrays in the place of tensors and lists."""
    xp = namespace(x.array)
    if isinstance(index, tuple):
        return tuple(_raw(xp, part) for part in index)
    return _raw(xp, index)


def _raw(xp: Any, part: Any) -> Any:
    if isinstance(part, Tensor):
        if kind(part.dtype) > 1:
            raise DtypeError(f"index: a tensor used as an index must hold integers or booleans, not {part.dtype}")
        return part.array
    if isinstance(part, list):
        try:
            return xp.asarray(part, dtype=None if part else "int64")
        except ValueError:
            raise ShapeError(f"index: the nested lists of {part!r:.60} are ragged") from None
    if isinstance(part, slice):
        try:
            return slice(*(v if v is None else operator.index(v) for v in (part.start, part.stop, part.step)))
        except TypeError:
            raise ShapeError(f"index: a slice is made of whole numbers, not {part}") from None
    return part


def _is_basic(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None or part is Ellipsis or (isinstance(part, (int, slice)) and not isinstance(part, bool))
        for part in parts
    )


def _gather_x(grad: Tensor, x_shape: tuple[int, ...], index: Tensor, axis: int) -> Tensor:
    return spread_along(grad, index, shape=x_shape, axis=axis)


@op(x=_gather_x)
def gather(xp: Any, x: Array, index: Array, *, axis: int) -> Array:
    """The element at ``index`` along ``axis``, for each place of ``index`` (equal shapes on the other axes)."""
    axis = one_axis("gather", axis, x.ndim)
    if kind(index.dtype) != 1:
        raise DtypeError(f"gather: index must hold integers, not {index.dtype}")
    if x.ndim != index.ndim or any(
        b > a for i, (a, b) in enumerate(zip(x.shape, index.shape, strict=True)) if i != axis
    ):
        raise ShapeError(
            f"gather: index {tuple(index.shape)} must have as many axes as x {tuple(x.shape)}, and no larger ones but for axis {axis}"
        )
    if index.size and not -x.shape[axis] <= int(index.min()) <= int(index.max()) < x.shape[axis]:
        raise ShapeError(
            f"gather: an index lies outside the {x.shape[axis]} elements along axis {axis} (from {index.min()} to {index.max()})"
        )
    inside = tuple(slice(None) if i == axis else slice(size) for i, size in enumerate(index.shape))
    return xp.take_along_axis(x[inside], index, axis)


@op(x=lambda grad, index, axis: gather(grad, index, axis=axis))
def spread_along(xp: Any, x: Array, index: Array, *, shape: tuple[int, ...], axis: int) -> Array:
    """Zeros of ``shape`` with x added at ``index`` along ``axis``."""
    out = xp.zeros(shape, x.dtype)
    places = [
        xp.arange(size).reshape([-1 if i == j else 1 for j in range(x.ndim)]) for i, size in enumerate(index.shape)
    ]
    places[axis] = index
    return spread_items.body(xp, x, shape, tuple(places)) if x.size else out
