"""The rows of ``ops/loss.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def smooth_reference(x: Any, target: Any) -> Any:
    logs = np.log(softmax_reference(x, 1))
    return (-0.9 * logs[np.arange(len(x)), target] - 0.1 * logs.mean(1)).mean()


def softmax_reference(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


ROWS = [
    Row("cross_entropy", ((4, 3), (4,)), lambda x, t: -np.log(softmax_reference(x, 1))[np.arange(4), t].mean(), integers=(1,)),
    Row("cross_entropy", ((4, 3), (4,)), smooth_reference, call=lambda x, t: ops.cross_entropy(x, t, label_smoothing=0.1), integers=(1,), label="smooth"),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"nll"}

# Losses stay wide on purpose.
WIDE = {"cross_entropy"}
