"""The rows of ``ops/losses/deviation.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row, flat


def huber_reference(x: Any, y: Any, delta: float = 1.0) -> Any:
    d = np.abs(x - y)
    return np.where(d <= delta, d * d / 2, delta * (d - delta / 2))


def bernoulli_reference(x: Any, y: Any) -> Any:
    return -(y * np.log(x) + (1 - y) * np.log(1 - x))


ROWS = [
    flat("squared_error", lambda x, y: (x - y) ** 2, count=2),
    flat("huber_error", huber_reference, count=2),
    Row("huber_error", ((3, 4), (3, 4)), huber_reference, {"delta": 0.75}, label="narrow"),
    flat("logistic_loss", lambda x: np.log1p(np.exp(-x))),
    Row("bernoulli_nll", ((3, 4), (3, 4)), bernoulli_reference, low=0.1, high=0.9),
]
