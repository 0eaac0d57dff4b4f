"""Special functions on each element: the error function's kin and the gamma function's; integers become float32 first.

Narrow dtypes are computed in float64: the series below subtract large numbers, and float32 would lose what they have in common.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ...dtype import Array, float64
from ...errors import SettingError
from ...op import floating
from ...tensor import Tensor
from .elementary import TWO_OVER_SQRT_PI, complementary_error_function, exp, polynomial, ratio

__all__ = [
    "digamma",
    "erfc",
    "erfinv",
    "lgamma",
    "polygamma",
]


@floating(x=lambda grad, x: grad * exp(-x * x) * -TWO_OVER_SQRT_PI)
def erfc(xp: Any, x: Array) -> Array:
    """1 - erf(x), exact also where erf(x) is nearly 1."""
    return complementary_error_function(xp, x)


@floating(x=lambda grad, out: grad * exp(out * out) * (1.0 / TWO_OVER_SQRT_PI))
def erfinv(xp: Any, x: Array) -> Array:
    """The number whose error function is x; infinite at -1 and 1, NaN beyond."""
    wide = x.astype(float64, copy=False)
    size = xp.abs(wide)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = wide / 2 * ratio(_CENTRE, 0.180625 - wide * wide / 4)
        root = xp.sqrt(-xp.log((1 - size) / 2))
        outer = xp.where(root <= 5, ratio(_SIDE, root - 1.6), ratio(_TAIL, root - 5))
        outer = xp.where(size == 1, xp.inf, outer)
        result = xp.where(size <= 0.85, middle, xp.copysign(outer, wide)) * math.sqrt(0.5)
        return result.astype(x.dtype, copy=False)


def _lgamma_x(grad: Tensor, x: Tensor) -> Tensor:
    return grad * digamma(x)


@floating(x=_lgamma_x)
def lgamma(xp: Any, x: Array) -> Array:
    """log |Gamma(x)|; infinite at 0 and the negative whole numbers."""
    wide = x.astype(float64, copy=False)
    negative = wide < 0
    size = xp.abs(wide)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        result = _log_gamma_small(xp, xp.minimum(size, 8.5))
        large = size > 8.5
        if xp is not np or large.any():
            result = xp.where(large, _log_gamma_large(xp, size), result)
        if xp is not np or negative.any():
            # Gamma(x) Gamma(-x) = -pi / (x sin(pi x))
            mirrored = math.log(math.pi) - xp.log(size * xp.abs(_sin_pi(xp, wide))) - result
            result = xp.where(negative, xp.where(xp.isinf(wide), xp.inf, mirrored), result)
        return result.astype(x.dtype, copy=False)


def _log_gamma_small(xp: Any, x: Array) -> Array:
    """log Gamma from 0 to 8.5: down to [1.5, 2.5] by x - 1, up to it by x, then its series around 2.

    log Gamma(2 + z) = (1 - Euler's constant) z + sum over k >= 2 of (-1)^k (zeta(k) - 1) z^k / k (Abramowitz and Stegun 6.1.33).
    """
    factor, place = xp.ones_like(x), x
    for _ in range(6):
        high = place > 2.5
        place = xp.where(high, place - 1, place)
        factor = xp.where(high, factor * place, factor)
    steps = xp.log(factor)
    tiny = place < 0.5
    steps = xp.where(tiny, steps - xp.log(place), steps)
    place = xp.where(tiny, place + 1, place)
    # Around 1 and 2, where the result crosses 0, nothing of z may be lost.
    low = place < 1.5
    z = place - xp.where(low, 1.0, 2.0)
    steps = xp.where(low, steps - xp.log1p(z), steps)
    return steps + polynomial(_log_gamma_coefficients(), z)


@lru_cache
def _log_gamma_coefficients() -> tuple[float, ...]:
    """The series' coefficients, the highest power's first, and 0 for the constant."""
    return (*(((-1) ** k) * _zeta_less_one(k) / k for k in range(31, 1, -1)), 1 - 0.57721566490153286061, 0.0)


def _zeta_less_one(power: int) -> float:
    """The sum of n^-power from n = 2, by Euler and Maclaurin from 12 on."""
    total = math.fsum(float(n) ** -power for n in range(2, 12))
    tail = 12.0 ** (1 - power) / (power - 1) + 12.0**-power / 2
    rising = float(power)
    for k, bernoulli in enumerate(_BERNOULLI[:6], 1):
        tail += bernoulli / math.factorial(2 * k) * rising * 12.0 ** (1 - power - 2 * k)
        rising *= (power + 2 * k - 1) * (power + 2 * k)
    return total + tail


def _log_gamma_large(xp: Any, x: Array) -> Array:
    """Stirling's series, from 8 on."""
    x = xp.maximum(x, 8.0)
    inverse = 1 / x
    series = polynomial(_STIRLING, inverse * inverse)
    result = (x - 0.5) * xp.log(x) - x + 0.5 * math.log(2 * math.pi) + series * inverse
    return xp.where(xp.isinf(x), x, result)


def _digamma_x(grad: Tensor, x: Tensor) -> Tensor:
    return grad * polygamma(1, x)


@floating(x=_digamma_x)
def digamma(xp: Any, x: Array) -> Array:
    """The slope of log Gamma; infinite at 0 (with the sign of -x), NaN at the negative whole numbers."""
    wide = x.astype(float64, copy=False)
    negative = wide < 0
    place = xp.where(negative, 1 - wide, wide)
    steps = xp.zeros_like(place)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(8):
            low = place < 8
            steps = xp.where(low, steps - 1 / place, steps)
            place = xp.where(low, place + 1, place)
        series = polynomial(_DIGAMMA, 1 / (place * place))
        result = xp.where(xp.isinf(place), place, xp.log(place) - 0.5 / place - series) + steps
        if xp is not np or negative.any():
            # psi(1 - x) - psi(x) = pi cot(pi x)
            result = xp.where(negative, result - math.pi * _cot_pi(xp, wide), result)
            result = xp.where(negative & (wide == xp.floor(wide)), xp.nan, result)
        result = xp.where(wide == 0, -xp.copysign(xp.inf, wide), result)
        return result.astype(x.dtype, copy=False)


def polygamma(n: int, x: Tensor) -> Tensor:
    """The n-th slope of digamma (n from 0): (-1)^(n + 1) n! times the sum over k >= 0 of (x + k)^-(n + 1)."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise SettingError(f"polygamma: n is a whole number from 0, not {n!r:.40}")
    return digamma(x) if n == 0 else polygamma_of(x, n=n)


def _polygamma_x(grad: Tensor, x: Tensor, n: int) -> Tensor:
    return grad * polygamma(n + 1, x)


@floating(x=_polygamma_x)
def polygamma_of(xp: Any, x: Array, *, n: int) -> Array:
    """``polygamma`` for n from 1. Infinite at the whole numbers from 0 downwards."""
    wide = x.astype(float64, copy=False)
    mirrored = wide < 0
    place = xp.where(mirrored, 1 - wide, wide)
    total = xp.zeros_like(place)
    power = n + 1
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(12):
            low = place < 12
            total = xp.where(low, total + place**-power, total)
            place = xp.where(low, place + 1, place)
        # Euler and Maclaurin: the rest of the sum as an integral, half a term, and corrections.
        total = total + place ** (1.0 - power) / n + place ** (-1.0 * power) / 2
        rising = float(power)
        for k, bernoulli in enumerate(_BERNOULLI, 1):
            total = total + bernoulli / math.factorial(2 * k) * rising * place ** (1.0 - power - 2 * k)
            rising *= (power + 2 * k - 1) * (power + 2 * k)
        sign = -1.0 if n % 2 == 0 else 1.0
        result = total * (sign * math.factorial(n))
        if xp is not np or mirrored.any():
            # (-1)^n psi_n(1 - x) - psi_n(x) is the n-th slope of pi cot(pi x), a polynomial in the cotangent.
            reflected = (result if n % 2 == 0 else -result) - _cotangent_slope(n, _cot_pi(xp, wide))
            whole = wide == xp.floor(wide)
            result = xp.where(mirrored, xp.where(whole, sign * xp.inf, reflected), result)
        return result.astype(x.dtype, copy=False)


def _cotangent_slope(n: int, cotangent: Array) -> Array:
    """The n-th slope of pi cot(pi x): each slope of cot^k is -pi k cot^(k - 1) (1 + cot^2)."""
    coefficients = [0.0, math.pi]
    for _ in range(n):
        slope = [0.0] * (len(coefficients) + 1)
        for k, value in enumerate(coefficients):
            if k:
                slope[k - 1] -= math.pi * k * value
                slope[k + 1] -= math.pi * k * value
        coefficients = slope
    return polynomial(tuple(reversed(coefficients)), cotangent)


def _sin_pi(xp: Any, x: Array) -> Array:
    """sin(pi x) but for its sign, without the loss of a large pi x."""
    return xp.sin(math.pi * (x - xp.round(x)))


def _cot_pi(xp: Any, x: Array) -> Array:
    return 1 / xp.tan(math.pi * (x - xp.round(x)))


# Bernoulli's numbers B_2, B_4, ... B_20.
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
)  # fmt: skip

# What they make of the two asymptotic series, in 1 / x^2, the highest power first.
_STIRLING = tuple(_BERNOULLI[k - 1] / (2 * k * (2 * k - 1)) for k in range(len(_BERNOULLI), 0, -1))
_DIGAMMA = (*(_BERNOULLI[k - 1] / (2 * k) for k in range(len(_BERNOULLI), 0, -1)), 0.0)

# M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37 (1988):
# coefficients of the quotients for the centre, the sides and the tails, highest power first.
_CENTRE = (
    (
        2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
        1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
        5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
    ),
)  # fmt: skip
_SIDE = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
        3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
    ),
)  # fmt: skip
_TAIL = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip
