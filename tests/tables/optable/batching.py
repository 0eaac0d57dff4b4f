"""The rows of ``ops/layers/batching.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def training_reference(x: Any, w: Any = 1.0, b: Any = 0.0, r: Any = 0.0, *, activation: str | None = None) -> Any:
    return batch_norm_reference(x, w, b, x.mean((0, 2, 3)), x.var((0, 2, 3)), r, activation=activation)


def batch_norm_reference(
    x: Any, w: Any, b: Any, m: Any, v: Any, r: Any = 0.0, epsilon: float = 1e-5, activation: str | None = None
) -> Any:
    w, b, m, v = (np.reshape(vector, (1, -1) + (1,) * (x.ndim - 2)) for vector in (w, b, m, v))
    out = (x - m) / np.sqrt(v + epsilon) * w + b + r
    if activation in ("silu", "hardswish"):
        return out * (1 / (1 + np.exp(-out)) if activation == "silu" else np.clip(out + 3, 0, 6) / 6)
    return out if activation is None else np.clip(out, 0, 6 if activation == "relu6" else None)


def trained(*inputs: Any, **settings: Any) -> Any:
    return ops.batch_norm_training(*inputs, **settings)[0]


IMAGES, VECTORS = (4, 3, 2, 5), ((3,),) * 4
ROWS = [
    Row("batch_norm", (IMAGES, *VECTORS), batch_norm_reference, low=0.5),
    Row("batch_norm", (IMAGES, *VECTORS, IMAGES), batch_norm_reference, low=0.5, label="residual"),
    Row("batch_norm", (IMAGES, *VECTORS), batch_norm_reference, {"activation": "relu6"}, low=0.5, high=9.0, label="relu6"),
    Row("batch_norm", (IMAGES, *VECTORS), batch_norm_reference, {"activation": "silu"}, low=0.5, label="silu"),
    Row("batch_norm", (IMAGES, *VECTORS), batch_norm_reference, {"activation": "hardswish"}, low=0.5, high=4.0, label="hardswish"),
    Row("batch_norm", (IMAGES, *VECTORS, IMAGES), batch_norm_reference, {"activation": "relu"}, low=0.5, label="residual, relu"),
    Row("batch_norm_training", (IMAGES, (3,), (3,)), training_reference, call=trained),
    Row("batch_norm_training", (IMAGES,), training_reference, {"activation": "relu"}, call=trained, label="relu"),
    Row("batch_norm_training", (IMAGES, (3,), (3,)), training_reference, {"activation": "relu6"}, call=trained, low=-9, high=9, label="relu6"),
    Row("batch_norm_training", (IMAGES, (3,), (3,), IMAGES), training_reference, call=trained, label="residual"),
    Row("batch_norm_training", (IMAGES, (3,), (3,), IMAGES), training_reference, {"activation": "relu"}, call=trained, label="residual, relu"),
    Row("batch_norm_training", (IMAGES,), lambda x: x.var((0, 2, 3)), call=lambda x: ops.batch_norm_training(x)[2], label="variance"),
]  # fmt: skip

# Reached by the gradients of the rows above.
REACHED = {"batch_norm_backward", "batch_norm_residual_backward"}
