"""The rows of ``ops/images/unfolding.py`` and ``ops/images/shuffling.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def columns_reference(x: Any, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, (2, 3))
    view = view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    return view.transpose(0, 1, 4, 5, 2, 3).reshape(x.shape[0], x.shape[1] * int(np.prod(kernel_size)), -1)


def columns_matrix(shape: Any, **settings: Any) -> Any:
    """What columns does, as a matrix from the elements of one image to those of its columns."""
    count = int(np.prod(shape[1:]))
    return columns_reference(np.eye(count).reshape(count, *shape[1:]), **settings).reshape(count, -1)


def columns_input_reference(flow: Any, *, shape: Any, **settings: Any) -> Any:
    return (flow.reshape(len(flow), -1) @ columns_matrix(shape, **settings).T).reshape(shape)


SETTINGS = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
ROWS = [
    Row("columns", ((2, 2, 5, 6),), columns_reference, SETTINGS),
    Row("columns_input", ((2, 12, 12),), columns_input_reference, {"shape": (2, 2, 5, 6), **SETTINGS}),
    Row("pixel_shuffle", ((2, 4, 2, 3),), lambda x: x.reshape(2, 1, 2, 2, 2, 3).transpose(0, 1, 4, 2, 5, 3).reshape(2, 1, 4, 6),
        call=lambda x: ops.pixel_shuffle(x, 2)),
    Row("pixel_unshuffle", ((1, 4, 6),), lambda x: np.stack([x[0, i::2, j::2] for i in (0, 1) for j in (0, 1)]),
        call=lambda x: ops.pixel_unshuffle(x, 2)),
    Row("channel_shuffle", ((2, 6, 3),), lambda x: x[:, [0, 3, 1, 4, 2, 5]], call=lambda x: ops.channel_shuffle(x, 2)),
]  # fmt: skip
