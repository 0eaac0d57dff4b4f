"""The rows of ``ops/images/convolution.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def conv_reference(
    x: Any, w: Any, b: Any = None, *, stride: Any = None, padding: Any = None, dilation: Any = None, groups: int = 1
) -> Any:
    axes = x.ndim - 2
    stride, padding, dilation = stride or (1,) * axes, padding or (0,) * axes, dilation or (1,) * axes
    outs, inside, *kernel = w.shape
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    sizes = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)]
    out = np.zeros((x.shape[0], outs, *sizes))
    for i in range(outs):
        first = i // (outs // groups) * inside
        for at in np.ndindex(*sizes):
            window = (slice(a * s, a * s + d * k, d) for a, s, d, k in zip(at, stride, dilation, kernel, strict=True))
            seen = x[(slice(None), slice(first, first + inside), *window)]
            out[(slice(None), i, *at)] = (seen * w[i]).sum(tuple(range(1, axes + 2)))
    return out if b is None else out + b.reshape(-1, *(1,) * axes)


def transposed_reference(
    x: Any, w: Any, b: Any = None, *, stride: Any, padding: Any, output_padding: Any, dilation: Any, groups: int = 1
) -> Any:
    """Each element of x adds the kernel, times itself, to its surroundings."""
    ins, inside, *kernel = w.shape
    sizes = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(x.shape[2:], stride, dilation, kernel, strict=True)]
    out = np.zeros((x.shape[0], inside * groups, *(n + more for n, more in zip(sizes, output_padding, strict=True))))
    for i in range(ins):
        first = i // (ins // groups) * inside
        for at in np.ndindex(*x.shape[2:]):
            window = (slice(a * s, a * s + d * k, d) for a, s, d, k in zip(at, stride, dilation, kernel, strict=True))
            met = x[(slice(None), i, *at)].reshape(-1, *(1,) * w[i].ndim)
            out[(slice(None), slice(first, first + inside), *window)] += met * w[i]
    out = out[(..., *(slice(p, n - p) for p, n in zip(padding, out.shape[2:], strict=True)))]
    return out if b is None else out + b.reshape(-1, *(1,) * len(kernel))


CONV = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
CONV1 = {"stride": (2,), "padding": (1,), "dilation": (2,), "groups": 2}
CONV3 = {"stride": (2, 1, 1), "padding": (1, 0, 2), "dilation": (1, 2, 2), "groups": 2}
ROWS = [
    Row("conv2d", ((2, 3, 7, 6), (4, 3, 3, 3), (4,)), conv_reference, {"padding": (1, 1)}),
    Row("conv2d", ((2, 4, 7, 8), (6, 2, 3, 2), (6,)), conv_reference, CONV, label="all settings"),
    Row("conv2d", ((2, 4, 6, 6), (4, 1, 3, 3)), conv_reference, {"groups": 4, "stride": (2, 2)}, label="depthwise"),
    Row("conv2d", ((2, 3, 5, 4), (6, 3, 1, 1)), conv_reference, label="1x1"),
    Row("conv3d", ((2, 3, 5, 6, 4), (4, 3, 3, 3, 3), (4,)), conv_reference, {"padding": (1, 1, 1)}),
    Row("conv3d", ((2, 4, 5, 6, 7), (6, 2, 2, 3, 2), (6,)), conv_reference, CONV3, label="all settings"),
    Row("convolve", ((2, 4, 9), (6, 2, 3), (6,)), conv_reference, CONV1, label="1d"),
    Row("convolve_transposed", ((2, 4, 6), (4, 3, 3), (6,)), transposed_reference, {**CONV1, "output_padding": (1,)}, label="1d"),
    Row("convolve_transposed", ((2, 3, 4, 5), (3, 2, 3, 2), (2,)), transposed_reference, {**CONV, "groups": 1, "output_padding": (1, 1)}),
    Row("convolve_transposed", ((2, 4, 3, 4, 3), (4, 2, 2, 3, 2)), transposed_reference, {**CONV3, "output_padding": (1, 0, 1)}, label="3d"),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"conv2d_input", "conv2d_weight", "conv3d_input", "conv3d_weight"}
