"""Distributions on whole numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..device import convert
from ..dtype import float32, float64
from ..errors import ArgumentError
from ..modes import Recording
from ..ops import clip, exp, lgamma, log, log1p, sigmoid, softplus, stack, where, xlogy
from ..tensor import Tensor, tensor_of
from .distribution import Distribution, check, drawn, host, one_of, stream, stream_of, uniform

__all__ = ["Bernoulli", "Binomial", "Geometric", "Poisson"]


def clamped(probs: Tensor) -> Tensor:
    """Probabilities a rounding error away from 0 and 1, so that their logarithms are finite."""
    limit = float(np.finfo(float64 if probs.dtype == float64 else float32).eps)
    return clip(probs, low=limit, high=1 - limit)


class _OfProbability(Distribution):
    """What has ``probs`` or ``logits`` = log(p / (1 - p)), whichever is given; the other follows."""

    rules = {"probs": "probability", "logits": "real", "total_count": "count"}  # noqa: RUF012

    def _take_either(self, validate_args: bool | None, probs: Any, logits: Any, **others: Any) -> None:
        given = one_of(self.who, probs=probs, logits=logits)
        self._take(validate_args, **{given: probs if given == "probs" else logits}, **others)

    def __getattr__(self, name: str) -> Any:
        if name == "probs" and "logits" in self.__dict__:
            return sigmoid(self.__dict__["logits"])
        if name == "logits" and "probs" in self.__dict__:
            held = clamped(self.__dict__["probs"])
            return log(held) - log1p(-held)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def param_shape(self) -> tuple[int, ...]:
        """The shape of ``probs`` and ``logits``."""
        return tuple(self.probs.shape)


class Bernoulli(_OfProbability):
    """1 with probability ``probs``, else 0."""

    support = "boolean"
    probs: Tensor
    logits: Tensor

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._take_either(validate_args, probs, logits)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1.0 - self.probs)

    @property
    def mode(self) -> Tensor:
        """0 or 1, NaN where they are as likely."""
        p = self.probs.detach()
        return where(p == 0.5, math.nan, (p > 0.5).to(dtype=p.dtype))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        p, shape, there = self.probs, self._shape(sample_shape), stream_of(self.probs)
        if there is not None:
            return tensor_of(there.uniform(shape, float64) < convert(p.array, float64)).to(dtype=p.dtype)
        return drawn(stream().random(shape) < host(p), p)

    def log_prob(self, value: Any) -> Tensor:
        return self._value(value) * self.logits - softplus(self.logits)

    def entropy(self) -> Tensor:
        return softplus(self.logits) - self.probs * self.logits

    def enumerate_support(self) -> Tensor:
        """Both values, along a new first axis."""
        p = self.probs.detach()
        return stack([p * 0.0, p * 0.0 + 1.0], 0)


class Geometric(_OfProbability):
    """How many fail before the first of probability ``probs`` succeeds."""

    support = "count"
    probs: Tensor
    logits: Tensor

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._take_either(validate_args, probs, logits)
        if self.validates:
            check(self.who, "probs", self.probs, "positive")

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        p, shape = self.probs, self._shape(sample_shape)
        if stream_of(p) is not None:  # how often in a row a number lies above p
            with Recording(False):
                wide = p.to(dtype=float64)
                return (log(uniform(shape, wide)) / log1p(-wide)).floor().to(dtype=p.dtype)
        return drawn(stream().geometric(host(p), shape) - 1, p)

    def log_prob(self, value: Any) -> Tensor:
        return xlogy(self._value(value), 1.0 - self.probs) + log(self.probs)

    def entropy(self) -> Tensor:
        return (softplus(self.logits) - self.probs * self.logits) / self.probs


class Binomial(_OfProbability):
    """How many of ``total_count`` tries of probability ``probs`` succeed."""

    probs: Tensor
    logits: Tensor
    total_count: Tensor

    def __init__(
        self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._take_either(validate_args, probs, logits, total_count=total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1.0 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        p = self.probs
        return drawn(stream().binomial(host(self.total_count).astype(np.int64), host(p), self._shape(sample_shape)), p)

    def log_prob(self, value: Any) -> Tensor:
        k, n = self._value(value), self.total_count
        ways = lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0)
        return ways + k * self.logits - n * softplus(self.logits)

    def enumerate_support(self) -> Tensor:
        """All values, along a new first axis; every batch element must have as many."""
        counts = np.unique(host(self.total_count))
        if counts.size != 1:
            raise ArgumentError("Binomial.enumerate_support: every total_count must be the same")
        values = np.arange(int(counts[0]) + 1).reshape(-1, *(1,) * len(self.batch_shape))
        return drawn(np.broadcast_to(values, (values.shape[0], *self.batch_shape)), self.probs)

    def entropy(self) -> Tensor:
        logs = self.log_prob(self.enumerate_support())
        return -(exp(logs) * logs).sum(0)

    def _check_value(self, value: Tensor) -> None:
        check(self.who, "the value", value, "count")
        check(self.who, "total_count less the value", self.total_count.detach() - value, "not_negative")


class Poisson(Distribution):
    """How many events happen that come ``rate`` times on average."""

    rules = {"rate": "not_negative"}  # noqa: RUF012
    support = "count"
    rate: Tensor

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, rate=rate)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return drawn(stream().poisson(host(self.rate), self._shape(sample_shape)), self.rate)

    def log_prob(self, value: Any) -> Tensor:
        k = self._value(value)
        return xlogy(k, self.rate) - self.rate - lgamma(k + 1.0)
