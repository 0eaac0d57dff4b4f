"""The rows of ``ops/algebra/matrix.py``."""

from __future__ import annotations

import numpy as np

from .row import Row

ROWS = [
    Row("matmul", ((3, 4), (4, 5)), np.matmul),
    Row("matmul", ((2, 1, 3, 4), (5, 4, 2)), np.matmul, label="broadcast"),
    Row("matmul", ((4,), (2, 4, 3)), np.matmul, label="row"),
    Row("matmul", ((2, 3, 4), (4,)), np.matmul, label="column"),
    Row("matmul", ((4,), (4,)), np.matmul, label="dot"),
    Row("linear", ((2, 3, 4), (5, 4), (5,)), lambda x, w, b: x @ w.T + b),
    Row("linear_weight", ((2, 3, 5), (2, 3, 4)), lambda flow, x: np.einsum("bro,bri->oi", flow, x)),
    Row("linear", ((3, 4), (5, 4)), lambda x, w: x @ w.T, label="no bias"),
]  # fmt: skip
