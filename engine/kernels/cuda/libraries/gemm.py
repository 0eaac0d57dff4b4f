"""Products of matrices as cuBLAS is told about them: which matrix is which, stored how, how many, and how far apart.

cuBLAS counts by columns: a matrix of ``rows`` x ``columns`` with leading size ``l`` has element (i, j) at i + j l. An array
stored by rows is, read so, its transpose. So X Y, stored by rows, is asked for as (X Y)^T = Y^T X^T: the first operand
is Y, the second X, and neither is copied where one of its two inner strides is 1. Everything here is plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Arranged", "Gemm", "Matrices", "arrange", "asked", "dense", "flat_rows", "is_stored"]

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Gemm:
    """D = scale op(A) op(B) (+ D) (+ bias) for a batch of matrices, in cuBLAS's words.

    op(A) is (rows, inner) and op(B) is (inner, columns); ``turned`` says which of the two is the transpose of what lies in
    memory. Sizes and steps are in elements.
    """

    rows: int
    columns: int
    inner: int
    turned: tuple[bool, bool]
    leading: tuple[int, int, int]
    """Of A, B and D: how many elements apart two columns are."""
    batch: int
    steps: tuple[int, int, int]
    """Of A, B and D: from one matrix of the batch to the next; 0 for one that all share."""
    dtype: str
    result: str
    tf32: bool = False
    scale: float = 1.0
    accumulates: bool = False
    """Whether D is added to."""
    epilogue: str = ""
    """What is done to the result before it is written: any of "bias", "relu" and "gelu" (the tanh form), joined by spaces."""
    alignment: int = 256
    """A power of two (256 at most) that all addresses are multiples of, in bytes."""

    @property
    def span(self) -> int:
        """How many elements lie between D's first and its last."""
        return self.steps[2] * (self.batch - 1) + self.leading[2] * (self.columns - 1) + self.rows


class Matrices(NamedTuple):
    """An operand's shape and strides, in elements, over the batch and the last two axes; 0 where it is repeated."""

    shape: Numbers
    strides: Numbers


class Arranged(NamedTuple):
    """One batched product, and where it starts in the three arrays each time it is made."""

    rows: int
    columns: int
    inner: int
    turned: tuple[bool, bool]
    leading: tuple[int, int, int]
    batch: int
    steps: tuple[int, int, int]
    starts: tuple[tuple[int, int, int], ...]
    """Offsets in elements of (A, B, D), that is of (y, x, result): one for each call."""


def asked(
    found: Arranged, dtype: Any, result: Any, tf32: bool, alignment: int, epilogue: str, scale: float, accumulates: bool
) -> Gemm:  # fmt: skip
    """The product of an arrangement, with operands and result of these dtypes."""
    return Gemm(
        *found[:7], dtype.name, result.name, tf32 and dtype.name in ("float32", "complex64"), scale, accumulates, epilogue, alignment
    )  # fmt: skip


def flat_rows(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, int] | None:
    """How many rows (..., width) has and how far apart they are, if that is the same everywhere; else None."""
    count, step = 1, 0
    for size, stride in zip(reversed(shape[:-1]), reversed(strides[:-1]), strict=True):
        if size == 1:
            continue
        if count == 1:
            step = stride
        elif stride != step * count:
            return None
        count *= size
    return count, step


def is_stored(matrix: Matrices) -> bool:
    """Whether cuBLAS can read a matrix as it lies."""
    return _stored(*matrix.shape[-2:], *matrix.strides[-2:]) is not None


def _stored(rows: int, columns: int, row: int, column: int) -> tuple[bool, int] | None:
    """Whether a matrix with these strides is stored by columns, and its leading size; None where cuBLAS cannot read it."""
    if (column == 1 or columns == 1) and (rows == 1 or row >= columns):
        return False, row if rows > 1 else max(columns, 1)
    if (row == 1 or rows == 1) and (columns == 1 or column >= rows):
        return True, column if columns > 1 else max(rows, 1)
    return None


def arrange(x: Matrices, y: Matrices, out: Matrices) -> Arranged | None:
    """x (..., M, K) times y (..., K, N) into out (..., M, N), whose rows are whole: how cuBLAS is asked for it.

    All three have the same number of axes and the result's batch. None where an operand must be copied first.
    """
    *batch, rows, columns = out.shape
    inner = x.shape[-1]
    axes = [(size, x.strides[axis], y.strides[axis], out.strides[axis]) for axis, size in enumerate(batch) if size != 1]
    axes = _merged(axes)
    (row_x, column_x), (row_y, column_y), (row, column) = (each.strides[-2:] for each in (x, y, out))
    # Where all share one y and the rows of x go on from matrix to matrix, the batch is more rows.
    while axes and axes[-1][2] == 0:
        size, step_x, _, step = axes[-1]
        if rows == 1:
            found = _stored(size, inner, step_x, column_x), _stored(size, columns, step, column)
            row_x, row = (step_x, step) if None not in found else (row_x, row)
        elif step_x == row_x * rows and step == row * rows:
            found = _stored(rows * size, inner, row_x, column_x), _stored(rows * size, columns, row, column)
        else:
            break
        if None in found:
            break
        rows *= size
        axes.pop()
    first = _stored(inner, columns, row_y, column_y)
    second = _stored(rows, inner, row_x, column_x)
    third = _stored(rows, columns, row, column)
    if first is None or second is None or third is None or third[0]:
        return None
    if any(min(step_x, step_y) < 0 or step < 0 for _, step_x, step_y, step in axes):
        return None
    size, step_x, step_y, step = axes.pop(max(range(len(axes)), key=lambda i: axes[i][0])) if axes else (1, 0, 0, 0)
    starts = [(0, 0, 0)]
    for length, apart_x, apart_y, apart in axes:
        starts = [(b + i * apart_y, a + i * apart_x, c + i * apart) for b, a, c in starts for i in range(length)]
    return Arranged(
        columns, rows, inner, (first[0], second[0]), (first[1], second[1], third[1]), size, (step_y, step_x, step), tuple(starts)
    )  # fmt: skip


def _merged(axes: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Neighbouring batch axes that all three arrays step through as through one, made one."""
    merged: list[tuple[int, int, int, int]] = []
    for size, *steps in axes:
        if merged and all(before == step * size for before, step in zip(merged[-1][1:], steps, strict=True)):
            size *= merged.pop()[0]
        merged.append((size, steps[0], steps[1], steps[2]))
    return merged


def dense(shape: Sequence[int]) -> Numbers:
    """The strides of an array without gaps, stored by rows."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
