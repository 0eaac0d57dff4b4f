"""The rows of ``ops/images/pooling.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def pool_reference(
    x: Any, reduce: Any, fill: float, kernel_size: Any, stride: Any, padding: Any = (0, 0), dilation: Any = (1, 1)
) -> Any:
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, span, (2, 3))[
        :, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]
    ]
    return reduce(view, (-2, -1))


POOL = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1)}
ROWS = [
    Row("max_pool2d", ((2, 3, 7, 6),), lambda x, **s: pool_reference(x, np.max, -np.inf, **s), POOL),
    Row("max_pool2d", ((2, 3, 8, 8),), lambda x, **s: pool_reference(x, np.max, -np.inf, **s),
        {"kernel_size": (2, 2), "stride": (2, 2), "dilation": (2, 3)}, label="dilated"),
    Row("avg_pool2d", ((2, 3, 7, 6),), lambda x, **s: pool_reference(x, np.mean, 0.0, **s), POOL),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"avg_pool2d_input", "max_pool2d_input", "max_pool2d_pick"}
