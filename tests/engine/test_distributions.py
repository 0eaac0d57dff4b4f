"""Distributions: what samples are like, that gradients pass through them, and what is refused. Densities are compared in tests/parity."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, EngineError, SettingError, ShapeError, Tensor
from numzoo.engine import distributions as D
from numzoo.engine.distributions.gamma import _slope_by_expansion, _slope_by_series, gamma_slope

A, B = engine.tensor([0.5, -1.0, 2.0]), engine.tensor([0.5, 1.5, 2.5])
P = engine.tensor([0.1, 0.5, 0.8])
ROWS = engine.tensor([[0.2, 0.3, 0.5], [0.0, 0.9, 0.1]])
ROOT = engine.tensor([[1.0, 0.0], [0.5, 2.0]])

SAMPLED: list[Callable[[], D.Distribution]] = [
    lambda: D.Normal(A, B), lambda: D.LogNormal(A * 0.2, 0.3), lambda: D.HalfNormal(B), lambda: D.Laplace(A, B), lambda: D.Gumbel(A, B),
    lambda: D.Uniform(A, A + B), lambda: D.Exponential(B), lambda: D.Gamma(B, 2.0), lambda: D.Gamma(engine.tensor([0.1, 50.0, 300.0]), 3.0),
    lambda: D.Chi2(B), lambda: D.Beta(B, B * 2.0), lambda: D.Dirichlet(B), lambda: D.StudentT(6.0, A, B), lambda: D.Bernoulli(P),
    lambda: D.Bernoulli(logits=A), lambda: D.Geometric(P), lambda: D.Binomial(7, P), lambda: D.Poisson(B * 3.0),
    lambda: D.OneHotCategorical(ROWS), lambda: D.Multinomial(5, ROWS), lambda: D.MultivariateNormal(A[:2], scale_tril=ROOT),
    lambda: D.Independent(D.Normal(A, B), 1), lambda: D.MixtureSameFamily(D.Categorical(P), D.Normal(A, B)),
    lambda: D.MixtureSameFamily(D.Categorical(P), D.Independent(D.Normal(engine.ones(3, 2) * A.unsqueeze(1), 1.0), 1)),
]  # fmt: skip


@pytest.mark.parametrize("make", SAMPLED)
def test_samples_have_the_moments_that_are_said(make: Callable[[], D.Distribution]) -> None:
    engine.manual_seed(0)
    distribution = make()
    count = 40_000
    draws = distribution.sample((count,))
    assert draws.shape == (count, *distribution.batch_shape, *distribution.event_shape)
    assert not draws.requires_grad
    assert draws.dtype == engine.float32
    mean, deviation = distribution.mean.numpy(), distribution.stddev.numpy()
    noise = deviation / math.sqrt(count)
    np.testing.assert_array_less(np.abs(draws.numpy().mean(0) - mean), 5 * noise + 1e-6)
    np.testing.assert_allclose(draws.numpy().std(0), deviation, rtol=0.08, atol=1e-6)
    assert np.isfinite(distribution.log_prob(draws).numpy()).all()
    again = make()
    engine.manual_seed(0)
    np.testing.assert_array_equal(again.sample((count,)).numpy(), draws.numpy())


def test_classes_come_with_their_probabilities_and_never_without() -> None:
    engine.manual_seed(0)
    policy = D.Categorical(ROWS)
    draws = policy.sample((50_000,))
    assert draws.dtype == engine.int64
    assert draws.shape == (50_000, 2)
    for row in range(2):
        shares = np.bincount(draws.numpy()[:, row], minlength=3) / 50_000
        np.testing.assert_allclose(shares, ROWS.numpy()[row], atol=0.01)
    assert not (draws.numpy()[:, 1] == 0).any()
    one = D.Categorical(probs=engine.tensor([0.0, 1.0, 0.0]))
    assert set(one.sample((1000,)).tolist()) == {1}
    assert one.sample().shape == ()
    assert one.entropy().item() == pytest.approx(0, abs=1e-5)


def test_a_policy_is_trained_by_its_log_probabilities() -> None:
    engine.manual_seed(0)
    logits = engine.zeros(4, requires_grad=True)
    optimizer = engine.optim.Adam([logits], lr=0.2)
    for _ in range(60):
        policy = D.Categorical(logits=logits)
        actions = policy.sample((32,))
        rewards = (actions == 2).float()
        loss = -(policy.log_prob(actions) * (rewards - rewards.mean())).mean() - policy.entropy() * 0.001
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert D.Categorical(logits=logits).probs[2].item() > 0.9


PATHWISE: list[tuple[Callable[..., D.Distribution], tuple[float, ...]]] = [
    (D.Normal, (0.3, 1.2)), (D.LogNormal, (0.1, 0.4)), (D.Laplace, (0.3, 1.2)), (D.Gumbel, (0.3, 1.2)), (D.Uniform, (0.3, 1.2)),
    (D.Exponential, (1.5,)), (D.HalfNormal, (1.5,)), (D.Gamma, (0.6, 1.5)), (D.Gamma, (30.0, 1.5)), (D.Gamma, (400.0, 20.0)),
    (D.Beta, (0.7, 1.8)), (D.StudentT, (8.0, 0.3, 1.2)), (D.Chi2, (3.0,)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), PATHWISE)
def test_gradients_through_samples_are_those_of_the_mean(kind: Any, values: tuple[float, ...]) -> None:
    engine.manual_seed(0)
    leaves = [engine.tensor(v, dtype="float64", requires_grad=True) for v in values]
    distribution = kind(*leaves)
    wanted = engine.grad(distribution.mean.sum(), leaves, allow_unused=True, retain_graph=True)
    draws = distribution.rsample((60_000,))
    given = engine.grad(draws.mean(), leaves)
    spread = distribution.stddev.item()
    for a, b, v in zip(given, wanted, values, strict=True):
        assert a is not None
        assert a.item() == pytest.approx(0.0 if b is None else b.item(), abs=0.03 * spread / min(v, 1.0) + 0.003)


def test_dirichlet_shares_lead_back_to_their_concentrations() -> None:
    engine.manual_seed(0)
    leaf = engine.tensor([0.5, 1.5, 3.0], dtype="float64", requires_grad=True)
    distribution = D.Dirichlet(leaf)
    (wanted,) = engine.grad(distribution.mean[0], leaf)
    (given,) = engine.grad(distribution.rsample((60_000,))[:, 0].mean(), leaf)
    assert given is not None
    assert wanted is not None
    np.testing.assert_allclose(given.numpy(), wanted.numpy(), atol=0.005)


def test_the_slope_of_a_gamma_variate_is_that_of_equal_probability() -> None:
    # Of shape 1 the variate is -log(1 - u), and of shape 2 it solves (1 + x) e^-x = 1 - u: near them, by differences.
    x = np.array([0.1, 1.0, 4.0])
    slope = gamma_slope(np.ones(3), x)
    # P(a, x) by its series, differenced.
    step = 1e-5

    def probability(a: float, values: Any) -> Any:
        n = np.arange(200)
        logs = (a + n) * np.log(values)[:, None] - values[:, None] - np.array([math.lgamma(a + k + 1) for k in n])
        return np.exp(logs).sum(1)

    wanted = -(probability(1 + step, x) - probability(1 - step, x)) / (2 * step) / np.exp(-x)
    np.testing.assert_allclose(slope, wanted, rtol=1e-6)
    a = np.random.default_rng(0).uniform(150, 250, 500)
    values = np.random.default_rng(1).standard_gamma(a)
    np.testing.assert_allclose(_slope_by_expansion(a, values), _slope_by_series(a, values), rtol=1e-5)


REFUSED: list[tuple[Callable[[], Any], type[EngineError], str]] = [
    (lambda: D.Normal(0.0, -1.0), SettingError, "Normal: scale must be above 0, but holds -1"),
    (lambda: D.Normal(A, engine.ones(2)), ShapeError, "do not broadcast"),
    (lambda: D.Normal(math.nan, 1.0), SettingError, "loc must be finite, but holds nan"),
    (lambda: D.Normal("a", 1.0), ArgumentError, "str"),
    (lambda: D.Normal(A, B).log_prob(engine.ones(2)), ShapeError, "batch shape"),
    (lambda: D.Normal(A, B).sample((-1,)), ShapeError, "whole numbers"),
    (lambda: D.Normal(A, B).icdf(1.5), SettingError, "probability must lie between 0 and 1"),
    (lambda: D.Uniform(1.0, 1.0), SettingError, "high - low must be above 0"),
    (lambda: D.Exponential(B).log_prob(-1.0), SettingError, "the value must be at least 0"),
    (lambda: D.Bernoulli(1.5), SettingError, "probs must lie between 0 and 1"),
    (lambda: D.Bernoulli(), ArgumentError, "exactly one of probs and logits"),
    (lambda: D.Bernoulli(P, P), ArgumentError, "exactly one"),
    (lambda: D.Bernoulli(P).log_prob(0.5), SettingError, "must be 0 or 1"),
    (lambda: D.Bernoulli(P).rsample(), ArgumentError, "Bernoulli: has no rsample"),
    (lambda: D.Categorical(engine.zeros(3)), SettingError, "sum of probs must be above 0"),
    (lambda: D.Categorical(0.5), ShapeError, "last axis"),
    (lambda: D.Categorical(P).log_prob(3), SettingError, "class from 0 to 2"),
    (lambda: D.OneHotCategorical(P).log_prob([1.0, 1.0, 0.0]), SettingError, "one 1"),
    (lambda: D.Multinomial(-1, P), SettingError, "total_count"),
    (lambda: D.Multinomial(3, P).log_prob([1.0, 1.0, 0.0]), SettingError, "sum to 3"),
    (lambda: D.Binomial(3, P).log_prob(4.0), SettingError, "total_count less the value"),
    (lambda: D.Dirichlet(1.0), ShapeError, "at least one axis"),
    (lambda: D.Dirichlet(B).log_prob([0.5, 0.5, 0.5]), SettingError, "sum to 1"),
    (lambda: D.MultivariateNormal(A), ArgumentError, "exactly one"),
    (lambda: D.MultivariateNormal(A, scale_tril=ROOT), ShapeError, r"\(\.\.\., n, n\)"),
    (lambda: D.MultivariateNormal(A[:2], ROOT), ArgumentError, "symmetric"),
    (lambda: D.Independent(D.Normal(A, B), 2), ShapeError, "from 0 to 1"),
    (lambda: D.MixtureSameFamily(D.Categorical(P), D.Normal(0.0, 1.0)), ShapeError, "3 classes"),
    (lambda: D.MixtureSameFamily(D.Normal(A, B), D.Normal(A, B)), ArgumentError, "Categorical"),
    (lambda: D.kl_divergence(D.Normal(A, B), D.Poisson(B)), ArgumentError, "Normal and Poisson"),
    (lambda: D.kl_divergence(D.Normal(A, B), D.LogNormal(A, B)), ArgumentError, "Normal and LogNormal"),
    (lambda: D.Poisson(B).entropy(), ArgumentError, "Poisson: has no entropy"),
    (lambda: D.Normal(A, B).probs, AttributeError, "probs"),
]  # fmt: skip


@pytest.mark.parametrize(("act", "error", "says"), REFUSED)
def test_what_is_no_distribution_or_no_value_is_refused(act: Callable[[], Any], error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        act()


def test_checks_may_be_left_out() -> None:
    assert D.Exponential(B, validate_args=False).log_prob(-1.0).shape == (3,)
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(True)


def test_looks_and_other_divergences() -> None:
    assert repr(D.Normal(0.0, 2.0)) == "Normal(loc=0, scale=2)"
    assert repr(D.Independent(D.Normal(A, B), 1)) == "Independent(Normal(loc: (3,), scale: (3,)), 1)"
    assert D.Normal(A, B).perplexity().shape == (3,)
    assert D.Normal(A.double(), B.double()).sample().dtype == engine.float64
    assert D.Normal(A.half(), 1.0).rsample().dtype == engine.float16

    class Own(D.Distribution):
        pass

    @D.register_kl(Own, Own)
    def nothing(p: Own, q: Own) -> Tensor:
        return engine.zeros()

    assert D.kl_divergence(Own(), Own()).item() == 0
    with pytest.raises(ArgumentError, match="Own: has no log_prob"):
        Own().log_prob(0.0)
