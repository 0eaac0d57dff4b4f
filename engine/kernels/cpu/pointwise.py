"""The gradient of a 1 x 1 convolution by its weight, as a product of matrices: channels by pixels by channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import pool
from .library import Library
from .memory import FLOAT32, Array, Layout, address
from .plans import Plan
from .primitive import DESTINATION, SOURCE, WEIGHTS, Primitive, describe, describe_reorder
from .reorder import as_channels_last

Pair = tuple[int, int]
Shape = tuple[int, ...]

FEWEST_CHANNELS = 16
# oneDNN's product is quickest where the longer side of the result counts rows; of very many pixels, where the shorter does.
MANY_PIXELS = 64  # for each of the longer side's channels
FEWEST_TURNED = (
    4  # pixels for each of the shorter side's, from which on transposing the result costs less than it gains
)
# Very many pixels are taken in parts whose products are added up at last: so a thread reads pixels of its own. There are two
# threads' worth at least, and no fewer for one, so that the sums do not hang on the number of threads.
PARTS = 4
FEWEST_OF_PART = 4096


def pays(weight: Shape, padding: Pair, groups: int) -> bool:
    """Whether the gradient by such a weight is as well computed here, or better."""
    pixelwise = weight[2:] == (1, 1) and padding == (0, 0) and groups == 1
    return pixelwise and min(weight[:2]) >= FEWEST_CHANNELS


def plan_weight(library: Library, grad: Array, x: Array, shape: Shape, stride: Pair) -> Plan | None:
    """The plan of grad^T (K, N H W) times x (N H W, C), or of the transposed product; of x, the pixels that count."""
    pick = (..., slice(None, None, stride[0]), slice(None, None, stride[1]))
    dtype, (outs, ins) = grad.dtype, shape[:2]
    pixels = grad.size // outs
    shorter, longer = sorted((ins, outs))
    pays_to_turn = shorter < longer and pixels >= FEWEST_TURNED * shorter
    turned = pays_to_turn and (ins < outs) == (pixels >= MANY_PIXELS * longer)
    rows, columns = (ins, outs) if turned else (outs, ins)
    parts = PARTS if dtype == FLOAT32 and pixels % PARTS == 0 and pixels >= PARTS * FEWEST_OF_PART else 1
    some = pixels // parts
    description = describe(
        library, "matmul", Layout(library, (parts, rows, some), dtype, (some * rows, 1, rows)),
        Layout(library, (parts, some, columns), dtype, (some * columns, columns, 1)), None,
        Layout(library, (parts, rows, columns), dtype, (rows * columns, columns, 1)),
    )  # fmt: skip
    finish = _adder(library, parts, rows, columns, dtype, turned)
    if description is None or finish is None:
        return None
    fetch_grad, fetch_x = as_channels_last(library, grad), as_channels_last(library, x[pick])
    allocate = pool.allocator((parts, rows, columns), dtype)
    multiply = Primitive(description, (SOURCE, WEIGHTS, DESTINATION)).run

    def compute(grad: Array, x: Array) -> Array:
        upstream, source, products = fetch_grad(grad), fetch_x(x[pick]), allocate()
        left, right = (source, upstream) if turned else (upstream, source)
        multiply(address(left), address(right), address(products))
        return finish(products).reshape(shape)

    return compute


def _adder(
    library: Library, parts: int, rows: int, columns: int, dtype: Any, turned: bool
) -> Callable[[Array], Array] | None:
    """A function that adds up so many matrices, and transposes the sum if it is `turned`; None where oneDNN cannot."""
    size = rows * columns
    steps: list[Callable[[Array], Array]] = []
    if parts > 1:
        sides = (1, parts), (parts, size), (1, size)
        left, right, result = (Layout(library, side, dtype, (side[1], 1)) for side in sides)
        total, ones = describe(library, "matmul", left, right, None, result), np.ones(parts, dtype)
        if total is None:
            return None
        add, allocate_sum = Primitive(total, (SOURCE, WEIGHTS, DESTINATION)).run, pool.allocator((size,), dtype)

        def added(products: Array) -> Array:
            result = allocate_sum()
            add(address(ones), address(products), address(result))
            return result

        steps.append(added)
    if turned:
        back = describe_reorder(
            library, Layout(library, (columns, rows), dtype, (1, columns)), Layout(library, (columns, rows), dtype, (rows, 1))
        )  # fmt: skip
        if back is None:
            return None
        transpose, allocate_turned = Primitive(back, (SOURCE, DESTINATION)).run, pool.allocator((size,), dtype)

        def transposed(matrix: Array) -> Array:
            result = allocate_turned()
            transpose(address(matrix), address(result))
            return result

        steps.append(transposed)

    def finish(products: Array) -> Array:
        for step in steps:
            products = step(products)
        return products

    return finish
