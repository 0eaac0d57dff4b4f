"""The rows of ``ops/reductions/moments.py``."""

from __future__ import annotations

import numpy as np

from .row import Row

CUBE = ((2, 3, 4),)


def log_sum(x: np.ndarray, axis: object, keepdim: bool = False) -> np.ndarray:
    return np.log(np.exp(x).sum(axis, keepdims=keepdim))


ROWS = [
    Row("var", CUBE, lambda x, axis: x.var(axis, ddof=1), {"axis": 1}),
    Row("var", CUBE, lambda x, axis, correction, keepdim: x.var(axis, keepdims=True), {"axis": (0, 2), "correction": 0, "keepdim": True}, label="correction"),
    Row("variance", CUBE, lambda x, axis: x.var(axis, ddof=1), {"axis": (0, 2)}),
    Row("std", CUBE, lambda x, axis: x.std(axis, ddof=1), {"axis": -1}),
    Row("var_mean", CUBE, lambda x, axis: x.var(axis, ddof=1), {"axis": 1}),
    Row("std_mean", CUBE, lambda x, axis: x.std(axis, ddof=1), {"axis": 1}),
    Row("logsumexp_of", CUBE, log_sum, {"axis": 1}),
    Row("logsumexp_of", CUBE, log_sum, {"axis": (0, 2), "keepdim": True}, label="kept"),
    Row("count_nonzero", CUBE, lambda x, axis: np.count_nonzero(x, axis), {"axis": 1}, smooth=False),
    Row("nansum", CUBE, lambda x, axis: x.sum(axis), {"axis": 1}),
    Row("nanmean", CUBE, lambda x, axis: x.mean(axis), {"axis": 1}),
    Row("aminmax", CUBE, lambda x, axis: x.min(axis), {"axis": 1}),
]  # fmt: skip
