"""What the recurrent operations share: rows of a packed sequence, products that repeat, and their plain step in tensors.

A packed sequence holds the rows of its first step, then those of the second, and so on; each step has as many rows as the
step before or fewer, since its examples are sorted by falling length. ``sizes`` says how many. What is not packed is the
case of equal sizes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ...dtype import Array
from ...errors import DtypeError, ShapeError
from ...op import op
from ...tensor import Tensor
from ..algebra.matrix import check_one_dtype, linear
from ..indexing.index import getitem

__all__ = [
    "pick_rows",
    "place_rows",
]

Sizes = tuple[int, ...]
"""The rows of each step."""


class Products(NamedTuple):
    """How matrices are multiplied, once, or many times by one matrix into an array that is there; and where arrays come from."""

    once: Callable[[Array, Array], Array]
    by: Callable[[Array], Callable[[Array, Array], Any]]
    empty: Callable[[tuple[int, ...], Any], Array]


def plain_products(xp: Any) -> Products:
    """The array library's own."""
    return Products(xp.matmul, lambda matrix: lambda left, out: xp.matmul(left, matrix, out=out), xp.empty)


ROWS_AT_ONCE = 256
"""How many rows' products are computed ahead of the steps that read them: so few are still in the cache by then."""


def entering(products: Products, x: Array, matrix: Array, bias: Array | None, out: Array) -> Callable[[int], None]:
    """A function that fills ``out`` with x matrix + bias up to a row at least, and goes on from there the next time."""
    multiply = products.by(matrix)
    done = 0

    def fill(stop: int) -> None:
        nonlocal done
        while done < stop:
            rows = slice(done, min(done + ROWS_AT_ONCE, x.shape[0]))
            multiply(x[rows], out[rows])
            if bias is not None:
                out[rows] += bias
            done = rows.stop

    return fill


def steps(sizes: Sizes) -> Iterator[tuple[slice, slice]]:
    """For each step its rows, and those of the step before, in an array that begins with the rows of the first states."""
    before, start = 0, sizes[0] if sizes else 0
    for size in sizes:
        yield slice(start, start + size), slice(before, before + size)
        before, start = start, start + size


def rows_before(xp: Any, states: Array, sizes: Sizes) -> Array:
    """The states before each row: shifted by a step. ``states`` begins with the first states."""
    count = states.shape[0] - sizes[0]
    if sizes[0] == sizes[-1]:
        return states[:count]
    return xp.concatenate([states[before] for _, before in steps(sizes)])


def _pick_rows_x(grad: Tensor, x_shape: tuple[int, ...], rows: tuple[Array, ...]) -> Tensor:
    return place_rows(grad, rows=rows, shape=x_shape)


@op(x=_pick_rows_x)
def pick_rows(xp: Any, x: Array, *, rows: Any) -> Array:
    """The rows at these places of the first axes, each named once."""
    return x[rows]


def _place_rows_x(grad: Tensor, rows: tuple[Array, ...]) -> Tensor:
    return pick_rows(grad, rows=rows)


@op(x=_place_rows_x)
def place_rows(xp: Any, x: Array, *, rows: Any, shape: tuple[int, ...], value: float = 0.0) -> Array:
    """A tensor of ``shape`` full of ``value`` but for x, at these places of the first axes."""
    out = xp.full(shape, value, x.dtype)
    out[rows] = x
    return out


def check_layer(
    name: str, gates: int, x: Array, h: Array, weight_ih: Array, weight_hh: Array, biases: tuple[Array | None, ...], sizes: Sizes
) -> None:  # fmt: skip
    """Refuse a layer's inputs that do not fit one another: rows, widths, dtypes."""
    check_one_dtype(name, x, h, weight_ih, weight_hh, *biases)
    if x.dtype.kind not in "fV":
        raise DtypeError(f"{name}: wants floating-point numbers, not {x.dtype}; convert with .float()")
    if x.ndim != 2 or h.ndim != 2 or weight_ih.ndim != 2 or weight_hh.ndim != 2:
        raise ShapeError(f"{name}: wants rows (rows, features) and states (batch, width), not {tuple(x.shape)} and {tuple(h.shape)}")  # fmt: skip
    if not sizes or sum(sizes) != x.shape[0] or sizes[0] != h.shape[0] or any(map(operator.lt, sizes, sizes[1:])):  # fmt: skip
        raise ShapeError(
            f"{name}: the sizes of the steps {sizes[:8]} must fall, start with the {h.shape[0]} rows of the states and add up to the {x.shape[0]} rows of x"
        )
    tall = weight_ih.shape[0]
    if tall % gates or weight_ih.shape[1] != x.shape[1] or weight_hh.shape != (tall, h.shape[1]):
        raise ShapeError(
            f"{name}: x {tuple(x.shape)} and states {tuple(h.shape)} want weights ({gates} width, {x.shape[1]}) and ({gates} width, {h.shape[1]}), "
            f"not {tuple(weight_ih.shape)} and {tuple(weight_hh.shape)}"
        )
    for bias in biases:
        if bias is not None and bias.shape != (tall,):
            raise ShapeError(f"{name}: each bias must have {tall} numbers, not shape {tuple(bias.shape)}")


def sum_of(a: Array | None, b: Array | None) -> Array | None:
    """The sum of both biases, of the one that there is, or none."""
    if a is None or b is None:
        return b if a is None else a
    return a + b


def plain_projection(x: Tensor, weight: Tensor, *biases: Tensor | None) -> Tensor:
    """x weight^T plus the biases that there are."""
    out = linear(x, weight)
    for bias in biases:
        out = out if bias is None else out + bias
    return out


def part(x: Tensor, rows: slice) -> Tensor:
    """Some rows of a tensor, as a view."""
    return x if rows == slice(0, x.shape[0]) else getitem(x, rows)
