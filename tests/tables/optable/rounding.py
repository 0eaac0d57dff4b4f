"""The rows of ``ops/elementwise/rounding.py``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .row import F64, Row, flat


def fmod64(x: Any, y: Any) -> Any:
    return np.vectorize(math.fmod, otypes=[F64])(x, y)


ROWS = [
    flat("trunc", np.trunc, smooth=False),
    flat("frac", lambda x: x - np.trunc(x), smooth=False),
    flat("fmod", fmod64, count=2, low=0.5, smooth=False),
    flat("div_floor", lambda x, y: np.floor(x / y), count=2, low=0.5, smooth=False),
    flat("div_trunc", lambda x, y: np.trunc(x / y), count=2, low=0.5, smooth=False),
    flat("copysign", np.copysign, count=2, low=0.3),
    flat("heaviside", np.heaviside, count=2, smooth=False),
    flat("nan_to_num", np.nan_to_num),
    flat("signbit", np.signbit, smooth=False),
    Row("gcd", ((3, 4), (3, 4)), np.gcd, integers=(0, 1), limit=30, smooth=False),
    Row("lcm", ((3, 4), (3, 4)), np.lcm, integers=(0, 1), limit=30, smooth=False),
    Row("round", ((3, 4),), lambda x, decimals: np.round(x, decimals), {"decimals": 1}, smooth=False, label="decimals"),
]  # fmt: skip

# A step of these may fall between two narrow numbers, so a narrow dtype may rightly differ by a whole step.
STEPS = {"fmod", "div_floor", "div_trunc"}
