"""The rows of ``ops/convolution.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def conv_reference(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: int = 1,
) -> Any:
    n = x.shape[0]
    o, cg, kh, kw = w.shape
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    oh = (x.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (x.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.zeros((n, o, oh, ow))
    for i in range(o):
        g = i // (o // groups)
        for p in range(oh):
            for q in range(ow):
                rows = slice(p * stride[0], p * stride[0] + dilation[0] * kh, dilation[0])
                columns = slice(q * stride[1], q * stride[1] + dilation[1] * kw, dilation[1])
                seen = x[:, g * cg : (g + 1) * cg, rows, columns]
                out[:, i, p, q] = (seen * w[i]).sum((1, 2, 3))
    return out if b is None else out + b[:, None, None]


CONV = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
ROWS = [
    Row("conv2d", ((2, 3, 7, 6), (4, 3, 3, 3), (4,)), conv_reference, {"padding": (1, 1)}),
    Row("conv2d", ((2, 4, 7, 8), (6, 2, 3, 2), (6,)), conv_reference, CONV, label="all settings"),
    Row("conv2d", ((2, 4, 6, 6), (4, 1, 3, 3)), conv_reference, {"groups": 4, "stride": (2, 2)}, label="depthwise"),
    Row("conv2d", ((2, 3, 5, 4), (6, 3, 1, 1)), conv_reference, label="1x1"),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"conv2d_input", "conv2d_weight"}
