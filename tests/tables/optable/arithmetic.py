"""The rows of ``ops/elementwise/arithmetic.py``."""

from __future__ import annotations

import numpy as np

from numzoo.engine import ops

from .row import Row, flat

ROWS = [
    flat("add", np.add, count=2),
    flat("sub", np.subtract, count=2),
    flat("mul", np.multiply, count=2),
    flat("div", np.divide, count=2, low=0.5),
    flat("pow", np.power, count=2, low=0.5),
    flat("neg", np.negative),
    flat("abs", np.abs, low=0.3),
    flat("sign", np.sign, low=0.3),
    flat("maximum", np.maximum, count=2),
    flat("minimum", np.minimum, count=2),
    flat("clip", lambda x, low, high: np.clip(x, low, high), settings={"low": -0.7, "high": 1.1}),
    flat("floor_divide", np.floor_divide, count=2, low=0.5, smooth=False),
    flat("remainder", np.remainder, count=2, low=0.5, smooth=False),
    Row("either", ((3, 4), (3, 4)), lambda x, y: np.where(x > y, x, y), call=lambda x, y: ops.where(x > y, x, y)),
]  # fmt: skip

# A step of these may fall between two narrow numbers, so a narrow dtype may rightly differ by a whole step.
STEPS = {"floor_divide", "remainder"}
