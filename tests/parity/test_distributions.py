"""Distributions against PyTorch's: densities, moments, entropies, divergences, and the gradients of all of these."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import distributions as D

if importlib.util.find_spec("torch") is None:
    pytest.skip("PyTorch is compared where it is installed (the parity extra)", allow_module_level=True)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    import torch.distributions as TD

Random = np.random.Generator
Drawn = dict[str, Any]


def real(random: Random, *shape: int) -> Any:
    return random.standard_normal(shape)


def positive(random: Random, *shape: int) -> Any:
    return random.uniform(0.3, 3.0, shape)


def share(random: Random, *shape: int) -> Any:
    return random.uniform(0.05, 0.95, shape)


def low_high(random: Random, *shape: int) -> Drawn:
    low = real(random, *shape)
    return {"low": low, "high": low + positive(random, *shape)}


SHAPES = ((3, 4), (2, 3, 4))


def pair(names: tuple[str, ...], *kinds: Any) -> Callable[[Random], Drawn]:
    return lambda random: {n: k(random, *SHAPES[0]) for n, k in zip(names, kinds, strict=True)}


def covariance(random: Random) -> Drawn:
    root = real(random, 2, 3, 3)
    return {"loc": real(random, 2, 3), "covariance_matrix": root @ root.swapaxes(-1, -2) + np.eye(3)}


MADE: dict[str, Callable[[Random], Drawn]] = {
    "Normal": pair(("loc", "scale"), real, positive),
    "LogNormal": pair(("loc", "scale"), real, positive),
    "HalfNormal": pair(("scale",), positive),
    "Laplace": pair(("loc", "scale"), real, positive),
    "Cauchy": pair(("loc", "scale"), real, positive),
    "Gumbel": pair(("loc", "scale"), real, positive),
    "Uniform": lambda random: low_high(random, 3, 4),
    "Exponential": pair(("rate",), positive),
    "Gamma": pair(("concentration", "rate"), positive, positive),
    "Chi2": pair(("df",), positive),
    "Beta": pair(("concentration1", "concentration0"), positive, positive),
    "Dirichlet": pair(("concentration",), positive),
    "StudentT": pair(("df", "loc", "scale"), lambda r, *s: 2.5 + positive(r, *s), real, positive),
    "Bernoulli": pair(("probs",), share),
    "Bernoulli logits": pair(("logits",), real),
    "Geometric": pair(("probs",), share),
    "Binomial": lambda random: {"total_count": np.full((3, 4), 5.0), "probs": share(random, 3, 4)},
    "Poisson": pair(("rate",), positive),
    "Categorical": pair(("probs",), positive),
    "Categorical logits": pair(("logits",), real),
    "OneHotCategorical": pair(("logits",), real),
    "Multinomial": lambda random: {"total_count": 6, "probs": positive(random, 3, 4)},
    "MultivariateNormal": covariance,
}


def both(name: str, seed: int) -> tuple[Any, Any, list[Any], list[Any]]:
    """Our distribution, PyTorch's, and the parameters of each that want gradients."""
    kind = name.split(" ")[0]
    drawn = MADE[name](np.random.default_rng(seed))

    def tensors(make: Callable[..., Any]) -> Drawn:
        return {
            n: make(v, requires_grad=n != "total_count") if isinstance(v, np.ndarray) else v for n, v in drawn.items()
        }

    a, b = tensors(engine.tensor), tensors(torch.tensor)
    leaves = [[v for n, v in held.items() if n != "total_count"] for held in (a, b)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(D, kind)(**a), getattr(TD, kind)(**b), leaves[0], leaves[1]


def agree(mine: Any, other: Any, a: list[Any], b: list[Any], what: str, tolerance: float = 1e-7) -> None:
    """Values, and gradients of a fixed weighting of them."""
    assert tuple(mine.shape) == tuple(other.shape), what
    np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=what)
    assert str(mine.dtype) == str(other.dtype).removeprefix("torch."), what
    if not other.requires_grad:
        return
    weights = np.random.default_rng(3).standard_normal(mine.shape)
    finite = np.isfinite(other.detach().numpy())
    weights, mine, other = weights[finite], mine[engine.tensor(finite)], other[torch.tensor(finite)]
    first = engine.grad((mine * engine.tensor(weights)).sum(), a, allow_unused=True, retain_graph=True)
    second = torch.autograd.grad((other * torch.tensor(weights)).sum(), b, allow_unused=True, retain_graph=True)
    for x, y in zip(first, second, strict=True):
        left = 0.0 if x is None else x.numpy()
        right = 0.0 if y is None else y.numpy()
        np.testing.assert_allclose(left, right, rtol=tolerance * 10, atol=tolerance * 10, err_msg=f"gradient of {what}")


NO_ENTROPY = {"Poisson"}
MEANLESS = {"Categorical", "Categorical logits"}
WITH_CDF = {"Normal", "LogNormal", "HalfNormal", "Laplace", "Cauchy", "Gumbel", "Uniform", "Exponential"}


@pytest.mark.parametrize("name", MADE)
def test_densities_moments_and_entropies(name: str) -> None:
    for seed in range(5):
        mine, other, a, b = both(name, seed)
        assert (tuple(other.batch_shape), tuple(other.event_shape)) == (mine.batch_shape, mine.event_shape)
        assert mine.has_rsample == other.has_rsample
        torch.manual_seed(seed)
        value = other.sample((2,)).detach().numpy()
        if name in ("Beta", "Dirichlet"):
            value = np.clip(value, 1e-3, 1)
            value = value * 0.999 if name == "Beta" else value / value.sum(-1, keepdims=True)
        agree(mine.log_prob(engine.tensor(value)), other.log_prob(torch.tensor(value)), a, b, "log_prob")
        if name not in NO_ENTROPY:
            agree(mine.entropy(), other.entropy(), a, b, "entropy")
        if name not in MEANLESS:
            agree(mine.mean, other.mean, a, b, "mean")
            agree(mine.variance, other.variance, a, b, "variance")
        if name in WITH_CDF:
            agree(mine.cdf(engine.tensor(value)), other.cdf(torch.tensor(value)), a, b, "cdf")
            chance = np.random.default_rng(seed).uniform(0.05, 0.95, (2, 3, 4))
            agree(mine.icdf(engine.tensor(chance)), other.icdf(torch.tensor(chance)), a, b, "icdf")


PAIRS = [(n, n) for n in MADE if n not in ("Multinomial", "StudentT", "Chi2")]
PAIRS += [
    ("Exponential", "Gamma"),
    ("Gamma", "Exponential"),
    ("Uniform", "Normal"),
    ("Laplace", "Normal"),
    ("Chi2", "Gamma"),
]


@pytest.mark.parametrize(("p", "q"), PAIRS)
def test_divergences(p: str, q: str) -> None:
    for seed in range(5):
        (m1, t1, a1, b1), (m2, t2, a2, b2) = both(p, seed), both(q, seed + 100)
        agree(D.kl_divergence(m1, m2), TD.kl_divergence(t1, t2), [*a1, *a2], [*b1, *b2], f"KL({p}, {q})")


def test_compounds() -> None:
    random = np.random.default_rng(0)
    logits, loc, scale = real(random, 3), real(random, 2, 3), positive(random, 2, 3)
    value = real(random, 5, 2)

    def make(library: Any, kinds: Any) -> tuple[Any, list[Any]]:
        leaves = [library.tensor(v, requires_grad=True) for v in (logits, loc, scale)]
        return kinds.MixtureSameFamily(kinds.Categorical(logits=leaves[0]), kinds.Normal(*leaves[1:])), leaves

    (mine, a), (other, b) = make(engine, D), make(torch, TD)
    agree(mine.log_prob(engine.tensor(value)), other.log_prob(torch.tensor(value)), a, b, "mixture")
    agree(mine.mean, other.mean, a, b, "mixture mean")
    agree(mine.variance, other.variance, a, b, "mixture variance")
    agree(mine.cdf(engine.tensor(value)), other.cdf(torch.tensor(value)), a, b, "mixture cdf")
    assert mine.sample((7,)).shape == (7, 2)
    mine, other, a, b = both("Normal", 0)
    left, right = D.Independent(mine, 1), TD.Independent(other, 1)
    agree(left.log_prob(mine.mean.detach()), right.log_prob(other.mean.detach()), a, b, "independent")
    agree(left.entropy(), right.entropy(), a, b, "independent entropy")
    agree(left.expand((5, 3)).mean, right.expand((5, 3)).mean, a, b, "expanded")
    agree(mine.expand((5, 3, 4)).variance, other.expand((5, 3, 4)).variance, a, b, "expanded")


def test_the_slopes_of_gamma_variates() -> None:
    from numzoo.engine.distributions.gamma import gamma_slope

    random = np.random.default_rng(0)
    # PyTorch's are approximations themselves, right to about 1e-4.
    for low, high in ((0.05, 1), (1, 8), (8, 190), (210, 5000)):
        a = random.uniform(low, high, 2000)
        x = np.maximum(random.standard_gamma(a), 1e-30)
        wanted = torch._standard_gamma_grad(torch.tensor(a), torch.tensor(x)).numpy()
        np.testing.assert_allclose(gamma_slope(a, x), wanted, rtol=1e-3, atol=1e-10)
