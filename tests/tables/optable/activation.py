"""The rows of ``ops/layers/activation.py``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .row import F64, Row, flat


def erf64(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[F64])(x)


def softmax_reference(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


ROWS = [
    flat("relu", lambda x: np.maximum(x, 0)),
    flat("gelu", lambda x: x * 0.5 * (1 + erf64(x / math.sqrt(2)))),
    flat("gelu_tanh", lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    flat("silu", lambda x: x / (1 + np.exp(-x))),
    flat("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, low=-5, high=5),
    flat("hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, low=-5, high=5),
    flat("softplus", lambda x, beta, threshold: np.where(x * beta > threshold, x, np.log1p(np.exp(beta * x)) / beta), settings={"beta": 1.5, "threshold": 2.2}),
    flat("softplus", lambda x: np.log1p(np.exp(x)), label="defaults"),
    flat("softsign", lambda x: x / (1 + np.abs(x))),
    flat("logsigmoid", lambda x: -np.log1p(np.exp(-x))),
    flat("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    Row("softmax", ((2, 5, 3),), lambda x, axis: softmax_reference(x, axis), {"axis": 1}),
    Row("log_softmax", ((2, 5, 3),), lambda x, axis: np.log(softmax_reference(x, axis)), {"axis": 1}),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {
    "gelu_input",
    "gelu_tanh_input",
    "hardsigmoid_input",
    "hardswish_input",
    "log_softmax_input",
    "logsigmoid_input",
    "mish_input",
    "relu_input",
    "silu_input",
    "softmax_input",
    "softplus_input",
    "softsign_input",
}
