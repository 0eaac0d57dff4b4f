"""The rows of ``ops/reductions/length.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def length(p: float) -> Any:
    def reference(x: Any, axis: Any = None, keepdim: bool = False, **_: Any) -> Any:
        sizes = np.abs(x)
        if np.isinf(p):
            return (np.max if p > 0 else np.min)(sizes, axis, keepdims=keepdim)
        if p == 0:
            return (sizes != 0).sum(axis, dtype=float, keepdims=keepdim)
        return (sizes**p).sum(axis, keepdims=keepdim) ** (1 / p)

    return reference


ROWS = [
    *(
        Row("vector_norm_of", ((2, 3, 4),), length(p), {"axis": (0, 2), "p": p}, smooth=p != 0, label=str(p))
        for p in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, float("inf"), -float("inf"), -2.0)
    ),
    Row("vector_norm_of", ((2, 3, 4),), length(2), {"keepdim": True}, label="of all"),
    Row("norm", ((2, 3),), length(2), {"axis": 1}),
    Row("dist", ((2, 3), (3,)), lambda x, y, p: (np.abs(x - y) ** p).sum() ** (1 / p), {"p": 3}),
]
