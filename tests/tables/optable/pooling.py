"""The rows of ``ops/pooling.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

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


def adaptive_reference(x: Any, height: int, width: int) -> Any:
    def window(i: int, size: int, parts: int) -> slice:
        return slice(i * size // parts, -(-(i + 1) * size // parts))

    rows = [window(i, x.shape[2], height) for i in range(height)]
    columns = [window(j, x.shape[3], width) for j in range(width)]
    return np.stack([np.stack([x[:, :, r, c].mean((2, 3)) for c in columns], -1) for r in rows], -2)


POOL = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1)}
ROWS = [
    Row("max_pool2d", ((2, 3, 7, 6),), lambda x, **s: pool_reference(x, np.max, -np.inf, **s), POOL),
    Row("max_pool2d", ((2, 3, 8, 8),), lambda x, **s: pool_reference(x, np.max, -np.inf, **s),
        {"kernel_size": (2, 2), "stride": (2, 2), "dilation": (2, 3)}, label="dilated"),
    Row("avg_pool2d", ((2, 3, 7, 6),), lambda x, **s: pool_reference(x, np.mean, 0.0, **s), POOL),
    Row("adaptive_avg_pool2d", ((2, 3, 5, 6),), lambda x: adaptive_reference(x, 2, 4), call=lambda x: ops.adaptive_avg_pool2d(x, (2, 4))),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"avg_pool2d_input", "max_pool2d_input", "max_pool2d_pick"}
