"""The gradient of a 1 x 1 convolution by its weight, as a product of matrices: channels by pixels by channels."""

from __future__ import annotations

from typing import Any

from . import pool
from .library import Library
from .memory import Array, Layout, address
from .plans import Plan
from .primitive import DESTINATION, SOURCE, WEIGHTS, Primitive, describe, describe_reorder
from .reorder import as_channels_last

Pair = tuple[int, int]
Shape = tuple[int, ...]

FEWEST_CHANNELS = 16
# oneDNN's product takes up to twice as long where the result has many rows and few columns; transposing the result of
# the other product costs less than that up to so many columns.
MOST_TURNED = 127


def pays(weight: Shape, padding: Pair, groups: int) -> bool:
    """Whether the gradient by such a weight is as well computed here, or better."""
    pixelwise = weight[2:] == (1, 1) and padding == (0, 0) and groups == 1
    return pixelwise and min(weight[:2]) >= FEWEST_CHANNELS


def plan_weight(library: Library, grad: Array, x: Array, shape: Shape, stride: Pair) -> Plan | None:
    """The plan of grad^T (K, N H W) times x (N H W, C), or of the transposed product; of x, the pixels that count."""
    pick = (..., slice(None, None, stride[0]), slice(None, None, stride[1]))
    dtype, (outs, ins) = grad.dtype, shape[:2]
    pixels = grad.size // outs
    turned = ins < outs and ins <= MOST_TURNED
    rows, columns = (ins, outs) if turned else (outs, ins)
    description = describe(
        library, "matmul", Layout(library, (rows, pixels), dtype, (1, rows)),
        Layout(library, (pixels, columns), dtype, (columns, 1)), None,
        Layout(library, (rows, columns), dtype, (columns, 1)),
    )  # fmt: skip
    if description is None:
        return None
    fetch_grad, fetch_x = as_channels_last(library, grad), as_channels_last(library, x[pick])
    allocate = pool.allocator(shape, dtype)
    multiply = Primitive(description, (SOURCE, WEIGHTS, DESTINATION)).run

    def compute(grad: Array, x: Array) -> Array:
        upstream, source, result = fetch_grad(grad), fetch_x(x[pick]), allocate()
        multiply(address(upstream), address(source), address(result))
        return result

    if not turned:
        return compute
    back = describe_reorder(
        library, Layout(library, (outs, ins), dtype, (1, outs)), Layout(library, (outs, ins), dtype, (ins, 1))
    )
    if back is None:
        return None
    transpose, allocate_turned = Primitive(back, (SOURCE, DESTINATION)).run, pool.allocator((ins, outs), dtype)

    def compute_turned(grad: Array, x: Array) -> Any:
        upstream, source, product, result = fetch_grad(grad), fetch_x(x[pick]), allocate_turned(), allocate()
        multiply(address(source), address(upstream), address(product))
        transpose(address(product), address(result))
        return result

    return compute_turned
