"""The loss of classification over many rows, its softmax by oneDNN."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.losses.loss import summed_loss
from .activation import FEWEST_SOFTMAX, log_softmax
from .memory import Array


def class_entropy(
    x: Array, target: Array, scale: Array | None = None, total: Array | None = None, *, keep: bool = True
) -> Any:
    """The loss from the logarithms, which become the softmax in place once they have served."""
    if x.size < FEWEST_SOFTMAX:
        return NotImplemented
    logs = log_softmax(x, axis=1)
    if logs is NotImplemented:
        return NotImplemented
    loss = -logs[np.arange(len(x)), target]
    return summed_loss(loss, scale, total), np.exp(logs, out=logs) if keep else None, None
