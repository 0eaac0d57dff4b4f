"""The gamma distribution, and what is made of gamma variates: beta, Dirichlet, chi-squared and Student's t.

Their samples lead back to the parameters by implicit differentiation (Figurnov et al., "Implicit reparameterization gradients", 2018): of a
gamma variate x of shape a, dx/da = -(dP(a, x)/da) / p(x), P being the distribution function.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..bounds import refuse_outside
from ..dtype import Array
from ..errors import SettingError, ShapeError
from ..function import Function
from ..ops import broadcast_to, digamma, lgamma, log, log1p, rsqrt, where, xlogy
from ..tensor import Tensor
from .distribution import Distribution, check, common, drawn, host, normal, stream

__all__ = ["Beta", "Chi2", "Dirichlet", "Gamma", "StudentT"]

LARGE = 200.0
"""From this shape on an expansion around the normal distribution replaces the series; it is right to 3e-6 there, and better above."""


class Gamma(Distribution):
    """x^(a - 1) exp(-rate x) rate^a / Gamma(a), a being the ``concentration``."""

    has_rsample = True
    rules = {"concentration": "positive", "rate": "positive"}  # noqa: RUF012
    support = "not_negative"
    concentration: Tensor
    rate: Tensor

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, concentration=concentration, rate=rate)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def variance(self) -> Tensor:
        return self.concentration / (self.rate * self.rate)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return standard_gamma(self.concentration, self._shape(sample_shape)) / self.rate

    def log_prob(self, value: Any) -> Tensor:
        x = self._value(value)
        a = self.concentration
        return xlogy(a, self.rate) + xlogy(a - 1.0, x) - self.rate * x - lgamma(a)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - log(self.rate) + lgamma(a) + (1.0 - a) * digamma(a)


class Chi2(Gamma):
    """The sum of ``df`` squares of standard normal numbers."""

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        (freedom,) = common("Chi2", df=df)
        super().__init__(freedom * 0.5, 0.5, validate_args)

    @property
    def df(self) -> Tensor:
        return self.concentration * 2.0


class Beta(Distribution):
    """x^(a - 1) (1 - x)^(b - 1) / B(a, b)."""

    has_rsample = True
    rules = {"concentration1": "positive", "concentration0": "positive"}  # noqa: RUF012
    support = "probability"
    concentration1: Tensor
    concentration0: Tensor

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, concentration1=concentration1, concentration0=concentration0)

    @property
    def mean(self) -> Tensor:
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def variance(self) -> Tensor:
        total = self.concentration1 + self.concentration0
        return self.concentration1 * self.concentration0 / (total * total * (total + 1.0))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._shape(sample_shape)
        first, second = standard_gamma(self.concentration1, shape), standard_gamma(self.concentration0, shape)
        return first / (first + second)

    def log_prob(self, value: Any) -> Tensor:
        x = self._value(value)
        a, b = self.concentration1, self.concentration0
        return xlogy(a - 1.0, x) + where(b == 1.0, 0.0, (b - 1.0) * log1p(-x)) + lgamma(a + b) - lgamma(a) - lgamma(b)

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        total = a + b
        logs = lgamma(a) + lgamma(b) - lgamma(total)
        return logs - (a - 1.0) * digamma(a) - (b - 1.0) * digamma(b) + (total - 2.0) * digamma(total)


class Dirichlet(Distribution):
    """Shares that sum to 1 along the last axis, of density proportional to the product of x_i^(a_i - 1)."""

    has_rsample = True
    rules = {"concentration": "positive"}  # noqa: RUF012
    concentration: Tensor

    def __init__(self, concentration: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, concentration=concentration)
        if not self.batch_shape:
            raise ShapeError("Dirichlet: concentration needs at least one axis, of the shares")
        self.batch_shape, self.event_shape = self.batch_shape[:-1], self.batch_shape[-1:]

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total * total * (total + 1.0))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        parts = standard_gamma(self.concentration, self._shape(sample_shape))
        return parts / parts.sum(-1, True)

    def log_prob(self, value: Any) -> Tensor:
        a = self.concentration
        terms = xlogy(a - 1.0, self._value(value)).sum(-1)
        return terms + lgamma(a.sum(-1)) - lgamma(a).sum(-1)

    def entropy(self) -> Tensor:
        a = self.concentration
        total = a.sum(-1)
        logs = lgamma(a).sum(-1) - lgamma(total)
        return logs + (total - float(a.shape[-1])) * digamma(total) - ((a - 1.0) * digamma(a)).sum(-1)

    def _check_value(self, value: Tensor) -> None:
        check(self.who, "the value", value, "not_negative")
        if value.shape:
            wrong = "Dirichlet: the shares of a value must sum to 1 along the last axis"
            refuse_outside(abs(value.array.sum(-1) - 1), 0, 1e-5, wrong, SettingError)


class StudentT(Distribution):
    """loc + scale z / sqrt(chi / df), with z standard normal and chi of ``df`` degrees of freedom."""

    has_rsample = True
    rules = {"df": "positive", "loc": "finite", "scale": "positive"}  # noqa: RUF012
    df: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None) -> None:
        self._take(validate_args, df=df, loc=loc, scale=scale)

    @property
    def mean(self) -> Tensor:
        return where(self.df > 1.0, self.loc, math.nan)

    @property
    def variance(self) -> Tensor:
        free = where(self.df > 2.0, self.df, 3.0)
        spread = self.scale * self.scale * free / (free - 2.0)
        return where(self.df > 2.0, spread, where(self.df > 1.0, math.inf, math.nan))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._shape(sample_shape)
        chi = standard_gamma(self.df * 0.5, shape) * 2.0
        return self.loc + self.scale * normal(shape, self.loc) * rsqrt(chi / self.df)

    def log_prob(self, value: Any) -> Tensor:
        y = (self._value(value) - self.loc) / self.scale
        return (self.df + 1.0) * -0.5 * log1p(y * y / self.df) - self._normalizer()

    def _normalizer(self) -> Tensor:
        half = self.df * 0.5
        return log(self.scale) + log(self.df) * 0.5 + 0.5 * math.log(math.pi) + lgamma(half) - lgamma(half + 0.5)

    def entropy(self) -> Tensor:
        half = self.df * 0.5
        beta = lgamma(half) + math.lgamma(0.5) - lgamma(half + 0.5)
        return log(self.scale) + (half + 0.5) * (digamma(half + 0.5) - digamma(half)) + log(self.df) * 0.5 + beta


def standard_gamma(concentration: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Gamma variates of rate 1, leading back to their shapes."""
    wide = concentration if concentration.shape == shape else broadcast_to(concentration, shape)
    values: Tensor = _StandardGamma.apply(wide)
    return values


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        shapes = host(concentration)
        # Never 0: logarithms and quotients of variates are taken, and those of tiny shapes underflow.
        values = np.maximum(np.asarray(stream().standard_gamma(shapes)), np.finfo(np.float32).tiny)
        ctx.shapes, ctx.values = shapes, values
        return drawn(values, concentration)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * drawn(gamma_slope(ctx.shapes, ctx.values), grad)


def gamma_slope(a: Array, x: Array) -> Array:
    """dx/da of gamma variates x of shape a and rate 1, at a fixed probability."""
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    out = np.empty(a.shape)
    large = a > LARGE
    out[large] = _slope_by_expansion(a[large], x[large])
    out[~large] = _slope_by_series(a[~large], x[~large])
    return out


def _slope_by_series(a: Array, x: Array) -> Array:
    """By the derivative of P(a, x) = x^a e^-x / Gamma(a + 1) sum_n x^n / ((a + 1) ... (a + n)), term by term."""
    total, slope = np.ones_like(a), np.zeros_like(a)
    term, harmonic = np.ones_like(a), np.zeros_like(a)
    n = 0
    while a.size and n < 5000:
        n += 1
        term = term * x / (a + n)
        harmonic += 1 / (a + n)
        total += term
        slope -= term * harmonic
        if n > 10 and bool((term * (1 + harmonic) <= 1e-17 * total).all()):
            break
    digammas = digamma(a + 1.0).numpy()
    # Divided by the density x^(a - 1) e^-x / Gamma(a), what stands before the sum becomes x / a.
    return -x / a * (total * (np.log(x) - digammas) + slope)


def _slope_by_expansion(a: Array, x: Array) -> Array:
    """By Cornish and Fisher's expansion of x in the normal variate z of the same probability, differentiated by a."""
    z = 3 * np.sqrt(a) * (np.cbrt(x / a) - 1 + 1 / (9 * a))  # Wilson and Hilferty
    root = np.sqrt(a)
    for _ in range(2):  # z such that the expansion gives x
        value = a + z * root + (z * z - 1) / 3 + (z**3 - 7 * z) / (36 * root) - (3 * z**4 + 7 * z * z - 16) / (810 * a)
        z -= (value - x) / (root + 2 * z / 3)
    return 1 + z / (2 * root) - (z**3 - 7 * z) / (72 * a * root) + (3 * z**4 + 7 * z * z - 16) / (810 * a * a)
