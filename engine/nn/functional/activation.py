"""Activations, and the softmax."""

from __future__ import annotations

from ... import ops
from ...errors import SettingError
from ...ops import gelu_tanh, hardsigmoid, hardswish, leaky_relu, relu, sigmoid, silu, tanh
from ...tensor import Tensor

__all__ = [
    "gelu",
    "gelu_tanh",
    "hardsigmoid",
    "hardswish",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """gelu by erf, or by its tanh approximation."""
    if approximate not in ("none", "tanh"):
        raise SettingError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    return ops.gelu(x) if approximate == "none" else gelu_tanh(x)


def softmax(x: Tensor, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """exp(x) over its sum along an axis."""
    return ops.softmax(x, axis=axis if dim is None else dim)


def log_softmax(x: Tensor, axis: int = -1, *, dim: int | None = None) -> Tensor:
    """The logarithm of softmax."""
    return ops.log_softmax(x, axis=axis if dim is None else dim)
