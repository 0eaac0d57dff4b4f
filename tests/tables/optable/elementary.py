"""The rows of ``ops/elementwise/elementary.py``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .row import F64, flat


def erf64(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[F64])(x)


ROWS = [
    flat("exp", np.exp),
    flat("log", np.log, low=0.3),
    flat("log1p", np.log1p, low=-0.5),
    flat("expm1", np.expm1),
    flat("sqrt", np.sqrt, low=0.3),
    flat("rsqrt", lambda x: 1 / np.sqrt(x), low=0.3),
    flat("sin", np.sin),
    flat("cos", np.cos),
    flat("tanh", np.tanh),
    flat("sigmoid", lambda x: 1 / (1 + np.exp(-x)), low=-6, high=6),
    flat("erf", erf64, low=-6, high=6),
    flat("floor", np.floor, smooth=False),
    flat("ceil", np.ceil, smooth=False),
    flat("round", np.round, smooth=False),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"sigmoid_input", "tanh_input"}
