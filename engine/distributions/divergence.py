"""The Kullback-Leibler divergence of two distributions: E_p[log p - log q], in nats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import ArgumentError
from ..linalg import solve_triangular
from ..ops import abs, broadcast_to, digamma, exp, lgamma, log, log1p, softplus, where
from ..tensor import Tensor
from .categorical import Categorical, OneHotCategorical, OverClasses
from .compound import Independent, MultivariateNormal
from .discrete import Bernoulli, Binomial, Geometric, Poisson
from .distribution import EULER, Distribution, sum_last
from .gamma import Beta, Dirichlet, Gamma
from .location import Cauchy, Exponential, Gumbel, HalfNormal, Laplace, LogNormal, Normal, Uniform

__all__ = ["kl_divergence", "register_kl"]

Rule = TypeVar("Rule", bound=Callable[..., Any])
_RULES: dict[tuple[type, type], Callable[..., Tensor]] = {}


def register_kl(p: type, q: type) -> Callable[[Rule], Rule]:
    """Say how the divergence of two kinds of distributions is computed, by ``function(p, q)``."""

    def register(function: Rule) -> Rule:
        _RULES[p, q] = function
        return function

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), of their common batch shape."""
    for left in type(p).__mro__:
        for right in type(q).__mro__:
            rule = _RULES.get((left, right))
            if rule is not None:
                found: Tensor = rule(p, q)
                return found
    raise ArgumentError(
        f"kl_divergence: nothing is known of {type(p).__name__} and {type(q).__name__}; register_kl says how it is computed"
    )


@register_kl(LogNormal, LogNormal)
@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio: Tensor = (p.scale / q.scale) ** 2
    distance: Tensor = ((p.loc - q.loc) / q.scale) ** 2
    return (ratio + distance - 1.0 - log(ratio)) * 0.5


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    return (ratio - 1.0 - log(ratio)) * 0.5


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    one, zero = p.probs, 1.0 - p.probs
    left = where(one == 0.0, 0.0, one * (softplus(-q.logits) - softplus(-p.logits)))
    right = where(zero == 0.0, 0.0, zero * (softplus(q.logits) - softplus(p.logits)))
    return where((q.probs == 0.0) & (one > 0.0) | (q.probs == 1.0) & (one < 1.0), math.inf, left + right)


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    n = p.total_count
    if bool((n < q.total_count).any()):
        raise ArgumentError("kl_divergence: of two Binomials the first must not have fewer tries")
    value = n * (p.probs * (p.logits - q.logits) + log1p(-p.probs) - log1p(-q.probs))
    return where(n > q.total_count, math.inf, value)


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (log(p.rate) - log(q.rate)) - (p.rate - q.rate)


@register_kl(OneHotCategorical, OneHotCategorical)
@register_kl(Categorical, Categorical)
def _categorical(p: OverClasses, q: OverClasses) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = where(q.probs == 0.0, math.inf, terms)
    return where(p.probs == 0.0, 0.0, terms).sum(-1)


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    value = log((q.high - q.low) / (p.high - p.low))
    return where((q.low > p.low) | (q.high < p.high), math.inf, value)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - log(ratio) - 1.0


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio = p.scale / q.scale
    distance = abs(p.loc - q.loc)
    return -log(ratio) + distance / q.scale + ratio * exp(-distance / p.scale) - 1.0


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio = p.scale / q.scale
    first, second = q.loc / q.scale, p.loc / q.scale
    return -log(ratio) - first + second + ratio * EULER + exp(first + lgamma(ratio + 1.0) - second) - (1.0 + EULER)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    # Chyzak and Nielsen, 2019.
    return log((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2) - log(p.scale * q.scale * 4.0)


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    return b * log(p.rate / q.rate) + lgamma(b) - lgamma(a) + (a - b) * digamma(a) + (q.rate - p.rate) * a / p.rate


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Exponential, q: Gamma) -> Tensor:
    return _gamma(Gamma(p.rate * 0.0 + 1.0, p.rate, False), q)


@register_kl(Gamma, Exponential)
def _gamma_exponential(p: Gamma, q: Exponential) -> Tensor:
    return _gamma(p, Gamma(q.rate * 0.0 + 1.0, q.rate, False))


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    a, b, c, d = p.concentration1, p.concentration0, q.concentration1, q.concentration0
    logs = lgamma(c) + lgamma(d) + lgamma(a + b) - lgamma(c + d) - lgamma(a) - lgamma(b)
    return logs + (a - c) * digamma(a) + (b - d) * digamma(b) + (c + d - a - b) * digamma(a + b)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1, True)
    logs = lgamma(total.squeeze(-1)) - lgamma(b.sum(-1)) + (lgamma(b) - lgamma(a)).sum(-1)
    return logs + ((a - b) * (digamma(a) - digamma(total))).sum(-1)


@register_kl(Uniform, Normal)
def _uniform_normal(p: Uniform, q: Normal) -> Tensor:
    width = p.high - p.low
    middle = ((p.high + p.low) * 0.5 - q.loc) / q.scale
    square = (width / q.scale) ** 2 / 12.0
    return (square + middle * middle) * 0.5 + log(q.scale * math.sqrt(2 * math.pi)) - log(width)


@register_kl(Laplace, Normal)
def _laplace_normal(p: Laplace, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    distance = ((p.loc - q.loc) / q.scale) ** 2 * 0.5
    return ratio - log(ratio * 2.0) * 0.5 + distance - 1.0 + 0.5 * math.log(math.pi)


@register_kl(MultivariateNormal, MultivariateNormal)
def _vectors(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ArgumentError(
            f"kl_divergence: vectors of {p.event_shape[0]} and {q.event_shape[0]} numbers differ in size"
        )
    shape = (p.covariance_matrix + q.covariance_matrix).shape
    first, second = broadcast_to(p.scale_tril, shape), broadcast_to(q.scale_tril, shape)
    solved = solve_triangular(second, first, upper=False)
    logs = q._half_log_det() - p._half_log_det()
    return logs + ((solved * solved).sum((-2, -1)) + q._square(p.loc) - float(p.event_shape[0])) * 0.5


@register_kl(Independent, Independent)
def _independent(p: Independent, q: Independent) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise ArgumentError("kl_divergence: two Independents must take as many axes as one event")
    return sum_last(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)
