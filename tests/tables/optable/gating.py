"""The rows of ``ops/layers/gating.py``."""

from __future__ import annotations

import math

import numpy as np

from .row import Row

ERF = np.vectorize(math.erf)
BENT = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + ERF(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}

ROWS = [
    Row(
        "gated", ((3, 4), (3, 4)), lambda x, y, activation: BENT[activation](x) * y, {"activation": name}, label=name
    )
    for name in BENT
]  # fmt: skip
REACHED = {"gated_product", "gated_product_backward"}
