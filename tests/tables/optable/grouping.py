"""The rows of ``ops/layers/grouping.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def group_reference(x: Any, w: Any = 1.0, b: Any = 0.0, *, groups: int) -> Any:
    rows = x.reshape(x.shape[0], groups, -1)
    rows = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(rows.var(-1, keepdims=True) + 1e-5)
    column = (-1,) + (1,) * (x.ndim - 2)
    return rows.reshape(x.shape) * np.reshape(w, column) + np.reshape(b, column)


def rms_reference(x: Any, w: Any = 1.0, *, axes: int = 1) -> Any:
    last = tuple(range(-axes, 0))
    return x / np.sqrt((x * x).mean(last, keepdims=True) + 1e-6) * w


ROWS = [
    Row("group_norm", ((2, 6, 3, 2), (6,), (6,)), group_reference, {"groups": 3}),
    Row("group_norm", ((2, 4, 5),), group_reference, {"groups": 4}, label="plain"),
    Row("group_norm", ((2, 8, 32, 32), (8,), (8,)), group_reference, {"groups": 2}, smooth=False, label="large"),
    Row("rms_norm", ((2, 3, 6), (6,)), rms_reference),
    Row("rms_norm", ((2, 3, 6),), rms_reference, {"axes": 2}, label="two axes"),
]  # fmt: skip

REACHED = {"group_norm_backward", "rms_norm_backward"}
