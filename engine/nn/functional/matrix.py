"""Products of matrices."""

from __future__ import annotations

from ... import ops
from ...tensor import Tensor

__all__ = [
    "linear",
]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x weight^T + bias."""
    return ops.linear(x, weight, bias) if bias is not None else ops.linear(x, weight)
