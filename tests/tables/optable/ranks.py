"""The rows of ``ops/reductions/ranks.py``."""

from __future__ import annotations

import numpy as np

from .row import Row

CUBE = ((2, 5, 3),)

ROWS = [
    Row("middle", ((3, 5),), lambda x, skip: np.median(x), {"skip": False}),
    Row("middle_along", ((7,),), lambda x, axis, skip: np.median(x), {"axis": 0, "skip": True}),
    Row("median", CUBE, lambda x, axis: np.median(x, axis), {"axis": 1}),
    Row("nanmedian", CUBE, lambda x, axis: np.median(x, axis), {"axis": 1}),
    Row("quantile", CUBE, lambda x, q, axis: np.quantile(x, q, axis), {"q": [0.3, 0.9], "axis": 1}),
    Row("quantile", CUBE, lambda x, q: np.quantile(x, q), {"q": 0.37}, label="of all"),
    Row("nanquantile", CUBE, lambda x, q, axis, keepdim: np.quantile(x, q, axis, keepdims=keepdim), {"q": 0.6, "axis": -1, "keepdim": True}),
    Row("most_frequent_along", ((2, 9),), lambda x, axis: np.min(x, axis), {"axis": 1}),
]  # fmt: skip
