"""Trigonometric and hyperbolic functions on each element, and their inverses; integers become float32 first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dtype import Array
from ...op import floating
from ...tensor import Tensor
from .arithmetic import where
from .elementary import cos, rsqrt, sin

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cosh",
    "deg2rad",
    "hypot",
    "rad2deg",
    "sinc",
    "sinh",
    "tan",
]


@floating(x=lambda grad, out: grad * (out * out + 1.0))
def tan(xp: Any, x: Array) -> Array:
    """The tangent of an angle in radians."""
    with np.errstate(invalid="ignore"):
        return xp.tan(x)


@floating(x=lambda grad, x: grad * rsqrt(1.0 - x * x))
def asin(xp: Any, x: Array) -> Array:
    """The angle from -pi/2 to pi/2 whose sine is x; NaN outside [-1, 1]."""
    with np.errstate(invalid="ignore"):
        return xp.arcsin(x)


@floating(x=lambda grad, x: -grad * rsqrt(1.0 - x * x))
def acos(xp: Any, x: Array) -> Array:
    """The angle from 0 to pi whose cosine is x; NaN outside [-1, 1]."""
    with np.errstate(invalid="ignore"):
        return xp.arccos(x)


@floating(x=lambda grad, x: grad / (x * x + 1.0))
def atan(xp: Any, x: Array) -> Array:
    """The angle from -pi/2 to pi/2 whose tangent is x."""
    return xp.arctan(x)


def _sinh_x(grad: Tensor, x: Tensor) -> Tensor:
    return grad * cosh(x)


@floating(x=_sinh_x)
def sinh(xp: Any, x: Array) -> Array:
    """The hyperbolic sine, (exp(x) - exp(-x)) / 2."""
    with np.errstate(over="ignore"):
        return xp.sinh(x)


@floating(x=lambda grad, x: grad * sinh(x))
def cosh(xp: Any, x: Array) -> Array:
    """The hyperbolic cosine, (exp(x) + exp(-x)) / 2."""
    with np.errstate(over="ignore"):
        return xp.cosh(x)


@floating(x=lambda grad, x: grad * rsqrt(x * x + 1.0))
def asinh(xp: Any, x: Array) -> Array:
    """The number whose hyperbolic sine is x."""
    return xp.arcsinh(x)


@floating(x=lambda grad, x: grad * rsqrt(x - 1.0) * rsqrt(x + 1.0))
def acosh(xp: Any, x: Array) -> Array:
    """The number from 0 whose hyperbolic cosine is x; NaN below 1."""
    with np.errstate(invalid="ignore"):
        return xp.arccosh(x)


@floating(x=lambda grad, x: grad / (1.0 - x * x))
def atanh(xp: Any, x: Array) -> Array:
    """The number whose hyperbolic tangent is x; infinite at -1 and 1, NaN beyond."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.arctanh(x)


def _over_square(part: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """part / (x^2 + y^2), which at the origin counts as 0."""
    square = x * x + y * y
    return where(square == 0, 0.0, part / where(square == 0, 1.0, square))


@floating(y=lambda grad, y, x: grad * _over_square(x, x, y), x=lambda grad, y, x: -grad * _over_square(y, x, y))
def atan2(xp: Any, y: Array, x: Array) -> Array:
    """The angle of the point (x, y), from -pi to pi; its gradient at the origin is 0."""
    return xp.arctan2(y, x)


@floating(x=lambda grad, x, out: grad * (x / out), y=lambda grad, y, out: grad * (y / out))
def hypot(xp: Any, x: Array, y: Array) -> Array:
    """sqrt(x^2 + y^2), without overflow on the way."""
    with np.errstate(over="ignore"):
        return xp.hypot(x, y)


def _sinc_x(grad: Tensor, x: Tensor) -> Tensor:
    zero = x == 0
    angle = where(zero, 1.0, x) * math.pi
    slope = (cos(angle) - sin(angle) / angle) / angle * math.pi
    return grad * where(
        zero, x * (-math.pi * math.pi / 3.0), slope
    )  # the series' first term, for the slope of the slope


@floating(x=_sinc_x)
def sinc(xp: Any, x: Array) -> Array:
    """sin(pi x) / (pi x); 1 at 0."""
    angle = xp.where(x == 0, x.dtype.type(1), x) * x.dtype.type(math.pi)
    with np.errstate(invalid="ignore"):
        ratio = xp.sin(angle) / angle
    return xp.where(x == 0, x.dtype.type(1), ratio)


@floating(x=lambda grad: grad * (math.pi / 180.0))
def deg2rad(xp: Any, x: Array) -> Array:
    """An angle in degrees as one in radians: x pi / 180."""
    return x * x.dtype.type(math.pi / 180.0)


@floating(x=lambda grad: grad * (180.0 / math.pi))
def rad2deg(xp: Any, x: Array) -> Array:
    """An angle in radians as one in degrees: 180 x / pi."""
    with np.errstate(over="ignore"):
        return x * x.dtype.type(180.0 / math.pi)
