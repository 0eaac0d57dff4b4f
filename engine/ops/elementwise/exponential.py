"""Powers and logarithms to other bases, sums in the logarithm's domain, and simple powers; integers become float32 where the result is no integer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dtype import Array, complex128, float64, kind
from ...op import floating
from ...tensor import Tensor, tensor_like
from .arithmetic import mul, pow, where
from .elementary import log, sigmoid

__all__ = [
    "exp2",
    "float_power",
    "log2",
    "log10",
    "logaddexp",
    "logaddexp2",
    "logit",
    "reciprocal",
    "square",
    "xlogy",
]

LOG_2 = math.log(2.0)
LOG_10 = math.log(10.0)


@floating(x=lambda grad, out: grad * out * LOG_2)
def exp2(xp: Any, x: Array) -> Array:
    """2 to the power of x."""
    with np.errstate(over="ignore"):
        return xp.exp2(x)


@floating(x=lambda grad, x: grad / (x * LOG_2))
def log2(xp: Any, x: Array) -> Array:
    """The logarithm to the base 2; -inf at 0, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.log2(x)


@floating(x=lambda grad, x: grad / (x * LOG_10))
def log10(xp: Any, x: Array) -> Array:
    """The logarithm to the base 10; -inf at 0, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.log10(x)


def _weight(x: Tensor, y: Tensor, unit: float) -> Tensor:
    """The share of the first in a sum of powers; a half where both are the same infinity."""
    return sigmoid(where(x == y, 0.0, x - y) * unit)


@floating(x=lambda grad, x, y: grad * _weight(x, y, 1.0), y=lambda grad, x, y: grad * _weight(y, x, 1.0))
def logaddexp(xp: Any, x: Array, y: Array) -> Array:
    """log(exp(x) + exp(y)), without overflow."""
    # The same as NumPy's own, from functions that it computes for many elements at once.
    with np.errstate(invalid="ignore", over="ignore"):
        away = xp.where(x == y, x.dtype.type(0), -xp.abs(x - y))
        return xp.maximum(x, y) + xp.log1p(xp.exp(away))


@floating(x=lambda grad, x, y: grad * _weight(x, y, LOG_2), y=lambda grad, x, y: grad * _weight(y, x, LOG_2))
def logaddexp2(xp: Any, x: Array, y: Array) -> Array:
    """log2(2 ** x + 2 ** y), without overflow."""
    with np.errstate(invalid="ignore", over="ignore"):
        away = xp.where(x == y, x.dtype.type(0), -xp.abs(x - y))
        return xp.maximum(x, y) + xp.log1p(xp.exp2(away)) * x.dtype.type(1 / LOG_2)


def _xlogy_x(grad: Tensor, x: Tensor, y: Tensor) -> Tensor:
    flat = (x == 0) & (y <= 0)
    return grad * where(flat, 0.0, log(where(flat, 1.0, y)))


@floating(x=_xlogy_x, y=lambda grad, x, y: grad * (x / y))
def xlogy(xp: Any, x: Array, y: Array) -> Array:
    """x log(y), which is 0 where x is 0, whatever y is (but NaN)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        product = x * xp.log(y)
    return xp.where((x == 0) & ~(y != y), x.dtype.type(0), product)


def _logit_x(grad: Tensor, x: Tensor, eps: float | None) -> Tensor:
    if eps is None:
        return grad / (x * (1.0 - x))
    inside = (x >= eps) & (x <= 1.0 - eps)
    held = where(inside, x, 0.5)
    return where(inside, grad / (held * (1.0 - held)), 0.0)


@floating(x=_logit_x)
def logit(xp: Any, x: Array, eps: float | None = None) -> Array:
    """log(x / (1 - x)), the inverse of sigmoid; with ``eps``, x is held between eps and 1 - eps first."""
    if eps is not None:
        x = xp.minimum(xp.maximum(x, x.dtype.type(eps)), x.dtype.type(1 - eps))
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.log(x / (1 - x))


@floating(x=lambda grad, out: -grad * out * out)
def reciprocal(xp: Any, x: Array) -> Array:
    """1 / x; infinite at 0."""
    with np.errstate(divide="ignore", over="ignore"):
        return xp.reciprocal(x)


def square(x: Tensor) -> Tensor:
    """x times x; of booleans, int64."""
    x = tensor_like("square", x)
    return x.to(dtype="int64") if x.array.dtype.kind == "b" else mul.two(x, x)


def float_power(x: Any, exponent: Any) -> Tensor:
    """x ** exponent, computed in float64 (complex128 where one of them is complex)."""
    x, exponent = tensor_like("float_power", x), tensor_like("float_power", exponent)
    wide = complex128 if 3 in (kind(x.dtype), kind(exponent.dtype)) else float64
    return pow(x.to(dtype=wide), exponent.to(dtype=wide))
