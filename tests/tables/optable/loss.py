"""The rows of ``ops/losses/loss.py``."""

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


WEIGHT = np.array([0.5, 2.0, 3.0])


def weighted_reference(x: Any, target: Any) -> Any:
    """Weighted by class, without class 2."""
    scale = WEIGHT[target] * (target != 2)
    return -(np.log(softmax_reference(x, 1))[np.arange(4), target] * scale).sum() / scale.sum()


def many_reference(x: Any, target: Any) -> Any:
    return -np.take_along_axis(np.log(softmax_reference(x, 1)), target[:, None], 1).sum()


ROWS = [
    Row("cross_entropy", ((4, 3), (4,)), lambda x, t: -np.log(softmax_reference(x, 1))[np.arange(4), t].mean(), integers=(1,)),
    Row("class_entropy", ((4, 3), (4,)), lambda x, t: -np.log(softmax_reference(x, 1))[np.arange(4), t].sum(), integers=(1,)),
    Row("cross_entropy", ((4, 3), (4,)), weighted_reference, call=lambda x, t: ops.cross_entropy(x, t, WEIGHT, ignore_index=2), integers=(1,), label="some"),
    Row("cross_entropy", ((2, 3, 2), (2, 2)), many_reference, call=lambda x, t: ops.cross_entropy(x, t, reduction="sum"), integers=(1,), label="many"),
    Row("cross_entropy", ((4, 3), (4,)), smooth_reference, call=lambda x, t: ops.cross_entropy(x, t, label_smoothing=0.1), integers=(1,), label="smooth"),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"nll", "class_counts", "class_entropy_input"}

# Losses stay wide on purpose.
WIDE = {"class_entropy", "cross_entropy"}
