"""The rows of ``ops/elementwise/compare.py``."""

from __future__ import annotations

import numpy as np

from .row import Row, flat

ROWS = [
    *(flat(n, f, count=2, smooth=False) for n, f in (
        ("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal), ("gt", np.greater), ("ge", np.greater_equal),
        ("logical_and", np.logical_and), ("logical_or", np.logical_or), ("logical_xor", np.logical_xor), ("isclose", np.isclose),
    )),
    flat("logical_not", np.logical_not, smooth=False),
    flat("isnan", np.isnan, smooth=False),
    flat("isfinite", np.isfinite, smooth=False),
    flat("isinf", np.isinf, smooth=False),
    flat("isposinf", np.isposinf, smooth=False),
    flat("isneginf", np.isneginf, smooth=False),
    Row("bitwise_left_shift", ((3, 4), (3, 4)), np.left_shift, integers=(0, 1), limit=5, smooth=False),
    Row("bitwise_right_shift", ((3, 4), (3, 4)), np.right_shift, integers=(0, 1), limit=5, smooth=False),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor"}
