"""The rows of ``ops/layers/normalization.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def layer_norm_reference(x: Any, w: Any, b: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w + b


ROWS = [
    Row("layer_norm", ((2, 3, 6), (6,), (6,)), layer_norm_reference),
]  # fmt: skip

# Reached by the gradients of the row above.
REACHED = {"layer_norm_backward"}
