"""Probability distributions, with PyTorch's names and arguments: sampling, densities, entropies and divergences.

>>> from numzoo import engine
>>> policy = engine.distributions.Categorical(logits=engine.tensor([0.0, 1.0, 2.0]))
>>> action = policy.sample()
>>> policy.log_prob(action).shape
()
"""

from .categorical import Categorical, Multinomial, OneHotCategorical
from .compound import Independent, MixtureSameFamily, MultivariateNormal
from .discrete import Bernoulli, Binomial, Geometric, Poisson
from .distribution import Distribution
from .divergence import kl_divergence, register_kl
from .gamma import Beta, Chi2, Dirichlet, Gamma, StudentT
from .location import Cauchy, Exponential, Gumbel, HalfNormal, Laplace, LogNormal, Normal, Uniform

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Cauchy",
    "Chi2",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfNormal",
    "Independent",
    "Laplace",
    "LogNormal",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "StudentT",
    "Uniform",
    "kl_divergence",
    "register_kl",
]
