"""The rows of ``ops/attention.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def softmax_reference(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


ROWS = [
    Row("scaled_dot_product_attention", ((2, 3, 4), (2, 5, 4), (2, 5, 3)), lambda q, k, v: softmax_reference(q @ k.swapaxes(-1, -2) / 2, -1) @ v),
]  # fmt: skip
