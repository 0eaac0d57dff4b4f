"""The rows of ``ops/reductions/choice.py``."""

from __future__ import annotations

from .row import Row

ROWS = [
    Row("max_along", ((3, 4),), lambda x, axis: x.max(axis), {"axis": 1}),
    Row("max_along", ((3, 2, 4),), lambda x, axis, keepdim: x.max(axis, keepdims=True), {"axis": -3, "keepdim": True}, label="kept"),
    Row("min_along", ((3, 4),), lambda x, axis: x.min(axis), {"axis": -1}),
    Row("max", ((3, 4),), lambda x, axis: x.max(axis), {"axis": 0}),
    Row("min", ((3, 4),), lambda x, axis: x.min(axis), {"axis": 0}),
]  # fmt: skip
