"""Products of matrices by cublasLt: any batch and any transpose as it lies in memory, sums in float32 or wider."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ....dtype import Array, Dtype, float32, float64
from ....modes import TF32, modes
from ...plans import Plans
from ..layout import maker
from ..libraries import choosing, gemm
from ..libraries.gemm import Matrices
from ..libraries.lt import KINDS
from ..machine import Machine, machine
from ..shapes.transposing import copy_into, copy_like
from . import padding

__all__ = [
    "between_addresses", "linear", "linear_weight", "matmul", "multiply", "plan_matmul", "plan_weight", "product", "refuse",
]  # fmt: skip

Plan = Callable[..., Any]
Fetch = Callable[[Array], Array]
PLANS: Plans[Plan] = choosing.renewed(Plans())

MOST_CALLS = 8
"""Calls into which a batch without one step may be cut before an operand is copied so that it has one."""
NARROW = ("float16", "bfloat16")


def matmul(x: Array, y: Array) -> Any:
    """The matrix product over the last two axes, (..., m, k) and (..., k, n) to (..., m, n)."""
    if not x.ndim or not y.ndim:
        return NotImplemented  # a number, perhaps the host's, which the body refuses
    here = machine()
    tf32 = modes.precision is TF32
    low = here.address(x) | here.address(y) | 256
    key = (matmul, here, x.shape, x.strides, x.dtype, y.shape, y.strides, y.dtype, modes.wide, tf32, low & -low)
    return (PLANS.get(key) or PLANS.make(key, plan_matmul, here, x, y, _given(x), tf32, low & -low))(x, y)


def linear(x: Array, weight: Array, bias: Array | None = None) -> Any:
    """x weight^T + bias: (..., in), (out, in) and (out,) to (..., out)."""
    if not weight.ndim:
        return NotImplemented
    here = machine()
    tf32 = modes.precision is TF32
    low = here.address(x) | here.address(weight) | 256
    key = (
        linear, here, x.shape, x.strides, x.dtype, weight.shape, weight.strides, weight.dtype,
        None if bias is None else (bias.shape, bias.strides, bias.dtype), modes.wide, tf32, low & -low,
    )  # fmt: skip
    plan = PLANS.get(key) or PLANS.make(key, _plan_linear, here, x, weight, bias, _given(x), tf32, low & -low)
    return plan(x, weight, bias)


def linear_weight(flow: Array, x: Array) -> Any:
    """flow^T x over all leading axes: (..., out) and (..., in) to (out, in)."""
    here = machine()
    tf32 = modes.precision is TF32
    low = here.address(flow) | here.address(x) | 256
    key = (
        linear_weight, here, flow.shape, flow.strides, flow.dtype, x.shape, x.strides, x.dtype, modes.wide, tf32, low & -low,
    )  # fmt: skip
    return (PLANS.get(key) or PLANS.make(key, plan_weight, here, flow, x, _given(x), tf32, low & -low))(flow, x)


def product(x: Array, y: Array) -> Array:
    """What ``numpy.matmul`` gives, for arrays of any dtype: what bodies multiply by. CuPy's own product of batches never runs.

    It does not know bfloat16, widens float16, and copies transposed operands.
    """
    if x.dtype != y.dtype:
        dtype = np.result_type(x.dtype, y.dtype)
        x, y = x.astype(dtype), y.astype(dtype)
    if x.dtype.name in KINDS:
        found = matmul(x, y)
        if found is not NotImplemented:
            return found
    here = machine()
    left = x[None, :] if x.ndim == 1 else x
    right = y[:, None] if y.ndim == 1 else y
    batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    if not batch:
        return here.xp.matmul(x, y)
    left, right = (here.xp.broadcast_to(each, (*batch, *each.shape[-2:])) for each in (left, right))
    out = here.empty((*batch, left.shape[-2], right.shape[-1]), x.dtype)
    for place in np.ndindex(*batch):
        out[place] = here.xp.matmul(left[place], right[place])
    return _trimmed(out, x.ndim, y.ndim)


def multiply(here: Machine, x: Array, y: Array, out: Array, *, scale: float = 1.0, accumulates: bool = False) -> bool:
    """scale x y, written to ``out`` or added to it; all (..., rows, columns) of one batch. False where no library takes it."""
    tf32 = modes.precision is TF32
    low = here.address(x) | here.address(y) | here.address(out) | 256
    key = (
        multiply, here, x.shape, x.strides, x.dtype, y.shape, y.strides, out.strides, out.dtype, scale, accumulates, tf32, low & -low,
    )  # fmt: skip
    plan = PLANS.get(key)
    if plan is None:
        plan = PLANS.make(key, _plan_multiply, here, x, y, out, scale, accumulates, tf32, low & -low)
    return plan(x, y, out) is not NotImplemented


# ---- plans -------------------------------------------------------------------------------------------------------


def refuse(*_: Any) -> Any:
    """The plan of what no library serves."""
    return NotImplemented


def _given(x: Array) -> Dtype:
    """The dtype of a result: the operands', or float32 where narrow ones may give it at once."""
    return float32 if modes.wide and x.dtype.name in NARROW else x.dtype


def _trimmed(out: Array, left: int, right: int) -> Array:
    """Without the axes that one-dimensional operands were given."""
    if right == 1:
        out = out[..., 0]
    return out if left > 1 else out[..., 0, :] if right > 1 else out[..., 0]


def plan_matmul(here: Machine, x: Array, y: Array, result: Dtype, tf32: bool, alignment: int) -> Plan:
    """How the matrix product of arrays like these is computed in a dtype, their addresses multiples of ``alignment``."""
    if x.dtype != y.dtype or x.dtype.name not in KINDS or not x.ndim or not y.ndim:
        return refuse
    left = _as_matrices(x, (1, *x.shape), (0, *x.strides)) if x.ndim == 1 else _as_matrices(x, x.shape, x.strides)
    right = _as_matrices(y, (*y.shape, 1), (*y.strides, 0)) if y.ndim == 1 else _as_matrices(y, y.shape, y.strides)
    if left.shape[-1] != right.shape[-2]:
        return refuse
    try:
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        return refuse
    full = (*batch, left.shape[-2], right.shape[-1])
    shape = (*batch, *full[-2 : -1 if x.ndim > 1 else -2], *full[-1 : None if y.ndim > 1 else -1])
    if not math.prod(full):
        return lambda x, y: here.empty(shape, result)
    if not left.shape[-1]:
        return lambda x, y: here.zeros(shape, result)
    wanted = (_spread(left, batch), _spread(right, batch), Matrices(full, gemm.dense(full)))
    return _computed(here, wanted, x.dtype, result, tf32, alignment, shape, (_copied, _copied)) or refuse


def _plan_linear(
    here: Machine, x: Array, weight: Array, bias: Array | None, result: Dtype, tf32: bool, alignment: int
) -> Plan:
    if x.dtype != weight.dtype or x.dtype.name not in KINDS or weight.ndim != 2 or not x.ndim:
        return refuse
    outs, inner = weight.shape
    if x.shape[-1] != inner or (bias is not None and (bias.shape != (outs,) or bias.dtype != x.dtype)):
        return refuse
    shape = (*x.shape[:-1], outs)
    if not math.prod(shape) or not inner:
        return refuse
    rows = x.shape if x.ndim > 1 else (1, *x.shape)
    full = (*rows[:-1], outs)
    left = _as_matrices(x, rows, x.strides if x.ndim > 1 else (0, *x.strides))
    right = _as_matrices(weight, (inner, outs), weight.strides[::-1])
    wanted = (left, _spread(right, rows[:-2]), Matrices(full, gemm.dense(full)))
    copies = (_copied, _copied_turned)
    plain = _computed(here, wanted, x.dtype, result, tf32, alignment, shape, copies)
    if plain is None:
        return refuse
    if bias is None:
        return lambda x, weight, bias: plain(x, weight)
    fused = None
    if result != float64 and x.dtype.kind != "c":
        fused = _computed(here, wanted, x.dtype, result, tf32, alignment, shape, copies, "bias")
    if fused is None:
        add = here.xp.add
        return lambda x, weight, bias: (lambda out: add(out, bias, out))(plain(x, weight))
    ready = bias.dtype == result and (outs == 1 or bias.strides == (bias.itemsize,)) and not here.address(bias) % 16
    if ready:
        return fused

    def compute_with_copy(x: Array, weight: Array, bias: Array) -> Array:
        vector = here.empty(bias.shape, result)
        vector[...] = bias
        return fused(x, weight, vector)

    return compute_with_copy


def plan_weight(here: Machine, flow: Array, x: Array, result: Dtype, tf32: bool, alignment: int) -> Plan:
    """How flow^T x of arrays like these is computed."""
    if x.dtype != flow.dtype or x.dtype.name not in KINDS or not x.ndim or x.shape[:-1] != flow.shape[:-1]:
        return refuse
    shape = (flow.shape[-1], x.shape[-1])
    if not math.prod(shape):
        return lambda flow, x: here.empty(shape, result)
    if not x.size:
        return lambda flow, x: here.zeros(shape, result)
    (left, fetch_flow), (right, fetch_x) = _as_rows(flow), _as_rows(x)
    wanted = (Matrices(left.shape[::-1], left.strides[::-1]), right, Matrices(shape, gemm.dense(shape)))
    run = _computed(here, wanted, x.dtype, result, tf32, alignment, shape, None)
    if run is None:
        return refuse
    if fetch_flow is fetch_x is _itself:
        return run
    return lambda flow, x: run(fetch_flow(flow), fetch_x(x))


def _plan_multiply(
    here: Machine, x: Array, y: Array, out: Array, scale: float, accumulates: bool, tf32: bool, alignment: int
) -> Plan:
    if not x.size or not y.size:
        return refuse
    run = between_addresses(here, x, y, out, scale, tf32, alignment, accumulates)
    if run is NotImplemented:
        return _plan_multiply_of_copies(here, x, y, out, scale, accumulates, tf32)
    if run is None:
        return refuse
    address = here.address
    return lambda x, y, out: run(address(x), address(y), address(out))


def between_addresses(
    here: Machine, x: Array, y: Array, out: Array, scale: float, tf32: bool, alignment: int, accumulates: bool = False
) -> Any:
    """For plans: what multiplies arrays that lie as these do, given the three addresses, multiples of ``alignment``.

    None where no library does, NotImplemented where operands must be copied first.
    """
    found = gemm.arrange(*(_as_matrices(each, each.shape, each.strides) for each in (x, y, out)))
    if found is None or len(found.starts) > MOST_CALLS:
        return NotImplemented
    starts = _in_bytes(found, x.dtype, out.dtype)
    run = here.prepare(gemm.asked(found, x.dtype, out.dtype, tf32, _aligned(starts, alignment), "", scale, accumulates))
    if run is None:
        return None
    if starts == ((0, 0, 0),):
        return lambda x, y, out: run(y, x, out, 0)

    def compute(x: int, y: int, out: int) -> None:
        for first, second, third in starts:
            run(y + first, x + second, out + third, 0)

    return compute


def _plan_multiply_of_copies(
    here: Machine, x: Array, y: Array, out: Array, scale: float, accumulates: bool, tf32: bool
) -> Plan:
    """The product of copies, which are one batch; the result is copied to its place, or added there."""
    shapes = x.shape, y.shape, out.shape
    found = gemm.arrange(*(Matrices(shape, gemm.dense(shape)) for shape in shapes))
    run = None if found is None else here.prepare(gemm.asked(found, x.dtype, out.dtype, tf32, 256, "", scale, False))
    if run is None:
        return refuse
    empty, address, add = here.empty, here.address, here.xp.add

    def compute(x: Array, y: Array, out: Array) -> None:
        x, y, made = _dense_copy(x), _dense_copy(y), empty(out.shape, out.dtype)
        run(address(y), address(x), address(made), 0)
        if accumulates:
            add(out, made, out)
        else:
            copy_into(out, made)

    return compute


def _aligned(starts: tuple[tuple[int, int, int], ...], alignment: int) -> int:
    """What all addresses are multiples of, given that of the arrays."""
    for offsets in starts:
        low = offsets[0] | offsets[1] | offsets[2] | alignment
        alignment = low & -low
    return alignment


def _computed(
    here: Machine, wanted: tuple[Matrices, Matrices, Matrices], dtype: Dtype, result: Dtype, tf32: bool, alignment: int,
    shape: tuple[int, ...], copies: tuple[Fetch, Fetch] | None, epilogue: str = "",
) -> Callable[..., Array] | None:  # fmt: skip
    """What gives a new array of ``shape`` with the product, or None where no library takes it.

    ``wanted`` are x, y and the result; ``copies`` give copies of the first two that lie by rows, where that is needed.
    """
    fetch_x: Fetch = _itself
    fetch_y: Fetch = _itself
    x, y, out = wanted
    found = gemm.arrange(x, y, out)
    if copies is not None and (found is None or len(found.starts) > MOST_CALLS):
        dense_x, dense_y = _made_dense(x), _made_dense(y)
        for left, right in ((x, dense_y), (dense_x, y), (dense_x, dense_y)):
            other = gemm.arrange(left, right, out)
            if other is not None and (found is None or len(other.starts) < len(found.starts)):
                found = other
                fetch_x, fetch_y = _itself if left is x else copies[0], _itself if right is y else copies[1]
            if found is not None and len(found.starts) <= MOST_CALLS:
                break
    if found is None:
        return None
    full = out.shape if shape == out.shape else None
    longer = padding.lengthened(found, full, dtype, result, tf32, alignment, epilogue)
    if longer is not None:
        found = longer.arranged
        if None not in longer.operands:
            alignment = 256  # of new memory
    starts = _in_bytes(found, dtype, result)
    run = here.prepare(gemm.asked(found, dtype, result, tf32, _aligned(starts, alignment), epilogue, 1.0, False))
    if run is None:
        return None
    if longer is not None:
        run = longer.run(here, run)
    address, make = here.address, (longer.maker if longer is not None else maker)(here, shape, result)
    if fetch_x is fetch_y is _itself and len(starts) == 1:

        def compute_once(x: Array, y: Array, bias: Array | None = None) -> Array:
            vector = 0
            if bias is not None:
                vector = address(bias)
                if vector % 16:  # the address is no part of the key, and one that is not aligned is rare
                    held = copy_like(bias)
                    vector = address(held)
            out = make()
            run(address(y), address(x), address(out), vector)
            return out

        return compute_once

    def compute(x: Array, y: Array, bias: Array | None = None) -> Array:
        x, y, out = fetch_x(x), fetch_y(y), make()
        a, b, d = address(y), address(x), address(out)
        if bias is not None and address(bias) % 16:
            bias = copy_like(bias)
        vector = 0 if bias is None else address(bias)
        for first, second, third in starts:
            run(a + first, b + second, d + third, vector)
        return out

    return compute


def _in_bytes(found: gemm.Arranged, dtype: Dtype, result: Dtype) -> tuple[tuple[int, int, int], ...]:
    size, own = dtype.itemsize, result.itemsize
    return tuple((first * size, second * size, third * own) for first, second, third in found.starts)


def _as_matrices(array: Array, shape: tuple[int, ...], strides: tuple[int, ...]) -> Matrices:
    """With strides in elements, and 0 along axes of one element."""
    size = array.itemsize
    return Matrices(shape, tuple(0 if n == 1 else step // size for n, step in zip(shape, strides, strict=True)))


def _spread(matrices: Matrices, batch: tuple[int, ...]) -> Matrices:
    """Over all axes of a batch, repeated along those that it lacks."""
    lead = len(batch) + 2 - len(matrices.shape)
    return Matrices((*batch, *matrices.shape[-2:]), (*(0,) * lead, *matrices.strides))


def _made_dense(matrices: Matrices) -> Matrices:
    """As a copy lies: by rows, without gaps; what is repeated stays so."""
    kept = tuple(n if step else 1 for n, step in zip(matrices.shape[:-2], matrices.strides[:-2], strict=True))
    strides = gemm.dense((*kept, *matrices.shape[-2:]))
    repeated = tuple(step if n > 1 else 0 for n, step in zip(kept, strides[:-2], strict=True))
    return Matrices(matrices.shape, (*repeated, *strides[-2:]))


def _as_rows(array: Array) -> tuple[Matrices, Fetch]:
    """The array as one matrix with its last axis for columns, and how it is come by: as it lies, or copied."""
    width = array.shape[-1]
    rows = gemm.flat_rows(array.shape, array.strides)
    if rows is not None:
        flat = _as_matrices(array, (rows[0], width), (rows[1], array.strides[-1]))
        if gemm.is_stored(flat):
            return flat, _itself
    shape = (array.size // width, width)
    return Matrices(shape, (width, 1)), lambda array: _dense_copy(array.reshape(shape))


def _copied(array: Array) -> Array:
    """A copy that lies by rows; along batch axes over which the array is repeated, of one."""
    once = [slice(0, 1) if step == 0 else slice(None) for step in array.strides[: max(array.ndim - 2, 0)]]
    return _dense_copy(array[(*once, ...)])


def _copied_turned(array: Array) -> Array:
    return _dense_copy(array.T)


def _dense_copy(array: Array) -> Array:
    return copy_like(array)


def _itself(array: Array) -> Array:
    return array
