"""The rows of ``ops/images/windows.py`` and of ``ops/indexing/places.py``: pooling over any number of axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row, beside


def windows_reference(x: Any, reduce: Any, fill: float, *, kernel_size: Any, stride: Any, padding: Any, dilation: Any = None) -> Any:  # fmt: skip
    """Each window reduced by itself, over as many axes as there are settings."""
    axes = len(kernel_size)
    dilation = dilation or (1,) * axes
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)), constant_values=fill)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, tuple(range(2, axes + 2)))
    steps = (slice(None, None, s) for s in stride)
    return reduce(view[(slice(None), slice(None), *steps, *(slice(None, None, d) for d in dilation))], tuple(range(-axes, 0)))  # fmt: skip


def adaptive_reference(x: Any, reduce: Any, parts: tuple[int, ...]) -> Any:
    out = np.zeros((*x.shape[:2], *parts))
    for at in np.ndindex(*parts):
        window = (slice(i * n // p, -(-(i + 1) * n // p)) for i, n, p in zip(at, x.shape[2:], parts, strict=True))
        out[(slice(None), slice(None), *at)] = reduce(x[(slice(None), slice(None), *window)], tuple(range(2, x.ndim)))
    return out


def largest_reference(x: Any, *, windows: Any) -> Any:
    out = np.zeros((*x.shape[:2], *(len(w) for w in windows)), np.int64)
    for at in np.ndindex(*out.shape):
        places = np.ix_(*(w[i] for w, i in zip(windows, at[2:], strict=True)))
        numbers = np.ravel_multi_index(places, x.shape[2:])
        seen = x[at[:2]][places]
        out[at] = numbers[np.unravel_index(seen.argmax(), seen.shape)]
    return out


def spread_reference(flow: Any, index: Any, size: int) -> Any:
    out = np.zeros((*flow.shape[:2], size))
    for n, c, q in np.ndindex(*flow.shape):
        out[n, c, index[n, c % index.shape[1], q]] += flow[n, c, q]
    return out


def largest(x: Any, **settings: Any) -> Any:
    return windows_reference(x, np.max, -np.inf, **settings)


def mean(x: Any, **settings: Any) -> Any:
    return windows_reference(x, np.mean, 0.0, **settings)


LINE = {"kernel_size": (3,), "stride": (2,), "padding": (1,)}
VOLUME = {"kernel_size": (3, 2, 2), "stride": (2, 1, 2), "padding": (1, 1, 0)}
TABLES = (np.array([[0, 1, 2], [2, 3, 4]]), np.array([[0, 1], [1, 2], [3, 3]]))
NUMBERS = np.array([[[4, 0, 2]], [[1, 1, 3]]])
ONCE = np.array([[[4, 0, 2]], [[1, 7, 3]]])

ROWS = [
    Row("max_pool", ((2, 3, 9),), largest, {**LINE, "dilation": (2,)}, label="1d"),
    Row("max_pool", ((2, 3, 5, 6, 7),), largest, {**VOLUME, "dilation": (1, 2, 1)}, label="3d"),
    Row("max_pool_with_indices", ((2, 3, 5, 6, 7),), largest, {**VOLUME, "dilation": (1, 2, 1)}),
    Row("avg_pool", ((2, 3, 9),), mean, LINE, label="1d"),
    Row("avg_pool", ((2, 3, 5, 6, 7),), mean, VOLUME, label="3d"),
    Row("avg_pool", ((2, 3, 9),), lambda x, divisor_override, **s: mean(x, **s) * 3 / 5, {**LINE, "divisor_override": 5}, label="divisor"),
    Row("adaptive_avg_pool", ((2, 3, 5, 6),), lambda x: adaptive_reference(x, np.mean, (2, 4)), call=lambda x: ops.adaptive_avg_pool(x, (2, 4))),
    Row("adaptive_avg_pool", ((2, 3, 5, 6, 4),), lambda x: adaptive_reference(x, np.mean, (2, 6, 3)), label="3d",
        call=lambda x: ops.adaptive_avg_pool(x, (2, 6, 3))),
    Row("adaptive_max_pool", ((2, 3, 5, 6),), lambda x: adaptive_reference(x, np.max, (2, 4)), call=lambda x: ops.adaptive_max_pool(x, (2, 4))),
    Row("largest_places", ((2, 3, 5, 4),), largest_reference, {"windows": TABLES}, smooth=False),
    Row("pick_places", ((2, 3, 5),), lambda x: np.stack([x[0][:, NUMBERS[0, 0]], x[1][:, NUMBERS[1, 0]]]),
        call=lambda x: ops.pick_places(x, beside(x, NUMBERS))),
    Row("spread_places", ((2, 3, 3),), lambda x: spread_reference(x, NUMBERS, 6), call=lambda x: ops.spread_places(x, beside(x, NUMBERS), size=6)),
    Row("max_unpool", ((2, 1, 3),), lambda x: spread_reference(x, ONCE, 8),
        call=lambda x: ops.max_unpool(x, beside(x, ONCE), (8,))),
]  # fmt: skip

# Reached by the row of max_unpool.
REACHED = {"put_places"}
STEPS = {"largest_places"}
