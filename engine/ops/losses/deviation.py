"""What an element costs that misses its target: the parts that losses are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import Array
from ...op import floating
from ...tensor import Tensor
from ..elementwise.arithmetic import clip, maximum
from ..elementwise.elementary import log, log1p, sigmoid

__all__ = [
    "bernoulli_nll",
    "huber_error",
    "logistic_loss",
    "squared_error",
]

LOWEST_LOG = -100.0
"""What the logarithm of a probability is at least, so that a wrong certainty costs much and not infinitely much."""


@floating(x=lambda grad, x, y: grad * (x - y) * 2.0, y=lambda grad, x, y: grad * (x - y) * -2.0)
def squared_error(xp: Any, x: Array, y: Array) -> Array:
    """(x - y)^2."""
    away = x - y
    return xp.multiply(away, away, out=away) if away.ndim else away * away


def _huber_x(grad: Tensor, x: Tensor, y: Tensor, delta: float) -> Tensor:
    return grad * clip(x - y, low=-delta, high=delta)


def _huber_y(grad: Tensor, x: Tensor, y: Tensor, delta: float) -> Tensor:
    return grad * clip(y - x, low=-delta, high=delta)


@floating(x=_huber_x, y=_huber_y)
def huber_error(xp: Any, x: Array, y: Array, *, delta: float = 1.0) -> Array:
    """(x - y)^2 / 2 up to a distance of ``delta``, a straight line of that slope beyond (Huber, 1964)."""
    number = x.dtype.type
    away = xp.abs(x - y)
    near = xp.minimum(away, number(delta))
    return near * (away - number(0.5) * near)


@floating(x=lambda grad, x: -grad * sigmoid(-x))
def logistic_loss(xp: Any, x: Array) -> Array:
    """log(1 + exp(-x)), without overflow."""
    number = x.dtype.type
    return xp.log1p(xp.exp(-xp.abs(x))) - xp.minimum(x, number(0))


def _bernoulli_x(grad: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return grad * (x - y) / maximum(x * (1.0 - x), 1e-12)


def _bernoulli_y(grad: Tensor, x: Tensor) -> Tensor:
    return grad * (maximum(log1p(-x), LOWEST_LOG) - maximum(log(x), LOWEST_LOG))


@floating(x=_bernoulli_x, y=_bernoulli_y)
def bernoulli_nll(xp: Any, x: Array, y: Array) -> Array:
    """-(y log(x) + (1 - y) log(1 - x)) of probabilities x, logarithms being at least -100."""
    number = x.dtype.type
    with np.errstate(divide="ignore", invalid="ignore"):
        yes = xp.maximum(xp.log(x), number(LOWEST_LOG))
        no = xp.maximum(xp.log1p(-x), number(LOWEST_LOG))
    return (y - number(1)) * no - y * yes
