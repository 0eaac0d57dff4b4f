"""The rows of ``ops/reductions/reduction.py``."""

from __future__ import annotations

from .row import Row

ROWS = [
    Row("sum", ((2, 3, 4),), lambda x, axis: x.sum(axis), {"axis": (0, 2)}),
    Row("sum", ((2, 3, 4),), lambda x: x.sum(), label="all"),
    Row("mean", ((2, 3, 4),), lambda x, axis, keepdim: x.mean(axis, keepdims=keepdim), {"axis": -1, "keepdim": True}),
    Row("prod", ((2, 3),), lambda x, axis: x.prod(axis), {"axis": 1}, low=0.5),
    Row("amax", ((2, 3, 4),), lambda x, axis: x.max(axis), {"axis": (1, 2)}),
    Row("amin", ((2, 3, 4),), lambda x, axis: x.min(axis), {"axis": 1}),
    Row("argmax", ((2, 3, 4),), lambda x, axis: x.argmax(axis), {"axis": 1}, smooth=False),
    Row("argmin", ((2, 3, 4),), lambda x, axis: x.argmin(axis), {"axis": 1}, smooth=False),
    Row("all", ((2, 3),), lambda x, axis: x.all(axis), {"axis": 1}, smooth=False),
    Row("any", ((2, 3),), lambda x, axis: x.any(axis), {"axis": 1}, smooth=False),
]  # fmt: skip
