"""The rows of ``ops/layers/normalization.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def training_reference(x: Any, w: Any, b: Any) -> Any:
    return batch_norm_reference(x, w, b, x.mean((0, 2, 3)), x.var((0, 2, 3)))


def batch_norm_reference(x: Any, w: Any, b: Any, m: Any, v: Any, epsilon: float = 1e-5) -> Any:
    c = (1, -1) + (1,) * (x.ndim - 2)
    return (x - m.reshape(c)) / np.sqrt(v.reshape(c) + epsilon) * w.reshape(c) + b.reshape(c)


def layer_norm_reference(x: Any, w: Any, b: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w + b


ROWS = [
    Row("batch_norm", ((4, 3, 2, 5), (3,), (3,), (3,), (3,)), batch_norm_reference, low=0.5),
    Row("batch_norm_training", ((4, 3, 2, 5), (3,), (3,)), training_reference, call=lambda *x: ops.batch_norm_training(*x)[0]),
    Row("batch_norm_training", ((4, 3, 2, 5),), lambda x: x.var((0, 2, 3)), call=lambda x: ops.batch_norm_training(x)[2], label="variance"),
    Row("layer_norm", ((2, 3, 6), (6,), (6,)), layer_norm_reference),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"batch_norm_backward", "layer_norm_backward"}
