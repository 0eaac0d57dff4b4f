"""Distributions made of others, and the normal distribution of vectors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..linalg import cholesky, inv, solve_triangular
from ..ops import broadcast_to, gather, log, log_softmax, logsumexp, matmul
from ..tensor import Tensor, tensor_like
from .categorical import Categorical
from .distribution import LOG_TWO_PI, Distribution, Shape, check, common, normal, one_of, sizes, sum_last

__all__ = ["Independent", "MixtureSameFamily", "MultivariateNormal"]


class Independent(Distribution):
    """The last ``reinterpreted_batch_ndims`` batch axes of a distribution taken as axes of one event: their log_prob is summed."""

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None
    ) -> None:
        batch, count = base_distribution.batch_shape, reinterpreted_batch_ndims
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= len(batch):
            raise ShapeError(
                f"Independent: reinterpreted_batch_ndims must be a whole number from 0 to {len(batch)}, the batch axes of the base, not {count!r:.40}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, count
        self.batch_shape = batch[: len(batch) - count]
        self.event_shape = (*batch[len(batch) - count :], *base_distribution.event_shape)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        return self.base_dist.has_rsample

    @property
    def mean(self) -> Tensor:
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:
        return self.base_dist.variance

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Tensor:
        return sum_last(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self) -> Tensor:
        return sum_last(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def expand(self, batch_shape: Any) -> Independent:
        count = self.reinterpreted_batch_ndims
        inner = self.base_dist.batch_shape[len(self.base_dist.batch_shape) - count :]
        return Independent(self.base_dist.expand((*batch_shape, *inner)), count)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamily(Distribution):
    """One of the components, the last batch axis of a distribution, chosen with the probabilities of a Categorical."""

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        mixture, component = mixture_distribution, component_distribution
        if not isinstance(mixture, Categorical) or not isinstance(component, Distribution):
            raise ArgumentError(
                f"MixtureSameFamily: wants a Categorical and a distribution, not {type(mixture).__name__} and {type(component).__name__}"
            )
        batch = component.batch_shape
        if not batch or batch[-1] != mixture.classes or mixture.batch_shape not in ((), batch[:-1]):
            raise ShapeError(
                f"MixtureSameFamily: the components' batch shape {batch} must be the mixture's {mixture.batch_shape} (or any, if that is "
                f"empty) and its {mixture.classes} classes"
            )
        self.mixture_distribution, self.component_distribution = mixture, component
        self.batch_shape, self.event_shape = batch[:-1], component.event_shape

    @property
    def mean(self) -> Tensor:
        return self._average(self.component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        means = self.component_distribution.mean
        distance = means - self.mean.unsqueeze(-1 - len(self.event_shape))
        return self._average(self.component_distribution.variance + distance * distance)

    def _average(self, values: Tensor) -> Tensor:
        events = len(self.event_shape)
        probs = self.mixture_distribution.probs
        return (probs.reshape(*probs.shape, *(1,) * events) * values).sum(-1 - events)

    def _spread(self, value: Any) -> Tensor:
        return self._value(value).unsqueeze(-1 - len(self.event_shape))

    def _check_value(self, value: Tensor) -> None:
        """The component looks at it."""

    def log_prob(self, value: Any) -> Tensor:
        weights = log_softmax(self.mixture_distribution.logits, axis=-1)
        return logsumexp(self.component_distribution.log_prob(self._spread(value)) + weights, axis=-1)

    def cdf(self, value: Any) -> Tensor:
        return (self.component_distribution.cdf(self._spread(value)) * self.mixture_distribution.probs).sum(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        events = self.event_shape
        values = self.component_distribution.sample(sample_shape)
        shape = (*sizes(self.who, sample_shape), *self.batch_shape)
        if self.mixture_distribution.batch_shape == self.batch_shape:
            chosen = self.mixture_distribution.sample(sample_shape)
        else:
            chosen = self.mixture_distribution.sample(shape)
        index = chosen.reshape(*shape, 1, *(1,) * len(events))
        axis = len(shape)
        return gather(values, broadcast_to(index, (*shape, 1, *events)), axis=axis).squeeze(axis)

    def __repr__(self) -> str:
        return f"MixtureSameFamily({self.mixture_distribution!r}, {self.component_distribution!r})"


class MultivariateNormal(Distribution):
    """Normal vectors of mean ``loc`` (..., n), with exactly one of a covariance, its inverse, or its lower Cholesky factor, each (..., n, n)."""

    has_rsample = True
    loc: Tensor
    scale_tril: Tensor

    def __init__(
        self, loc: Any, covariance_matrix: Any = None, precision_matrix: Any = None, scale_tril: Any = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        matrices = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = one_of(self.who, **matrices)
        if validate_args is not None:
            self.__dict__["validates"] = bool(validate_args)
        (mean,) = common(self.who, loc=loc)
        matrix = tensor_like(self.who, matrices[given])
        if not mean.shape or matrix.ndim < 2 or tuple(matrix.shape[-2:]) != (mean.shape[-1],) * 2:
            raise ShapeError(
                f"MultivariateNormal: loc {tuple(mean.shape)} (..., n) wants a {given} of shape (..., n, n), not {tuple(matrix.shape)}"
            )
        matrix = matrix.to(dtype=mean.dtype)
        if given != "scale_tril":
            if self.validates and not np.allclose(matrix.numpy(), matrix.mT.numpy(), atol=1e-6):
                raise ArgumentError(f"MultivariateNormal: {given} must be symmetric")
            matrix = cholesky(matrix if given == "covariance_matrix" else inv(matrix))
        elif self.validates:
            check(self.who, "the diagonal of scale_tril", matrix.diagonal(0, -2, -1), "positive")
        size = mean.shape[-1]
        batch = np.broadcast_shapes(mean.shape[:-1], matrix.shape[:-2])
        self.loc = broadcast_to(mean, (*batch, size))
        self.scale_tril = broadcast_to(matrix, (*batch, size, size))
        self.batch_shape, self.event_shape = batch, (size,)

    @property
    def covariance_matrix(self) -> Tensor:
        return matmul(self.scale_tril, self.scale_tril.mT)

    @property
    def precision_matrix(self) -> Tensor:
        return inv(self.covariance_matrix)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return (self.scale_tril * self.scale_tril).sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape: Shape = self._shape(sample_shape)
        return self.loc + matmul(self.scale_tril, normal(shape, self.loc).unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Any) -> Tensor:
        return self._square(self._value(value)) * -0.5 - self._half_log_det() - 0.5 * LOG_TWO_PI * self.event_shape[0]

    def entropy(self) -> Tensor:
        return self._half_log_det() + 0.5 * self.event_shape[0] * (1.0 + math.log(2 * math.pi))

    def _square(self, value: Tensor) -> Tensor:
        """The squared distance from the mean, measured by the inverse covariance."""
        away = value - self.loc
        scale = broadcast_to(self.scale_tril, (*away.shape[:-1], *self.scale_tril.shape[-2:]))
        solved = solve_triangular(scale, away.unsqueeze(-1), upper=False).squeeze(-1)
        return (solved * solved).sum(-1)

    def _half_log_det(self) -> Tensor:
        return log(self.scale_tril.diagonal(0, -2, -1)).sum(-1)
