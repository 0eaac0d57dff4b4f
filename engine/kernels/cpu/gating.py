"""Gated products by the kernels of their two operations, the second in the first one's memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import Array
from ...op import TABLE

__all__ = ["gated_product", "gated_product_backward"]

Result = Any


def _computed(name: str, *arrays: Array) -> Array:
    op = TABLE[name]
    kernel = op.kernels.get("cpu")
    found = NotImplemented if kernel is None else kernel(*arrays)
    return np.asarray(op.body(np, *arrays) if found is NotImplemented else found)


def gated_product(x: Array, y: Array, *, activation: str, keep: bool = True) -> Result:
    """activation(x) y, and activation(x) to keep."""
    bent = _computed(activation, x)
    if keep or bent.dtype.kind != "f":
        return _computed("mul", bent, y), bent if keep else None
    return np.multiply(bent, y, out=bent), None


def gated_product_backward(flow: Array, x: Array, y: Array, bent: Array | None = None, *, activation: str) -> Result:
    """The gradients for x and y."""
    bent = _computed(activation, x) if bent is None else bent
    return _computed(f"{activation}_input", _computed("mul", flow, y), x), _computed("mul", flow, bent)
