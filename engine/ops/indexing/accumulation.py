"""Adding numbers up at places of an array: what is named several times adds up. The way back of every index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...device import is_array
from ...dtype import Array, Dtype, accumulator, int64, is_floating
from ...tensor import tensor_of
from .rows import sum_rows

__all__: list[str] = []


def added(xp: Any, places: Array, values: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of ``shape`` with ``values`` (n) added at the ``places`` (n) of the flat array; half types add up in float32."""
    if xp is not np and is_floating(values.dtype) and values.size:
        return _rows_summed(values.reshape(-1, 1), places, math.prod(shape)).reshape(shape)
    wide = _summable(xp, values.dtype)
    out = xp.zeros(math.prod(shape), wide)
    add_at(xp, out, places, values.astype(wide, copy=False))
    return out.astype(values.dtype, copy=False).reshape(shape)


def _rows_summed(values: Array, numbers: Array, rows: int) -> Array:
    """Rows added up on a GPU, by the kernel: always in the same order, which CuPy's additions at places are not."""
    return sum_rows(tensor_of(values), tensor_of(numbers), rows=rows).array


def _summable(xp: Any, dtype: Dtype) -> Dtype:
    """The dtype in which numbers are added up at places: CuPy adds whole numbers of four or eight bytes alone."""
    return int64 if xp is not np and dtype.kind in "biu" else accumulator(dtype)


def add_at(xp: Any, out: Array, index: Any, values: Array) -> None:
    """out[index] += values, in place, what is named several times adding up; complex numbers part by part, as CuPy has no other way."""
    if xp is not np and out.dtype.kind == "c":
        xp.add.at(out.real, index, values.real)
        xp.add.at(out.imag, index, values.imag)
    else:
        xp.add.at(out, index, values)


def lies_within(index: Array, size: int, who: str = "index") -> bool:
    """Whether all numbers of an index lie between -size and size - 1. On a GPU that is assumed, and an error later if it is not so."""
    if not index.size or left_to_gpu(
        index, -size, size - 1, f"{who}: an index holds {{0}}, but the axis has {{1}} elements"
    ):
        return True
    # Read without a sign a negative number is huge: one look at all of them is enough where none is.
    if index.dtype == "int64" and int(index.view("uint64").max()) < size:
        return True
    return -size <= int(index.min()) and int(index.max()) < size


def flat_places(xp: Any, index: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Where in the flat array of ``shape`` each number of ``index`` points to, being a place along ``axis``."""
    size = shape[axis]
    negative = index.dtype.kind == "i" and index.size and (xp is not np or int(index.min()) < 0)
    places = xp.where(index < 0, index + size, index) if negative else index
    step = math.prod(shape[axis + 1 :])
    places = places.astype("int64", copy=False) * step if step != 1 else places.astype("int64", copy=False)
    for other, length in enumerate(index.shape):
        if other != axis and length > 1:
            step = math.prod(shape[other + 1 :])
            places = places + (xp.arange(length) * step).reshape([-1 if i == other else 1 for i in range(index.ndim)])
    return places


def scattered(xp: Any, x: Array, shape: tuple[int, ...], index: Any) -> Array:
    """Zeros of ``shape`` with x added at an index of masks and integer arrays."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part for part in parts if is_array(part)]
    if all(part.dtype.kind == "b" for part in arrays) and len(arrays) == 1:
        out = xp.zeros(shape, x.dtype)
        out[index] = x  # a mask names nothing twice
        return out
    plain = all(is_array(part) or part == slice(None) for part in parts if part is not None and part is not Ellipsis)
    if not plain or any(part is None or part is Ellipsis for part in parts) or any(a.ndim == 0 for a in arrays):
        wide = _summable(xp, x.dtype)
        out = xp.zeros(shape, wide)
        add_at(xp, out, index, x.astype(wide, copy=False))
        return out.astype(x.dtype, copy=False)
    return _gathered(xp, x, shape, parts)


def _gathered(xp: Any, x: Array, shape: tuple[int, ...], parts: tuple[Any, ...]) -> Array:
    """For whole slices and arrays: the axes that arrays pick from are made one, the rest a row, and rows are summed."""
    picked: list[int] = []
    places: list[Array] = []
    axis, runs, inside = 0, 0, False
    for part in parts:
        if not is_array(part):
            axis, inside = axis + 1, False
            continue
        runs, inside = runs + (not inside), True
        # A mask stands for the coordinates of what it lets through.
        for found in part.nonzero() if part.dtype.kind == "b" else (part,):
            picked.append(axis)
            places.append(found)
            axis += 1
    rest = [i for i in range(len(shape)) if i not in picked]
    spread = np.broadcast_shapes(*(p.shape for p in places))
    number: Any = 0
    for i, found in zip(picked, places, strict=True):
        number = number * shape[i] + xp.where(found < 0, found + shape[i], found)
    number = xp.broadcast_to(number, spread).reshape(-1)
    # What the arrays pick lies where the first of them stood, or in front where something separates them.
    front = picked[0] if runs == 1 else 0
    at = tuple(range(front, front + len(spread)))
    values = xp.moveaxis(x, at, tuple(range(len(spread)))) if front else x
    table, row = tuple(shape[i] for i in picked), tuple(shape[i] for i in rest)
    width = math.prod(row)
    if width == 1:
        out = added(xp, number, values.reshape(-1), table)
    else:
        values = values.reshape(number.size, width)
        count = math.prod(table)
        out = sum_rows.body(xp, values, number, rows=count) if xp is np else _rows_summed(values, number, count)
    out = out.reshape(*table, *row)
    order = [*picked, *rest]
    return out if order == sorted(order) else out.transpose([order.index(i) for i in range(len(order))])
