"""Products of matrices."""

from __future__ import annotations

from ... import ops
from ...errors import ShapeError
from ...tensor import Tensor, tensor_like

__all__ = [
    "bilinear",
    "linear",
]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias."""
    return ops.linear(x, weight, bias) if bias is not None else ops.linear(x, weight)


def bilinear(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x1^T weight[k] x2 + bias[k]: (..., in1), (..., in2), (out, in1, in2) and (out,) to (..., out)."""
    x1, x2, weight = (tensor_like("bilinear", t) for t in (x1, x2, weight))
    if weight.ndim != 3 or x1.shape[:-1] != x2.shape[:-1] or (x1.shape[-1:], x2.shape[-1:]) != (
        weight.shape[1:2], weight.shape[2:],
    ):  # fmt: skip
        raise ShapeError(
            f"bilinear: x1 {tuple(x1.shape)} and x2 {tuple(x2.shape)} must agree but for the last axis, "
            f"and weight {tuple(weight.shape)} be (out, last axis of x1, last axis of x2)"
        )
    # Each pair of inputs, then one product of matrices: (rows, in1 in2) by (in1 in2, out).
    pairs = (x1.unsqueeze(-1) * x2.unsqueeze(-2)).flatten(-2)
    return linear(pairs, weight.flatten(1), bias)
