"""The rows of ``ops/elementwise/limits.py``."""

from __future__ import annotations

import numpy as np

from .row import Row, flat

THREE = ((3, 4), (3, 4), (3, 4))

ROWS = [
    Row("clamp_between", THREE, lambda x, low, high: np.minimum(np.maximum(x, low), high)),
    flat("clamp_min", np.maximum, count=2),
    flat("clamp_max", np.minimum, count=2),
    flat("fmax", np.fmax, count=2),
    flat("fmin", np.fmin, count=2),
    Row("addcmul", THREE, lambda x, a, b, value: x + value * a * b, {"value": -0.5}),
    Row("addcdiv", THREE, lambda x, a, b, value: x + value * a / b, {"value": 0.5}, low=0.5),
    Row("lerp", THREE, lambda x, end, weight: x + weight * (end - x)),
]  # fmt: skip
