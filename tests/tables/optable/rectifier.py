"""The rows of ``ops/layers/rectifier.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row, flat


def elu_reference(x: Any, alpha: float = 1.0, scale: float = 1.0, stretch: float = 1.0) -> Any:
    return scale * np.where(x > 0, x, alpha * (np.exp(stretch * x) - 1))


ROWS = [
    flat("leaky_relu", lambda x, negative_slope: np.where(x > 0, x, negative_slope * x), settings={"negative_slope": 0.1}),
    Row("prelu", ((2, 3, 4), (3, 1)), lambda x, w: np.where(x > 0, x, w * x)),
    flat("elu", elu_reference),
    flat("elu", elu_reference, settings={"alpha": 1.7, "scale": 1.1, "stretch": 0.6}, label="scaled"),
    flat("hardtanh", lambda x: np.clip(x, -1, 1)),
    flat("hardtanh", lambda x, low, high: np.clip(x, low, high), settings={"low": 0.0, "high": 6.0}, low=-3, high=9, label="relu6"),
    flat("hardshrink", lambda x: np.where(np.abs(x) > 0.5, x, 0)),
    flat("softshrink", lambda x, width: np.sign(x) * np.maximum(np.abs(x) - width, 0), settings={"width": 0.3}),
    flat("threshold", lambda x, least, value: np.where(x > least, x, value), settings={"least": 0.1, "value": 20.0}),
]  # fmt: skip

# Reached by the gradients of the rows above.
REACHED = {"elu_input", "hardtanh_input", "leaky_relu_input", "shrink_input", "threshold_input"}
STEPS = {"hardshrink", "threshold"}
