"""The elementary functions, on each element; integers become float32 first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import Array, accumulator, float32
from ...modes import modes
from ...op import elementwise, floating, op
from ...tensor import Tensor

__all__ = [
    "ceil",
    "cos",
    "erf",
    "exp",
    "expm1",
    "floor",
    "log",
    "log1p",
    "round",
    "rsqrt",
    "sigmoid",
    "sin",
    "sqrt",
    "tanh",
]

TWO_OVER_SQRT_PI = 1.1283791670955126


@floating(x=lambda grad, out: grad * out)
def exp(xp: Any, x: Array) -> Array:
    """e to the power of x."""
    with np.errstate(over="ignore"):
        return xp.exp(x)


@floating(x=lambda grad, x: grad / x)
def log(xp: Any, x: Array) -> Array:
    """The natural logarithm; -inf at 0, NaN below."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.log(x)


@floating(x=lambda grad, x: grad / (x + 1.0))
def log1p(xp: Any, x: Array) -> Array:
    """log(1 + x), exact near 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.log1p(x)


@floating(x=lambda grad, out: grad * (out + 1.0))
def expm1(xp: Any, x: Array) -> Array:
    """exp(x) - 1, exact near 0."""
    with np.errstate(over="ignore"):
        return xp.expm1(x)


@floating(x=lambda grad, out: grad / (out * 2.0))
def sqrt(xp: Any, x: Array) -> Array:
    """The square root; NaN below 0."""
    with np.errstate(invalid="ignore"):
        return xp.sqrt(x)


@floating(x=lambda grad, out: grad * out * out * out * -0.5)
def rsqrt(xp: Any, x: Array) -> Array:
    """1 / sqrt(x)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (1 / xp.sqrt(x)).astype(x.dtype, copy=False)


def _sin_x(grad: Tensor, x: Tensor) -> Tensor:
    return grad * cos(x)


@floating(x=_sin_x)
def sin(xp: Any, x: Array) -> Array:
    """The sine of an angle in radians."""
    with np.errstate(invalid="ignore"):
        return xp.sin(x)


@floating(x=lambda grad, x: -grad * sin(x))
def cos(xp: Any, x: Array) -> Array:
    """The cosine of an angle in radians."""
    with np.errstate(invalid="ignore"):
        return xp.cos(x)


def _tanh_x(grad: Tensor, out: Tensor) -> Tensor:
    return grad * (1.0 - out * out) if modes.recording else tanh_input(grad, out)


@floating(x=_tanh_x)
def tanh(xp: Any, x: Array) -> Array:
    """The hyperbolic tangent."""
    return xp.tanh(x)


@op()
def tanh_input(xp: Any, flow: Array, result: Array) -> Array:
    """The gradient of tanh in one pass, for where none of it is recorded."""
    return flow * (1 - result * result)


def _sigmoid_x(grad: Tensor, out: Tensor) -> Tensor:
    return grad * out * (1.0 - out) if modes.recording else sigmoid_input(grad, out)


@floating(x=_sigmoid_x)
def sigmoid(xp: Any, x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    half = x.dtype.type(0.5)
    return half * (xp.tanh(half * x) + x.dtype.type(1))


@op()
def sigmoid_input(xp: Any, flow: Array, result: Array) -> Array:
    """The gradient of sigmoid in one pass, for where none of it is recorded."""
    return flow * result * (1 - result)


@floating(x=lambda grad, x: grad * exp(-x * x) * TWO_OVER_SQRT_PI)
def erf(xp: Any, x: Array) -> Array:
    """The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return error_function(xp, x)


@elementwise(x=lambda grad: grad * 0.0)
def floor(xp: Any, x: Array) -> Array:
    """The largest integer not above x; the gradient is 0."""
    return x.copy() if x.dtype.kind in "biu" else xp.floor(x)


@elementwise(x=lambda grad: grad * 0.0)
def ceil(xp: Any, x: Array) -> Array:
    """The smallest integer not below x; the gradient is 0."""
    return x.copy() if x.dtype.kind in "biu" else xp.ceil(x)


@elementwise(x=lambda grad: grad * 0.0)
def round(xp: Any, x: Array, *, decimals: int = 0) -> Array:
    """The nearest number of so many ``decimals``, halves to even; the gradient is 0."""
    if x.dtype.kind in "biu":
        return x.copy()
    if not decimals:
        return xp.round(x)
    scale = x.dtype.type(10.0 ** abs(decimals))
    return xp.round(x * scale) / scale if decimals > 0 else xp.round(x / scale) * scale


# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23 (1969):
# coefficients for |x| <= 0.46875, for 0.46875 < |x| <= 4 and for |x| > 4, highest power first.
_SMALL = (
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
_MIDDLE = (
    (
        2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2,
        8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
    ),
    (
        1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
        3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
    ),
)  # fmt: skip
_LARGE = (
    (
        1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
        1.60837851487422766e-2, 6.58749161529837803e-4,
    ),
    (
        1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)  # fmt: skip
_ONE_OVER_SQRT_PI = 0.5641895835477563


def error_function(xp: Any, x: Array) -> Array:
    """erf of a floating-point array, to the precision of its dtype (double at most)."""
    work = accumulator(x.dtype)
    values = x.astype(work, copy=False)
    # From 4 on, float32 knows 1 only.
    size = xp.minimum(xp.abs(values), work.type(4.0 if work == float32 else 6.0))
    square = size * size
    small = values * ratio(_SMALL, xp.minimum(square, work.type(0.22)))
    decay = xp.exp(-square)
    outer = 1 - decay * ratio(_MIDDLE, size)
    if work != float32:
        outer = xp.where(size <= 4, outer, 1 - decay * _tail(xp, size, square))
    outer = xp.copysign(outer, values)
    result = xp.where(size <= 0.46875, small, outer)
    return xp.where(xp.isnan(values), values, result).astype(x.dtype, copy=False)


def complementary_error_function(xp: Any, x: Array) -> Array:
    """1 - erf of a floating-point array, with the relative precision of its dtype (double at most)."""
    work = accumulator(x.dtype)
    values = x.astype(work, copy=False)
    size = xp.minimum(xp.abs(values), work.type(30.0))
    square = size * size
    # The square of a few leading bits is exact, so the exponential loses nothing to rounding.
    leading = xp.trunc(size * 16) / 16
    with np.errstate(under="ignore"):
        decay = xp.exp(-leading * leading) * xp.exp((leading - size) * (leading + size))
        outer = decay * ratio(_MIDDLE, xp.minimum(size, work.type(4)))
        far = size > 4
        if xp is not np or far.any():
            outer = xp.where(far, decay * _tail(xp, size, square), outer)
    outer = xp.where(values < 0, 2 - outer, outer)
    small = 1 - values * ratio(_SMALL, xp.minimum(square, work.type(0.22)))
    result = xp.where(size <= 0.46875, small, outer)
    return xp.where(xp.isnan(values), values, result).astype(x.dtype, copy=False)


def _tail(xp: Any, size: Array, square: Array) -> Array:
    """exp(x^2) erfc(x) from 4 on."""
    one = size.dtype.type(1)
    inverse = 1 / xp.maximum(square, one)
    return (_ONE_OVER_SQRT_PI - inverse * ratio(_LARGE, inverse)) / xp.maximum(size, one)


def ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    above, below = (polynomial(c, x) for c in coefficients)
    return above / below


def polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """A polynomial by Horner's rule, the highest power's coefficient first."""
    number = x.dtype.type
    total = x * number(coefficients[0])
    total += number(coefficients[1])
    for coefficient in coefficients[2:]:
        total *= x
        total += number(coefficient)
    return total
