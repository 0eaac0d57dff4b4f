"""Connectionist temporal classification: all steps of all examples in one launch, there and back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ....dtype import Array, Dtype
from ..forms import dense
from ..machine import machine
from ..program import SCALARS, Kernel

__all__ = ["ctc_nll", "ctc_nll_input"]

Result = Any
WIDEST = 1024
"""States that a block holds."""
INT64 = np.dtype(np.int64)


@lru_cache
def _kernel(name: str, dtype: Dtype) -> Kernel:
    addresses = 6 if name == "ctc_forward" else 7
    return Kernel("alignment.cu", name, "P" * addresses + "qqqi", SCALAR=SCALARS[dtype][0])


def _served(x: Array, states: Array, steps: Array, labels: Array) -> bool:
    if x.dtype.name not in ("float32", "float64") or x.ndim != 3 or not x.size or states.ndim != 2 or not states.size:
        return False
    batch = (x.shape[1],)
    fits = states.shape[:1] == steps.shape == labels.shape == batch and 1 < states.shape[1] <= WIDEST
    return fits and all(array.dtype == INT64 for array in (states, steps, labels))


def _threads(width: int) -> int:
    return min(256, -(-(width + 2) // 32) * 32)


def ctc_nll(x: Array, states: Array, steps: Array, labels: Array) -> Result:
    """The negative log-likelihood of each example, and the sums over beginnings of alignments."""
    if not _served(x, states, steps, labels):
        return NotImplemented
    here = machine()
    address = here.address
    time, batch, classes = x.shape
    width = states.shape[1]
    x, states, steps, labels = (dense(here, array) for array in (x, states, steps, labels))
    loss, forward = here.empty((batch,), x.dtype), here.empty((time, batch, width + 2), x.dtype)
    _kernel("ctc_forward", x.dtype)(
        batch, _threads(width), address(x), address(states), address(steps), address(labels), address(loss), address(forward), time, batch,
        classes, width,
    )  # fmt: skip
    return loss, forward


def ctc_nll_input(flow: Array, x: Array, states: Array, steps: Array, labels: Array, forward: Array) -> Result:
    """The gradient of ctc_nll for x."""
    if not _served(x, states, steps, labels) or flow.dtype != x.dtype or forward.dtype != x.dtype:
        return NotImplemented
    here = machine()
    address = here.address
    time, batch, classes = x.shape
    width = states.shape[1]
    if flow.shape != (batch,) or forward.shape != (time, batch, width + 2):
        return NotImplemented
    flow, x, states, steps, labels, forward = (dense(here, a) for a in (flow, x, states, steps, labels, forward))
    out = here.zeros(x.shape, x.dtype)
    _kernel("ctc_backward", x.dtype)(
        batch, _threads(width), address(flow), address(x), address(states), address(steps), address(labels), address(forward), address(out),
        time, batch, classes, width,
    )  # fmt: skip
    return out
