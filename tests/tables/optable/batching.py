"""The rows of ``ops/layers/batching.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .convolution import conv_reference
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


def convolved_reference(
    x: Any, kernel: Any, bias: Any, *given: Any, activation: str | None = None, **settings: Any
) -> Any:
    out = conv_reference(x, kernel, bias, **settings)
    return batch_norm_reference(out, *given, activation=activation)


def trained(*inputs: Any, **settings: Any) -> Any:
    return ops.batch_norm_training(*inputs, **settings)[0]


IMAGES, VECTORS = (4, 3, 2, 5), ((3,),) * 4
CONVOLVED: Any = ((2, 3, 5, 6), (4, 3, 3, 2), (4,), (4,), (4,), (4,), (4,))
BORDERED: Any = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
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
    Row("conv2d_norm", CONVOLVED, convolved_reference, BORDERED, low=0.5, smooth=False),
    Row("conv2d_norm", (*CONVOLVED, (2, 4, 3, 4)), convolved_reference, {**BORDERED, "activation": "relu"}, smooth=False, low=0.2, label="residual, relu"),
    Row("batch_norm_training", (IMAGES,), lambda x: x.var((0, 2, 3)), call=lambda x: ops.batch_norm_training(x)[2], label="variance"),
]  # fmt: skip

# Reached by the gradients of the rows above.
REACHED = {"batch_norm_backward", "batch_norm_residual_backward"}
