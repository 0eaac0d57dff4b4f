"""Distributions with a location and a scale, and their kin on the positive numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ops import abs, atan, erf, erfinv, exp, expm1, log, log1p, maximum, minimum, sign, tan, where
from ..tensor import Tensor
from .distribution import EULER, LOG_TWO_PI, Distribution, check, common, normal, uniform

__all__ = ["Cauchy", "Exponential", "Gumbel", "HalfNormal", "Laplace", "LogNormal", "Normal", "Uniform"]

ROOT_TWO = math.sqrt(2)


class _LocationScale(Distribution):
    """What has a finite ``loc`` and a positive ``scale``."""

    has_rsample = True
    rules = {"loc": "finite", "scale": "positive"}  # noqa: RUF012 - declared in the base
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, loc=loc, scale=scale)


class Normal(_LocationScale):
    """The normal distribution of mean ``loc`` and standard deviation ``scale``."""

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.scale * self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + normal(self._shape(sample_shape), self.loc) * self.scale

    def log_prob(self, value: Any) -> Tensor:
        z = (self._value(value) - self.loc) / self.scale
        return z * z * -0.5 - log(self.scale) - 0.5 * LOG_TWO_PI

    def entropy(self) -> Tensor:
        return log(self.scale) + (0.5 + 0.5 * LOG_TWO_PI)

    def cdf(self, value: Any) -> Tensor:
        return (erf((self._value(value) - self.loc) / (self.scale * ROOT_TWO)) + 1.0) * 0.5

    def icdf(self, value: Any) -> Tensor:
        return self.loc + self.scale * erfinv(as_probability(self, value) * 2.0 - 1.0) * ROOT_TWO


class LogNormal(_LocationScale):
    """exp of a normal distribution."""

    support = "positive"

    @property
    def mean(self) -> Tensor:
        return exp(self.loc + self.scale * self.scale * 0.5)

    @property
    def mode(self) -> Tensor:
        return exp(self.loc - self.scale * self.scale)

    @property
    def variance(self) -> Tensor:
        square = self.scale * self.scale
        return expm1(square) * exp(self.loc * 2.0 + square)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return exp(self.loc + normal(self._shape(sample_shape), self.loc) * self.scale)

    def log_prob(self, value: Any) -> Tensor:
        logs = log(self._value(value))
        z = (logs - self.loc) / self.scale
        return z * z * -0.5 - log(self.scale) - 0.5 * LOG_TWO_PI - logs

    def entropy(self) -> Tensor:
        return log(self.scale) + (0.5 + 0.5 * LOG_TWO_PI) + self.loc

    def cdf(self, value: Any) -> Tensor:
        return (erf((log(self._value(value)) - self.loc) / (self.scale * ROOT_TWO)) + 1.0) * 0.5

    def icdf(self, value: Any) -> Tensor:
        return exp(self.loc + self.scale * erfinv(as_probability(self, value) * 2.0 - 1.0) * ROOT_TWO)


class HalfNormal(Distribution):
    """The absolute value of a normal distribution of mean 0."""

    has_rsample = True
    rules = {"scale": "positive"}  # noqa: RUF012
    support = "not_negative"
    scale: Tensor

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, scale=scale)

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale * self.scale * (1 - 2 / math.pi)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return abs(normal(self._shape(sample_shape), self.scale)) * self.scale

    def log_prob(self, value: Any) -> Tensor:
        x = self._value(value)
        z = x / self.scale
        inside = z * z * -0.5 - log(self.scale) + (math.log(2) - 0.5 * LOG_TWO_PI)
        return where(x >= 0, inside, -math.inf)

    def entropy(self) -> Tensor:
        return log(self.scale) + (0.5 + 0.5 * LOG_TWO_PI - math.log(2))

    def cdf(self, value: Any) -> Tensor:
        return maximum(erf(self._value(value) / (self.scale * ROOT_TWO)), 0.0)

    def icdf(self, value: Any) -> Tensor:
        return self.scale * erfinv(as_probability(self, value)) * ROOT_TWO


class Uniform(Distribution):
    """Numbers spread evenly over [low, high)."""

    has_rsample = True
    rules = {"low": "finite", "high": "finite"}  # noqa: RUF012
    low: Tensor
    high: Tensor

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, low=low, high=high)
        if self.validates:
            check(self.who, "high - low", self.high - self.low, "positive")

    @property
    def mean(self) -> Tensor:
        return (self.low + self.high) * 0.5

    @property
    def variance(self) -> Tensor:
        width = self.high - self.low
        return width * width / 12.0

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.low + uniform(self._shape(sample_shape), self.low) * (self.high - self.low)

    def log_prob(self, value: Any) -> Tensor:
        x = self._value(value)
        inside = (x >= self.low) & (x < self.high)
        return where(inside, -log(self.high - self.low), -math.inf)

    def entropy(self) -> Tensor:
        return log(self.high - self.low)

    def cdf(self, value: Any) -> Tensor:
        share = (self._value(value) - self.low) / (self.high - self.low)
        return minimum(maximum(share, 0.0), 1.0)

    def icdf(self, value: Any) -> Tensor:
        return self.low + as_probability(self, value) * (self.high - self.low)


class Exponential(Distribution):
    """Waiting times of events that come ``rate`` times in a unit of time."""

    has_rsample = True
    rules = {"rate": "positive"}  # noqa: RUF012
    support = "not_negative"
    rate: Tensor

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, rate=rate)

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.rate

    @property
    def variance(self) -> Tensor:
        return 1.0 / (self.rate * self.rate)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return -log1p(-uniform(self._shape(sample_shape), self.rate)) / self.rate

    def log_prob(self, value: Any) -> Tensor:
        return log(self.rate) - self.rate * self._value(value)

    def entropy(self) -> Tensor:
        return 1.0 - log(self.rate)

    def cdf(self, value: Any) -> Tensor:
        return -expm1(-self.rate * self._value(value))

    def icdf(self, value: Any) -> Tensor:
        return -log1p(-as_probability(self, value)) / self.rate


class Laplace(_LocationScale):
    """exp(-|x - loc| / scale) / (2 scale)."""

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.scale * self.scale * 2.0

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform(self._shape(sample_shape), self.loc))

    def log_prob(self, value: Any) -> Tensor:
        return -log(self.scale * 2.0) - abs(self._value(value) - self.loc) / self.scale

    def entropy(self) -> Tensor:
        return log(self.scale * 2.0) + 1.0

    def cdf(self, value: Any) -> Tensor:
        z = (self._value(value) - self.loc) / self.scale
        return 0.5 - sign(z) * expm1(-abs(z)) * 0.5

    def icdf(self, value: Any) -> Tensor:
        centred = as_probability(self, value) - 0.5
        return self.loc - self.scale * sign(centred) * log1p(abs(centred) * -2.0)


class Cauchy(_LocationScale):
    """1 / (pi scale (1 + z^2)), z = (x - loc) / scale: no mean, no variance."""

    @property
    def mean(self) -> Tensor:
        return self.loc * math.nan

    @property
    def variance(self) -> Tensor:
        return self.loc * 0.0 + math.inf

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform(self._shape(sample_shape), self.loc))

    def log_prob(self, value: Any) -> Tensor:
        z = (self._value(value) - self.loc) / self.scale
        return -math.log(math.pi) - log(self.scale) - log1p(z * z)

    def entropy(self) -> Tensor:
        return log(self.scale) + math.log(4 * math.pi)

    def cdf(self, value: Any) -> Tensor:
        return atan((self._value(value) - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value: Any) -> Tensor:
        return self.loc + self.scale * tan((as_probability(self, value) - 0.5) * math.pi)


class Gumbel(_LocationScale):
    """The largest of many: exp(-z - exp(-z)) / scale, z = (x - loc) / scale."""

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * EULER

    @property
    def variance(self) -> Tensor:
        return self.scale * self.scale * (math.pi**2 / 6)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform(self._shape(sample_shape), self.loc))

    def log_prob(self, value: Any) -> Tensor:
        z = (self._value(value) - self.loc) / self.scale
        return -(z + exp(-z)) - log(self.scale)

    def entropy(self) -> Tensor:
        return log(self.scale) + (1.0 + EULER)

    def cdf(self, value: Any) -> Tensor:
        return exp(-exp(-(self._value(value) - self.loc) / self.scale))

    def icdf(self, value: Any) -> Tensor:
        return self.loc - self.scale * log(-log(as_probability(self, value)))


def as_probability(distribution: Distribution, value: Any) -> Tensor:
    """A probability in the distribution's dtype, checked."""
    own = next(v for v in distribution.__dict__.values() if isinstance(v, Tensor))
    tensor = value if isinstance(value, Tensor) else common(distribution.who, value=np.asarray(value, own.dtype))[0]
    if distribution.validates:
        check(distribution.who, "the probability", tensor, "probability")
    return tensor
