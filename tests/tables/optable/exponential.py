"""The rows of ``ops/elementwise/exponential.py``."""

from __future__ import annotations

import numpy as np

from .row import Row, flat

ROWS = [
    flat("exp2", np.exp2),
    flat("log2", np.log2, low=0.3),
    flat("log10", np.log10, low=0.3),
    flat("logaddexp", np.logaddexp, count=2),
    flat("logaddexp2", np.logaddexp2, count=2),
    flat("xlogy", lambda x, y: x * np.log(y), count=2, low=0.3),
    Row("logit", ((3, 4),), lambda x: np.log(x) - np.log1p(-x), low=0.1, high=0.9),
    Row("logit", ((3, 4),), lambda x, eps: np.log(np.clip(x, eps, 1 - eps) / (1 - np.clip(x, eps, 1 - eps))), {"eps": 0.2}, low=0.01, high=0.99, label="eps"),
    flat("reciprocal", lambda x: 1 / x, low=0.4),
    flat("square", np.square),
]  # fmt: skip
