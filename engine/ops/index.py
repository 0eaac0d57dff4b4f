"""Picking elements: slices, masks, integer arrays; and writing to them in place."""

from __future__ import annotations

from typing import Any

from ..device import namespace
from ..dtype import Array, kind
from ..errors import DtypeError, GradientError, ShapeError
from ..modes import modes
from ..op import op
from ..tensor import Tensor
from .reduction import normal_axes


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
    except IndexError as error:
        raise ShapeError(f"index: {error} (shape {tuple(x.shape)}, index {index!r:.80})") from None


def assign(x: Tensor, index: Any, value: Any) -> None:
    """``x[index] = value``, in place. Only where no graph could notice: on a leaf, with recording off."""
    if modes.recording and (x.requires_grad or (isinstance(value, Tensor) and value.requires_grad)):
        raise GradientError(
            "assignment: writing into a tensor that takes part in a graph would make its gradients wrong; "
            "build a new tensor with where, cat or stack, or write inside no_grad()"
        )
    raw = value.array if isinstance(value, Tensor) else value
    try:
        x.array[raw_index(x, index)] = raw
    except (IndexError, ValueError) as error:
        given = tuple(raw.shape) if hasattr(raw, "shape") else repr(raw)[:40]
        raise ShapeError(f"assignment: {error} (tensor {tuple(x.shape)}, index {index!r:.80}, value {given})") from None
    touch(x)


def touch(x: Tensor) -> None:
    """Say that a tensor's memory was written to, so that what kernels prepared from it is made anew."""
    if isinstance(x.array, _numpy_array()):
        import sys

        packs = sys.modules.get(f"{__package__.rpartition('.')[0]}.kernels.cpu.packs")
        if packs is not None:
            packs.forget(x.array)


def _numpy_array() -> type:
    import numpy as np

    return np.ndarray


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
        return xp.asarray(part)
    if isinstance(part, slice):
        return slice(*(v if v is None else int(v) for v in (part.start, part.stop, part.step)))
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
    normal_axes("gather", axis, x.ndim)
    if x.ndim != index.ndim:
        raise ShapeError(f"gather: x {tuple(x.shape)} and index {tuple(index.shape)} must have equally many axes")
    return xp.take_along_axis(x, index, axis)


@op(x=lambda grad, index, axis: gather(grad, index, axis=axis))
def spread_along(xp: Any, x: Array, index: Array, *, shape: tuple[int, ...], axis: int) -> Array:
    """Zeros of ``shape`` with x added at ``index`` along ``axis``."""
    out = xp.zeros(shape, x.dtype)
    places = [
        xp.arange(size).reshape([-1 if i == j else 1 for j in range(x.ndim)]) for i, size in enumerate(index.shape)
    ]
    places[axis] = index
    return spread_items.body(xp, x, shape, tuple(places)) if x.size else out
