"""Sampling at points: the body, on images whose channels oneDNN has brought together, which it does far faster than NumPy."""

from __future__ import annotations

import numpy as np

from ...op import TABLE
from .library import Library
from .memory import FLOATS, Array, Result
from .plans import PLANS, Plan, plan
from .reorder import as_channels_last

FEWEST_CHANNELS = 8  # of fewer the body picks from lines
FEWEST = 1 << 14


def sample(x: Array, weight: Array, index: Array) -> Result:
    """The sum over the taps of `weight` times the element that `index` numbers, for each channel and point."""
    if x.ndim != 3 or x.shape[1] < FEWEST_CHANNELS or x.size < FEWEST:
        return NotImplemented
    key = (sample, x.shape, x.strides, x.dtype)
    return (PLANS.get(key) or plan(key, _plan, x))(x, weight, index)


def _plan(library: Library, x: Array) -> Plan | None:
    if x.dtype not in FLOATS:
        return None
    fetch, body = as_channels_last(library, x), TABLE["sample"].body
    return lambda x, weight, index: body(np, fetch(x), weight, index)
