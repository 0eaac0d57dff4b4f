"""Rows of a table, picked by number and added up by number: what embeddings are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...device import namespace, write_into
from ...dtype import Array, accumulator, kind
from ...errors import DtypeError, ShapeError
from ...node import Node
from ...op import op
from ...tensor import Tensor, tensor_of

__all__ = [
    "sum_rows",
    "take_rows",
]

NARROW = 32
"""Rows shorter than this are added by NumPy's reduceat; longer ones are faster group by group, by a fifth of the time or less."""


def check_rows(name: str, index: Array, rows: int) -> None:
    """Refuse numbers of rows that are no integers or lie outside of the table."""
    if kind(index.dtype) != 1:
        raise DtypeError(f"{name}: the numbers of rows must be integers, not {index.dtype}; convert with .long()")
    if left_to_gpu(index, 0, rows - 1, f"{name}: row {{0}} lies outside of the table, whose rows are 0 to {{2}}"):
        return
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= rows:
            raise ShapeError(
                f"{name}: row {low if low < 0 else high} lies outside of the table, whose rows are 0 to {rows - 1}"
            )


def _take_rows_table(
    grad: Tensor, table_shape: tuple[int, ...], index: Tensor, padding: int | None, by_frequency: bool
) -> Tensor:
    if padding is not None and not by_frequency and not isinstance(grad.array, np.ndarray):
        from ..elementwise.arithmetic import where

        grad = where((index != padding).unsqueeze(-1), grad, 0.0)  # two launches
    elif padding is not None or by_frequency:
        grad = grad * tensor_of(_shares(index.array, padding, by_frequency, grad.array)).unsqueeze(-1)
    return sum_rows(grad, index, rows=table_shape[0])


def _shares(index: Array, padding: int | None, by_frequency: bool, like: Array) -> Array:
    """How much of each gradient its row gets: nothing for padding, an equal share where rows are weighed by frequency."""
    xp = namespace(like)
    share = xp.ones(index.shape, like.dtype)
    if by_frequency:
        _, place, counts = xp.unique(index, return_inverse=True, return_counts=True)
        share[...] = (1 / counts)[place].reshape(index.shape)
    if padding is not None:
        share[index == padding] = 0
    return share


@op(table=_take_rows_table)
def take_rows(xp: Any, table: Array, index: Array, *, padding: int | None = None, by_frequency: bool = False) -> Array:
    """The rows of a table (rows, width) whose numbers ``index`` holds, in its shape: (..., width).

    The row ``padding`` gets no gradient; ``by_frequency`` divides each row's gradient by how often the row was taken.
    """
    if table.ndim != 2:
        raise ShapeError(f"take_rows: a table has rows and columns, but this one has shape {tuple(table.shape)}")
    check_rows("take_rows", index, table.shape[0])
    return table.take(index, axis=0)


@take_rows.directly
def _take_rows_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    flow, rows, padding = arrived.array, node.edges[0].shape[0], node.settings["padding"]
    if type(flow) is np.ndarray or node.settings["by_frequency"]:
        return None
    out = sum_rows.compute(flow, node.kept(1), rows=rows)
    if padding is not None and 0 <= padding < rows:
        write_into(
            out[padding], namespace(out).zeros(out.shape[1:], out.dtype)
        )  # not two launches over all that arrived
    return [out]


def _sum_rows_x(grad: Tensor, index: Tensor) -> Tensor:
    return take_rows(grad, index)


@op(x=_sum_rows_x)
def sum_rows(xp: Any, x: Array, index: Array, *, rows: int) -> Array:
    """A table of ``rows`` rows, each the sum of the rows of x (..., width) that ``index`` (...) assigns to it."""
    check_sum(x, index, rows)
    out = xp.zeros((rows, x.shape[-1]), x.dtype)
    if xp is np:
        add_rows(out, x, index)
        return out
    if x.size:
        wide = accumulator(x.dtype)
        out = out.astype(wide, copy=False)
        xp.add.at(out, index.reshape(-1), x.reshape(-1, x.shape[-1]).astype(wide, copy=False))
    return out.astype(x.dtype, copy=False)


def check_sum(x: Array, index: Array, rows: int) -> None:
    """Refuse rows that do not match their numbers."""
    if not x.ndim or x.shape[:-1] != index.shape:
        raise ShapeError(
            f"sum_rows: x {tuple(x.shape)} must have one row for each number of index {tuple(index.shape)}"
        )
    check_rows("sum_rows", index, rows)


def add_rows(out: Array, x: Array, index: Array) -> None:
    """Write the sums of the rows of x into those rows of ``out`` that ``index`` names."""
    width = x.shape[-1]
    values, numbers = x.reshape(math.prod(index.shape), width), index.reshape(-1)
    if not values.size:
        return
    # Equal numbers are brought together; most are alone, and the sums of the others need no search.
    order = numbers.argsort(kind="stable")
    ordered = numbers[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(starts[1:], ordered.size)
    wide = accumulator(x.dtype)
    if width < NARROW:
        out[ordered[starts]] = np.add.reduceat(values[order].astype(wide, copy=False), starts, axis=0)
        return
    alone = ends - starts == 1
    out[ordered[starts[alone]]] = values[order[starts[alone]]]
    for start, end in zip(starts[~alone].tolist(), ends[~alone].tolist(), strict=True):
        out[ordered[start]] = values[order[start:end]].sum(0, dtype=wide)
