"""Distributions over classes: one draw as a number or as a vector, and the counts of many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..bounds import refuse_outside
from ..device import convert
from ..dtype import float64
from ..errors import SettingError, ShapeError
from ..ops import arange, exp, gather, lgamma, log, logsumexp, softmax
from ..tensor import Tensor, tensor_of
from .discrete import Binomial, clamped
from .distribution import Distribution, Shape, check, drawn, host, one_of, sizes, stream, stream_of

__all__ = ["Categorical", "Multinomial", "OneHotCategorical"]


class OverClasses(Distribution):
    """What draws classes of probabilities ``probs`` (..., K), which need not sum to 1, or of ``logits``."""

    rules = {"probs": "not_negative", "logits": "real"}  # noqa: RUF012
    probs: Tensor
    logits: Tensor

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        given = one_of(self.who, probs=probs, logits=logits)
        self._take(validate_args, **{given: probs if given == "probs" else logits})
        if not self.batch_shape or not self.batch_shape[-1]:
            raise ShapeError(
                f"{self.who}: {given} needs a last axis of at least one class, not shape {self.batch_shape}"
            )
        if given == "probs":
            total = self.probs.sum(-1, True)
            if self.validates:
                check(self.who, "the sum of probs", total, "positive")
            self.probs = self.probs / total
        else:
            self.logits = self.logits - logsumexp(self.logits, axis=-1, keepdim=True)
        self.classes = self.batch_shape[-1]
        self.batch_shape = self.batch_shape[:-1]

    def __getattr__(self, name: str) -> Any:
        if name == "probs" and "logits" in self.__dict__:
            return softmax(self.__dict__["logits"], axis=-1)
        if name == "logits" and "probs" in self.__dict__:
            return log(clamped(self.__dict__["probs"]))
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    @property
    def param_shape(self) -> Shape:
        """The shape of ``probs`` and ``logits``."""
        return (*self.batch_shape, self.classes)

    def entropy(self) -> Tensor:
        # A class of probability 0 adds nothing: its logarithm is bounded.
        logits = self.logits.clip(low=float(np.finfo(np.float32).min))
        return -(self.probs * logits).sum(-1)


class Categorical(OverClasses):
    """A class from 0 to K - 1, of probabilities ``probs`` (..., K), which need not sum to 1, or of ``logits``."""

    @property
    def mean(self) -> Tensor:
        return self.probs.sum(-1) * float("nan")

    @property
    def variance(self) -> Tensor:
        return self.mean

    @property
    def mode(self) -> Tensor:
        """The likeliest class."""
        return self.probs.detach().argmax(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return drawn_classes(self.probs, sizes(self.who, sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        return pick(self.logits, self._value(value))

    def enumerate_support(self) -> Tensor:
        """All classes, along a new first axis."""
        values = arange(self.classes, device=self.probs.device).reshape(-1, *(1,) * len(self.batch_shape))
        return values.expand(self.classes, *self.batch_shape).clone()

    def _check_value(self, value: Tensor) -> None:
        check(self.who, "the value", value, "count")
        wanted = f"{self.who}: the value must be a class from 0 to {self.classes - 1}, but holds {{0:g}}"
        refuse_outside(value.array, 0, self.classes - 1, wanted, SettingError)


class OneHotCategorical(OverClasses):
    """The same as a vector with a 1 at the class."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        super().__init__(probs, logits, validate_args)
        self.event_shape = (self.classes,)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1.0 - self.probs)

    @property
    def mode(self) -> Tensor:
        return self._vectors(self.probs.detach().argmax(-1))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self._vectors(drawn_classes(self.probs, sizes(self.who, sample_shape)))

    def log_prob(self, value: Any) -> Tensor:
        return pick(self.logits, self._value(value).argmax(-1))

    def enumerate_support(self) -> Tensor:
        values = arange(self.classes, device=self.probs.device).reshape(-1, *(1,) * len(self.batch_shape))
        return self._vectors(values.expand(self.classes, *self.batch_shape))

    def _vectors(self, classes: Tensor) -> Tensor:
        chosen = classes.unsqueeze(-1) == arange(self.classes, device=classes.device)
        return chosen.to(dtype=self.probs.dtype)

    def _check_value(self, value: Tensor) -> None:
        check(self.who, "the value", value, "boolean")
        if value.shape:
            wrong = "OneHotCategorical: a value holds one 1 along its last axis, and 0 elsewhere"
            refuse_outside(value.array.sum(-1), 1, 1, wrong, SettingError)


class Multinomial(OverClasses):
    """How often each class comes in ``total_count`` draws."""

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        if isinstance(total_count, bool) or not isinstance(total_count, (int, np.integer)) or total_count < 0:
            raise SettingError(f"Multinomial: total_count must be a whole number from 0, not {total_count!r:.40}")
        super().__init__(probs, logits, validate_args)
        self.total_count = int(total_count)
        self.event_shape = (self.classes,)

    @property
    def mean(self) -> Tensor:
        return self.probs * float(self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1.0 - self.probs) * float(self.total_count)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        probs = host(self.probs)
        probs /= probs.sum(-1, keepdims=True)
        shape = (*sizes(self.who, sample_shape), *self.batch_shape)
        return drawn(stream().multinomial(self.total_count, probs, shape), self.probs)

    def log_prob(self, value: Any) -> Tensor:
        counts = self._value(value)
        ways = lgamma(counts.sum(-1) + 1.0) - lgamma(counts + 1.0).sum(-1)
        # A class of probability 0 that never came adds nothing.
        return ways + (counts * self.logits.clip(low=float(np.finfo(np.float32).min))).sum(-1)

    def entropy(self) -> Tensor:
        n = float(self.total_count)
        each = Binomial(self.total_count, probs=self.probs)
        values = each.enumerate_support()[1:]
        weights = exp(each.log_prob(values)) * lgamma(values + 1.0)
        return super().entropy() * n - float(np.sum(np.log(np.arange(1, self.total_count + 1)))) + weights.sum((0, -1))

    def _check_value(self, value: Tensor) -> None:
        check(self.who, "the value", value, "count")
        if value.shape:
            wrong = f"Multinomial: the counts of a value must sum to {self.total_count} along the last axis"
            refuse_outside(value.array.sum(-1), self.total_count, self.total_count, wrong, SettingError)


def drawn_classes(probs: Tensor, sample_shape: Shape) -> Tensor:
    """The same as a tensor where the probabilities are."""
    there = stream_of(probs)
    if there is None:
        return tensor_of(np.asarray(draw_classes(host(probs), sample_shape)))
    shares = convert(probs.array, float64).reshape(-1, probs.shape[-1])
    return tensor_of(there.classes(shares, math.prod(sample_shape)).reshape(*sample_shape, *probs.shape[:-1]))


def draw_classes(probs: Any, sample_shape: Shape) -> Any:
    """Classes drawn by their cumulative probabilities: (sample_shape, batch...) for probs (batch..., K)."""
    ends = np.cumsum(probs, -1)
    # Never beyond the last class that has a chance, whatever the rounding.
    last = probs.shape[-1] - 1 - np.argmax(probs[..., ::-1] > 0, -1)
    draws = stream().random((*sample_shape, *probs.shape[:-1])) * ends[..., -1]
    if probs.ndim == 1:
        found = np.searchsorted(ends, draws, "right")
    else:
        found = np.zeros(draws.shape, np.int64)
        for place in range(probs.shape[-1] - 1):
            found += draws >= ends[..., place]
    return np.minimum(found, last).astype(np.int64)


def pick(logits: Tensor, classes: Tensor) -> Tensor:
    """The logit of each class: logits (batch..., K), classes that broadcast with the batch."""
    shape = np.broadcast_shapes(classes.shape, logits.shape[:-1])
    wide = logits.expand(*shape, logits.shape[-1]) if logits.shape[:-1] != shape else logits
    index = classes.to(dtype="int64")
    index = index.expand(*shape) if index.shape != shape else index
    return gather(wide, index.unsqueeze(-1), axis=-1).squeeze(-1)
