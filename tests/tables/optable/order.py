"""The rows of ``ops/reductions/order.py``."""

from __future__ import annotations

import numpy as np

from numzoo.engine import ops

from .row import Row

CUBE = ((2, 5, 3),)

ROWS = [
    Row("order_along", CUBE, lambda x, axis: x.argsort(axis), {"axis": 1}, smooth=False),
    Row("order_along", CUBE, lambda x, **_: np.argsort(-x, 1), {"axis": 1, "descending": True, "stable": True}, smooth=False, label="descending"),
    Row("sort_along", CUBE, lambda x, axis: np.sort(x, axis), {"axis": -2}),
    Row("sort", CUBE, lambda x, axis: np.sort(x, axis), {"axis": 1}),
    Row("sort", CUBE, lambda x, axis, descending: -np.sort(-x, axis), {"axis": 0, "descending": True}, label="descending"),
    Row("top_along", ((7,),), lambda x, k: np.sort(x)[::-1][:k], {"k": 3}),
    Row("topk", CUBE, lambda x, k, axis: -np.sort(-x, axis)[:, :k], {"k": 3, "axis": 1}),
    Row("topk", CUBE, lambda x, k, axis, largest: np.sort(x, axis)[..., :k], {"k": 2, "axis": -1, "largest": False}, label="smallest"),
    Row("kth_along", ((7,),), lambda x, k: np.sort(x)[k - 1], {"k": 3}),
    Row("kthvalue", CUBE, lambda x, k, axis: np.sort(x, axis)[:, k - 1], {"k": 4, "axis": 1}),
    Row("searchsorted", ((4, 3), (4, 2)), lambda x, y: np.array([np.searchsorted(np.sort(a), b) for a, b in zip(x, y, strict=True)]), smooth=False,
        call=lambda x, y: ops.searchsorted(ops.sort(x, 1).values, y)),
]  # fmt: skip
