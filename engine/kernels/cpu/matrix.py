"""Products of matrices by oneDNN: any leading axes, broadcasting, and transposed operands without copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...modes import modes
from . import pool
from .library import Library
from .memory import FLOAT32, FLOATS, MOST_DIMENSIONS, Array, Layout, Result, address, dense_strides, disjoint
from .plans import PLANS, Plan, plan
from .primitive import DESTINATION, SOURCE, WEIGHTS, Primitive, describe
from .reorder import as_dense, packer

# Below this many multiplications NumPy's product is done before a plan is found and two threads are woken.
FEWEST_PRODUCTS = 1 << 18

# From this many rows, columns and inner products on, packing an operand stored by rows costs a fiftieth of the product
# and saves a sixth of it (float32; a tenth in bfloat16).
FEWEST_PACKED = 256

Shape = tuple[int, ...]


def matmul(x: Array, y: Array) -> Result:
    """The matrix product over the last two axes, (..., M, K) and (..., K, N) -> (..., M, N), as NumPy's."""
    if x.size * y.size < FEWEST_PRODUCTS:
        return NotImplemented
    key = (matmul, x.shape, x.strides, x.dtype, y.shape, y.strides, y.dtype, modes.wide)
    return (PLANS.get(key) or plan(key, _plan_matmul, x, y))(x, y)


def given_type(x: Array) -> np.dtype[Any]:
    """The dtype of a result: the operands', or float32 where narrow ones may give it at once."""
    return FLOAT32 if modes.wide else x.dtype


def _plan_matmul(library: Library, x: Array, y: Array) -> Plan | None:
    if x.dtype != y.dtype or x.dtype not in FLOATS or not x.ndim or not y.ndim:
        return None
    left = x[None, :] if x.ndim == 1 else x
    right = y[:, None] if y.ndim == 1 else y
    if left.shape[-1] != right.shape[-2]:
        return None
    try:
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        return None
    full = (*batch, left.shape[-2], right.shape[-1])
    if _products(full, left.shape[-1]) < FEWEST_PRODUCTS:
        return None
    if x.dtype == FLOAT32 and (full[-1] == 1 or (full[-2] == 1 and _products(batch, 1) == 1)):
        return None  # a matrix times one vector: NumPy reads it at twice the speed of oneDNN's unpacked product
    shape = (*batch, *full[-2 : -1 if x.ndim > 1 else -2], *full[-1 : None if y.ndim > 1 else -1])
    allocate = pool.allocator(shape, given_type(x))
    found = _product(library, left, right, full)
    if found is None:
        return _plan_matmul_of_copies(library, left, right, full, allocate)
    packed = _plan_matmul_packed(library, left, right, full, allocate)
    if packed is not None:
        return packed
    run = found.run

    def compute(x: Array, y: Array) -> Array:
        result = allocate()
        run(address(x), address(y), address(result))
        return result

    return compute


def _plan_matmul_packed(
    library: Library, left: Array, right: Array, full: Shape, allocate: Callable[[], Array]
) -> Plan | None:
    """The product with the right operand packed first, where that pays: one large matrix stored by rows."""
    if min(full[-1], right.shape[-2]) < FEWEST_PACKED:
        return None
    matrices = as_matrix(left, full[:-2]), as_matrix(right, full[:-2])
    axes = None if matrices[0] is None or matrices[1] is None else _merge_batch(full, *matrices[0], *matrices[1])
    if axes is None or len(axes[0]) != 2 or axes[2][1][1] != 1 or axes[0][0] < FEWEST_PACKED:
        return None
    shape, (left_shape, left_strides), (right_shape, right_strides) = axes
    plain = Layout(library, right_shape, right.dtype, right_strides)
    description = describe(
        library, "matmul", Layout(library, left_shape, left.dtype, left_strides), Layout(library, right_shape, right.dtype), None,
        Layout(library, shape, given_type(left), dense_strides(shape)),
    )  # fmt: skip
    if description is None or description.same_layout(WEIGHTS, plain):
        return None
    pack = packer(library, right, plain, description.layout(WEIGHTS), keep=False)
    if pack is None:
        return None
    run = Primitive(description, (SOURCE, WEIGHTS, DESTINATION)).run

    def compute(x: Array, y: Array) -> Array:
        result, packed = allocate(), pack(y)
        run(address(x), address(packed), address(result))
        return result

    return compute


def _plan_matmul_of_copies(
    library: Library, left: Array, right: Array, full: Shape, allocate: Callable[[], Array]
) -> Plan | None:
    """For strides that no implementation takes: the product of dense copies."""
    fetch_left, fetch_right = as_dense(left), as_dense(right)
    found = _product(library, fetch_left(left), fetch_right(right), full)
    if found is None:
        return None
    run, left_shape, right_shape = found.run, left.shape, right.shape

    def compute(x: Array, y: Array) -> Array:
        result = allocate()
        dense_x, dense_y = fetch_left(x.reshape(left_shape)), fetch_right(y.reshape(right_shape))
        run(address(dense_x), address(dense_y), address(result))
        return result

    return compute


def _products(full: Shape, inner: int) -> int:
    count = inner
    for length in full:
        count *= length
    return count


def _product(library: Library, x: Array, y: Array, full: Shape) -> Primitive | None:
    """The primitive for x (..., M, K) times y (..., K, N) -> dense `full`, or None where the strides do not suit."""
    left, right = as_matrix(x, full[:-2]), as_matrix(y, full[:-2])
    if left is None or right is None:
        return None
    axes = _merge_batch(full, *left, *right)
    if axes is None:
        return None
    shape, left_layout, right_layout = axes
    if len(shape) > MOST_DIMENSIONS:
        return None
    out = Layout(library, shape, given_type(x), dense_strides(shape))
    description = describe(
        library, "matmul", Layout(library, left_layout[0], x.dtype, left_layout[1]),
        Layout(library, right_layout[0], x.dtype, right_layout[1]), None, out,
    )  # fmt: skip
    return None if description is None else Primitive(description, (SOURCE, WEIGHTS, DESTINATION))


def as_matrix(array: Array, batch: Shape) -> tuple[list[int], list[int]] | None:
    """Lengths and strides in elements of an operand as oneDNN takes it: repeated axes have length one.

    None unless the matrices are stored by rows or by columns and nothing overlaps.
    """
    shape = [1] * (len(batch) + 2 - array.ndim) + list(array.shape)
    given = [0] * (len(batch) + 2 - array.ndim) + list(array.strides)
    shape[:-2] = [1 if stride == 0 else length for length, stride in zip(shape[:-2], given[:-2], strict=True)]
    size = array.itemsize
    if any(length > 1 and (stride <= 0 or stride % size) for length, stride in zip(shape, given, strict=True)):
        return None
    strides = [stride // size for stride in given]
    rows, columns = shape[-2:]
    if columns == 1:
        strides[-1] = 1 if strides[-2] != 1 else rows
    if rows == 1:
        strides[-2] = columns if strides[-1] == 1 else 1
    if not ((strides[-1] == 1 and strides[-2] >= columns) or (strides[-2] == 1 and strides[-1] >= rows)):
        return None
    regular = max(rows * strides[-2], columns * strides[-1])
    for axis in range(len(shape) - 3, -1, -1):
        if shape[axis] == 1:
            strides[axis] = regular
        regular = max(regular, shape[axis] * strides[axis])
    return (shape, strides) if disjoint(shape, strides) else None


def _merge_batch(
    full: Shape, left_shape: list[int], left: list[int], right_shape: list[int], right: list[int]
) -> tuple[Shape, tuple[Shape, Shape], tuple[Shape, Shape]] | None:
    """Neighbouring leading axes made one where both operands allow it, and the left's rows too if there is one right."""
    full_axes = list(full)
    axis = len(full_axes) - 3
    while axis > 0:
        if all(
            (shape[axis - 1] == 1 and shape[axis] == 1)
            or (shape[axis - 1] == full_axes[axis - 1] and shape[axis] == full_axes[axis]
                and strides[axis - 1] == strides[axis] * shape[axis])
            for shape, strides in ((left_shape, left), (right_shape, right))
        ):  # fmt: skip
            for shape in (left_shape, right_shape, full_axes):
                shape[axis - 1 : axis + 1] = [shape[axis - 1] * shape[axis]]
            del left[axis - 1], right[axis - 1]
        axis -= 1
    one_right = len(full_axes) == 3 and right_shape[0] == 1 and left_shape[0] == full_axes[0]
    if one_right and left[-1] == 1 and (left[0] == left[1] * left_shape[1] or left_shape[0] == 1):
        full_axes[:2] = [full_axes[0] * full_axes[1]]
        left_shape[:2] = [left_shape[0] * left_shape[1]]
        del left[0], right[0], right_shape[0]
    return tuple(full_axes), (tuple(left_shape), tuple(left)), (tuple(right_shape), tuple(right))
