"""The rows of ``ops/indexing/rows.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def sums(x: Any, index: Any, rows: int) -> Any:
    out = np.zeros((rows, x.shape[-1]))
    np.add.at(out, index, x)
    return out


ROWS = [
    Row("take_rows", ((4, 3), (2, 5)), lambda x, i: x[i], integers=(1,)),
    Row("take_rows", ((4, 40), (2, 5)), lambda x, i, **_: x[i], {"padding": None}, integers=(1,), label="wide"),
    Row("sum_rows", ((2, 5, 3), (2, 5)), sums, {"rows": 4}, integers=(1,)),
    Row("sum_rows", ((2, 5, 40), (2, 5)), sums, {"rows": 4}, integers=(1,), label="wide"),
]  # fmt: skip
