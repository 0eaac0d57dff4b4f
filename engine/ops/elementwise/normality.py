"""The normal distribution's function and its inverse, and products with logarithms that are 0 at 0."""

from __future__ import annotations

import math
from typing import Any

from ...errors import SettingError
from ...tensor import Tensor, tensor_like
from .arithmetic import where
from .elementary import log1p
from .exponential import xlogy
from .special import erfc, erfinv, lgamma

__all__ = [
    "entr",
    "mvlgamma",
    "ndtr",
    "ndtri",
    "xlog1py",
]


def ndtr(x: Tensor) -> Tensor:
    """The share of the normal distribution below x: erfc(-x / sqrt(2)) / 2, exact also where it is tiny."""
    return erfc(tensor_like("ndtr", x) * -math.sqrt(0.5)) * 0.5


def ndtri(p: Tensor) -> Tensor:
    """The number below which the share ``p`` of the normal distribution lies: sqrt(2) erfinv(2 p - 1)."""
    return erfinv(tensor_like("ndtri", p) * 2.0 - 1.0) * math.sqrt(2.0)


def entr(x: Tensor) -> Tensor:
    """-x log(x), 0 at 0, and -inf below."""
    x = tensor_like("entr", x)
    return where(x < 0, -math.inf, -xlogy(x, where(x < 0, 1.0, x)))


def xlog1py(x: Any, y: Any) -> Tensor:
    """x log(1 + y), which is 0 where x is 0, whatever y is (but NaN)."""
    x, y = tensor_like("xlog1py", x), tensor_like("xlog1py", y)
    flat = (x == 0) & (y <= -1)
    return where((x == 0) & (y == y), x * 0.0, x * log1p(where(flat, 0.0, y)))


def mvlgamma(x: Tensor, p: int) -> Tensor:
    """log of the gamma function in p dimensions: p (p - 1) / 4 log(pi) + the sum of lgamma(x - j / 2) for j below p."""
    if isinstance(p, bool) or not isinstance(p, int) or p < 1:
        raise SettingError(f"mvlgamma: p is a whole number from 1, not {p!r:.40}")
    x = tensor_like("mvlgamma", x)
    if bool((x.array <= (p - 1) / 2).any()):
        raise SettingError(f"mvlgamma: all elements must lie above (p - 1) / 2 = {(p - 1) / 2}")
    total = lgamma(x)
    for j in range(1, p):
        total = total + lgamma(x - j / 2)
    return total + p * (p - 1) / 4 * math.log(math.pi)
