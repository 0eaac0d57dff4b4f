"""Diagonals and triangles of matrices, and windows that slide along an axis."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...dtype import Array, DtypeLike, as_dtype, int64
from ...errors import SettingError, ShapeError
from ...op import op
from ...tensor import Tensor, tensor_like, tensor_of
from ..reductions.reduction import normal_axes, one_axis
from .shape import reshape, whole

__all__ = [
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "sliding",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
]


def _tril_x(grad: Tensor, diagonal: int) -> Tensor:
    return tril(grad, diagonal)


def _triu_x(grad: Tensor, diagonal: int) -> Tensor:
    return triu(grad, diagonal)


def _matrices(name: str, x: Array) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{name}: wants matrices, (..., rows, columns), not shape {tuple(x.shape)}")


@lru_cache(maxsize=16)
def _small_triangle(rows: int, columns: int, diagonal: int) -> Any:
    return np.tri(rows, columns, diagonal, bool)


def _triangle(xp: Any, rows: int, columns: int, diagonal: int) -> Any:
    """Whether each place lies on or below a diagonal; small ones are remembered, since causal masks ask for them again and again."""
    if xp is np and rows * columns <= 1 << 18:
        return _small_triangle(rows, columns, diagonal)
    return xp.tri(rows, columns, diagonal, bool)


@op(x=_tril_x)
def tril(xp: Any, x: Array, diagonal: int = 0) -> Array:
    """Matrices (..., rows, columns) with zeros above a diagonal: 0 is the main one, 1 the next above."""
    _matrices("tril", x)
    return xp.where(_triangle(xp, x.shape[-2], x.shape[-1], whole("tril", diagonal)), x, x.dtype.type(0))


@op(x=_triu_x)
def triu(xp: Any, x: Array, diagonal: int = 0) -> Array:
    """Matrices (..., rows, columns) with zeros below a diagonal: 0 is the main one, 1 the next above."""
    _matrices("triu", x)
    return xp.where(_triangle(xp, x.shape[-2], x.shape[-1], whole("triu", diagonal) - 1), x.dtype.type(0), x)


def _places(name: str, row: int, col: int, offset: int, dtype: DtypeLike, upper: bool) -> Tensor:
    rows, columns = whole(name, row), whole(name, col)
    if rows < 0 or columns < 0:
        raise SettingError(f"{name}: rows and columns are numbers from 0, not {row} and {col}")
    found = (np.triu_indices if upper else np.tril_indices)(rows, whole(name, offset), columns)
    return tensor_of(np.stack(found).astype(as_dtype(dtype)))


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: DtypeLike = int64) -> Tensor:
    """The rows and columns, (2, n), of the elements on and below a diagonal of a (row, col) matrix."""
    return _places("tril_indices", row, col, offset, dtype, False)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: DtypeLike = int64) -> Tensor:
    """The rows and columns, (2, n), of the elements on and above a diagonal of a (row, col) matrix."""
    return _places("triu_indices", row, col, offset, dtype, True)


def _line_x(grad: Tensor, x_shape: tuple[int, ...], offset: int, first: int, second: int) -> Tensor:
    return with_diagonal(grad, x_shape, offset, first, second)


@op(x=_line_x)
def diagonal_line(xp: Any, x: Array, offset: int, first: int, second: int) -> Array:
    """The elements (i, i + offset) of two axes along a new last axis; a view."""
    view = x.diagonal(offset, first, second)
    if xp is np and x.flags.writeable:
        view.flags.writeable = True
    return view


def _with_diagonal_x(grad: Tensor, offset: int, first: int, second: int) -> Tensor:
    return diagonal_line(grad, offset, first, second)


@op(x=_with_diagonal_x)
def with_diagonal(xp: Any, x: Array, shape: tuple[int, ...], offset: int, first: int, second: int) -> Array:
    """Zeros of ``shape`` with the last axis of x along the diagonal of two axes."""
    out = xp.zeros(shape, x.dtype)
    line = out.diagonal(offset, first, second)
    if xp is np:
        line.flags.writeable = True
    line[...] = x
    return out


def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements (i, i + offset) of the axes ``dim1`` and ``dim2``, along a new last axis; a view."""
    x = tensor_like("diagonal", x)
    if x.ndim < 2:
        raise ShapeError(f"diagonal: needs two axes, but the shape is {tuple(x.shape)}; use diag for a vector")
    first, second = normal_axes("diagonal", (dim1, dim2), x.ndim)
    return diagonal_line(x, whole("diagonal", offset), first, second)


def diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices, over the axes ``dim1`` and ``dim2`` of the result, whose diagonals are the last axis of x; zeros elsewhere."""
    x = tensor_like("diag_embed", x)
    if not x.ndim:
        raise ShapeError("diag_embed: needs an axis to be the diagonal; add one with .unsqueeze(0)")
    first, second = normal_axes("diag_embed", (dim1, dim2), x.ndim + 1)
    shift = whole("diag_embed", offset)
    size = x.shape[-1] + abs(shift)
    shape = list(x.shape[:-1])
    for place in sorted((first, second)):
        shape.insert(place, size)
    if first > second:
        shift = -shift
    return with_diagonal(x, tuple(shape), shift, min(first, second), max(first, second))


def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix that has a vector on its diagonal."""
    x = tensor_like("diag", x)
    if x.ndim not in (1, 2):
        raise ShapeError(f"diag: wants a vector or a matrix, not shape {tuple(x.shape)}; use diagonal or diag_embed")
    if x.ndim == 1:
        return diag_embed(x, diagonal)
    return diagonal_line(x, whole("diag", diagonal), 0, 1)


def diagflat(x: Tensor, offset: int = 0) -> Tensor:
    """The matrix that has all elements of x on its diagonal."""
    x = tensor_like("diagflat", x)
    return diag_embed(reshape(x, (x.numel(),)), offset)


def _windows_x(grad: Tensor, x_shape: tuple[int, ...], axis: int, size: int, step: int) -> Tensor:
    return overlapped(grad, x_shape, axis, size, step)


@op(x=_windows_x)
def windows(xp: Any, x: Array, axis: int, size: int, step: int) -> Array:
    """Windows of ``size`` elements, ``step`` apart along ``axis``, laid along a new last axis; a view."""
    count = (x.shape[axis] - size) // step + 1
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :], size)
    strides = (*x.strides[:axis], x.strides[axis] * step, *x.strides[axis + 1 :], x.strides[axis])
    if xp is np:
        # Elements lie in several windows: such memory is not written to.
        return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False)
    return xp.lib.stride_tricks.as_strided(x, shape, strides)


def _overlapped_x(grad: Tensor, axis: int, size: int, step: int) -> Tensor:
    return windows(grad, axis, size, step)


@op(x=_overlapped_x)
def overlapped(xp: Any, x: Array, shape: tuple[int, ...], axis: int, size: int, step: int) -> Array:
    """Zeros of ``shape`` with windows added where they were taken: what lies in several adds up."""
    grad = xp.moveaxis(x, axis, -2)  # (..., windows, size)
    count, lead = grad.shape[-2], grad.shape[:-2]
    # The axis as rows of one step each: a window fills whole rows and the start of one more, so few additions do all windows.
    rows = -(-size // step)
    out = xp.zeros((*lead, count + rows, step), x.dtype)
    for row in range(rows):
        part = grad[..., row * step : (row + 1) * step]
        out[..., row : row + count, : part.shape[-1]] += part
    flat = out.reshape(*lead, (count + rows) * step)
    length = shape[axis]
    if flat.shape[-1] < length:
        flat = xp.concatenate([flat, xp.zeros((*lead, length - flat.shape[-1]), x.dtype)], -1)
    return xp.moveaxis(flat[..., :length], -1, axis)


def sliding(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """``Tensor.unfold``: windows of ``size`` elements, ``step`` apart along an axis, laid along a new last axis; a view."""
    x = tensor_like("unfold", x)
    width, stride = whole("unfold", size), whole("unfold", step)
    if stride < 1 or width < 0:
        raise SettingError(f"unfold: size is a number from 0 and step one from 1, not {size} and {step}")
    if not x.ndim:
        x = reshape(x, (1,))
    axis = one_axis("unfold", dimension, x.ndim)
    if width > x.shape[axis]:
        raise ShapeError(
            f"unfold: a window of {size} does not fit the {x.shape[axis]} elements along axis {dimension} of shape {tuple(x.shape)}"
        )
    return windows(x, axis, width, stride)
