"""The rows of ``ops/elementwise/special.py``; the references are the standard library's, or plain sums of a thousand terms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import F64, Row, flat


def each(function: Any) -> Any:
    return np.vectorize(function, otypes=[F64])


def inverse_error(x: float) -> float:
    """By Newton's method."""
    y = 0.0
    for _ in range(60):
        y -= (math.erf(y) - x) / (2 / math.sqrt(math.pi) * math.exp(-y * y))
    return y


def digamma(x: float) -> float:
    far = x + 1000
    return (
        math.log(far)
        - 1 / (2 * far)
        - 1 / (12 * far**2)
        + 1 / (120 * far**4)
        - math.fsum(1 / (x + k) for k in range(1000))
    )


def trigamma(x: float) -> float:
    far = x + 1000
    return (
        math.fsum(1 / (x + k) ** 2 for k in range(1000))
        + 1 / far
        + 1 / (2 * far**2)
        + 1 / (6 * far**3)
        - 1 / (30 * far**5)
    )


ROWS = [
    flat("erfc", each(math.erfc), low=-4, high=6),
    Row("erfinv", ((3, 4),), each(inverse_error), low=-0.95, high=0.95),
    flat("lgamma", each(math.lgamma), low=0.1, high=12.0),
    Row("lgamma", ((3, 4),), each(math.lgamma), low=-2.9, high=-2.1, label="below 0"),
    flat("digamma", each(digamma), low=0.3, high=9.0),
    Row("digamma", ((3, 4),), each(digamma), low=-2.7, high=-2.3, label="below 0"),
    Row("polygamma_of", ((3, 4),), lambda x, n: each(trigamma)(x), {"n": 1}, low=0.4, high=9.0),
    Row("polygamma_of", ((3, 4),), lambda x, n: each(trigamma)(x), {"n": 1}, low=-1.7, high=-1.3, label="below 0"),
    Row("polygamma_of", ((3, 4),), lambda x: each(digamma)(x), call=lambda x: ops.polygamma(0, x), low=0.4, label="of order 0"),
]  # fmt: skip
