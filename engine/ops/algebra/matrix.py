"""Products of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...device import gpu_kernels, product
from ...dtype import NARROW, Array, accumulator, bfloat16, float16, float32
from ...errors import DtypeError, ShapeError
from ...modes import TF32, is_narrowing
from ...narrowing import given_arrays
from ...node import Node, dtype_of
from ...op import op
from ...tensor import Tensor
from ..reductions.reduction import sum as total

__all__ = [
    "linear",
    "matmul",
]


def check_one_dtype(name: str, *arrays: Array) -> None:
    """Refuse tensors of different dtypes: matrices and convolutions do not promote."""
    first = arrays[0].dtype
    for array in arrays:
        if array is None or array.dtype is first or array.dtype == first:
            continue
        dtypes = [a.dtype for a in arrays if a is not None]
        raise DtypeError(
            f"{name}: all tensors must have one dtype, but they have {', '.join(map(str, dtypes))}; convert with .to(dtype)"
        )


def check_matmul(x: Array, y: Array) -> None:
    """Refuse operands whose inner sizes or batch axes do not fit."""
    if not x.ndim or not y.ndim:
        raise ShapeError(
            f"matmul: both operands need at least one axis (x {tuple(x.shape)}, y {tuple(y.shape)}); multiply numbers with *"
        )
    check_one_dtype("matmul", x, y)
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(
            f"matmul: x has {x.shape[-1]} columns but y has {inner} rows (x {tuple(x.shape)}, y {tuple(y.shape)}); they must be equal"
        )
    for a, b in zip(x.shape[-3::-1], y.shape[-3::-1], strict=False):
        if a != b and 1 not in (a, b):
            raise ShapeError(f"matmul: the batch axes do not broadcast (x {tuple(x.shape)}, y {tuple(y.shape)})")


def _matmul_x(grad: Tensor, x_shape: tuple[int, ...], y: Tensor) -> Tensor:
    if y.ndim == 1:
        return grad.unsqueeze(-1) * y
    if len(x_shape) == 1:
        return matmul(y, grad.unsqueeze(-1)).squeeze(-1)
    return matmul(grad, y.mT)


def _matmul_y(grad: Tensor, x: Tensor, y_shape: tuple[int, ...]) -> Tensor:
    if x.ndim == 1:
        return x.unsqueeze(-1) * grad.unsqueeze(-2) if len(y_shape) > 1 else x * grad
    if len(y_shape) == 1:
        return matmul(x.mT, grad.unsqueeze(-1)).squeeze(-1)
    return matmul(x.mT, grad)


@op(narrows=True, x=_matmul_x, y=_matmul_y)
def matmul(xp: Any, x: Array, y: Array) -> Array:
    """The matrix product over the last two axes, (..., m, k) and (..., k, n) to (..., m, n); leading axes broadcast.

    A 1-dimensional operand is a row on the left and a column on the right, as in NumPy.
    """
    check_matmul(x, y)
    if _widens(xp, x):
        wide = accumulator(x.dtype)
        return product(xp, x.astype(wide), y.astype(wide)).astype(x.dtype)
    return product(xp, x, y)


def _widens(xp: Any, x: Array) -> bool:
    """Whether products are computed in a wider type: of bfloat16, which no library of arrays multiplies, and of float16 by NumPy, which
    does so without BLAS, a hundred times slower."""
    return x.dtype == bfloat16 or (x.dtype == float16 and xp is np)


def check_linear(x: Array, weight: Array, bias: Array | None = None) -> None:
    """Refuse a weight or bias that does not fit."""
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"linear: x has {x.shape[-1] if x.ndim else 'no'} features but weight expects {weight.shape[-1] if weight.ndim else 'none'} "
            f"(x {tuple(x.shape)}, weight {tuple(weight.shape)}); the last axis of x must be weight's second"
        )
    if x.dtype == float32 and weight.dtype in NARROW:
        check_one_dtype("linear", x, bias)
    else:
        check_one_dtype("linear", x, weight, bias)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"linear: bias {tuple(bias.shape)} must have one number for each of the {weight.shape[0]} outputs of weight {tuple(weight.shape)}"
        )


def _flow_of_x(grad: Tensor, weight: Tensor) -> Tensor:
    # Where operands are narrowed, the product does that itself.
    return matmul(grad, weight if is_narrowing() else weight.to(dtype=grad.dtype))


def _flow_of_weight(grad: Tensor, x: Tensor) -> Tensor:
    return linear(x, grad)


@op(narrows=True, flow=_flow_of_weight, x=lambda grad, flow: matmul(flow, grad))
def linear_weight(xp: Any, flow: Array, x: Array) -> Array:
    """What flows back to the weight of ``linear``: flow^T x, summed over all leading axes; (..., out) and (..., in) to (out, in)."""
    check_one_dtype("linear_weight", flow, x)
    count = math.prod(x.shape[:-1])
    rows, flows = x.reshape(count, x.shape[-1]), flow.reshape(count, flow.shape[-1])
    if _widens(xp, x):
        wide = accumulator(x.dtype)
        return product(xp, flows.astype(wide).T, rows.astype(wide)).astype(x.dtype)
    return product(xp, flows.T, rows)


def _weight_of_linear(grad: Tensor, x: Tensor, weight_strides: tuple[int, int]) -> Tensor:
    # That of a transposed parameter lies as the parameter does, for whoever changes it.
    if 0 < weight_strides[0] < weight_strides[1]:
        turned: Tensor = linear_weight(x, grad).T
        return turned
    return linear_weight(grad, x)


@op(
    narrows=True,
    x=_flow_of_x,
    weight=_weight_of_linear,
    bias=lambda grad: grad,
)
def linear(xp: Any, x: Array, weight: Array, bias: Array | None = None) -> Array:
    """x weight^T + bias: (..., in), (out, in) and (out,) to (..., out).

    A weight stored in float16 or bfloat16 serves float32 as well; it is widened.
    """
    check_linear(x, weight, bias)
    if weight.dtype != x.dtype:
        weight = weight.astype(x.dtype)
    if _widens(xp, x):
        wide = accumulator(x.dtype)
        out = product(xp, x.astype(wide), weight.astype(wide).T)
        return (out if bias is None else out + bias.astype(wide)).astype(x.dtype)
    out = product(xp, x, weight.T)
    if bias is not None:
        out = xp.add(out, bias, out=out if out.ndim else None)
    return out


SMALL = 1 << 16
"""Multiplications of a product below which calling costs more than computing."""


@linear.directly
def _linear_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    flow, edges = arrived.array, node.edges
    to_x, to_weight, to_bias = edges[0] is not None, edges[1] is not None, len(edges) == 3 and edges[2] is not None
    kept: Any = node.saved if to_x or to_weight else ()
    x, weight = kept[0] if to_weight else None, kept[to_weight] if to_x else None
    # What is kept of the weight's strides comes last: the gradient of a transposed parameter lies as that does.
    turned = to_weight and 0 < kept[-1][0] < kept[-1][1]
    operands = given_arrays(node.precision, arrived, x, weight)
    if operands is None:
        return None
    if operands[2] is not None and operands[2].dtype != operands[0].dtype:
        return None  # a weight that is stored in fewer digits
    if type(flow) is np.ndarray:
        found: list[Any] | None = _on_cpu(*operands, to_bias=to_bias, turned=turned)
    else:
        narrows = node.precision is not None and node.precision is not TF32
        own = operands[0].dtype
        results = (
            (float32 if narrows and dtype_of(edges[0]) == float32 else own) if to_x else None,
            (float32 if narrows and dtype_of(edges[1]) == float32 else own) if to_weight else None,
            (float32 if dtype_of(edges[2]) == float32 else flow.dtype) if to_bias else None,
        )
        found = gpu_kernels("algebra.linear").linear_backward(flow, *operands, results, turned)
    return found and found[: len(edges)]


def _on_cpu(flow: Array, x: Array | None, weight: Array | None, *, to_bias: bool, turned: bool) -> list[Any]:
    """The gradients for x, weight and bias, None of those that are not asked for."""
    if flow.ndim == 2 and flow.dtype.kind == "f" and flow.dtype != float16:
        columns = x.shape[1] if x is not None else weight.shape[1] if weight is not None else 0
        if flow.size * columns <= SMALL:
            to_x, to_weight = None if weight is None else flow @ weight, None if x is None else flow.T @ x
            return [to_x, to_weight, np.add.reduce(flow, 0) if to_bias else None]
    to_x = None if weight is None else matmul.compute(flow, weight)
    to_weight = None if x is None else linear_weight.compute(x, flow).T if turned else linear_weight.compute(flow, x)
    lead = tuple(range(flow.ndim - 1))
    return [to_x, to_weight, total.compute(flow, axis=lead, keepdim=False, dtype=None) if to_bias else None]
