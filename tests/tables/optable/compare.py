"""The rows of ``ops/compare.py``."""

from __future__ import annotations

import numpy as np

from .row import flat

ROWS = [
    *(flat(n, f, count=2, smooth=False) for n, f in (
        ("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal), ("gt", np.greater), ("ge", np.greater_equal),
        ("logical_and", np.logical_and), ("logical_or", np.logical_or),
    )),
    flat("logical_not", np.logical_not, smooth=False),
    flat("isnan", np.isnan, smooth=False),
    flat("isfinite", np.isfinite, smooth=False),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor"}
