"""The rows of ``ops/images/resampling.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine.ops import resampling as taps

from .row import Row


def matrix(table: taps.Taps) -> Any:
    """A table as the matrix that it stands for."""
    out = np.zeros((len(table.index), table.size))
    weight = np.ones(table.index.shape) if table.weight is None else table.weight
    np.add.at(out, (np.arange(len(out))[:, None], table.index), weight)
    return out


def reference(x: Any, *, tables: Any) -> Any:
    for axis, table in enumerate(tables, x.ndim - len(tables)):
        if table is not None:
            x = np.moveaxis(np.moveaxis(x, axis, -1) @ matrix(table).T, -1, axis)
    return x


BOTH = {
    "linear": (taps.linear_taps(5, 9), taps.linear_taps(6, 4)),
    "corners": (taps.linear_taps(5, 9, align=True), None),
    "cubic": (taps.cubic_taps(5, 3), taps.cubic_taps(6, 11)),
    "smooth": (taps.smooth_taps(5, 2), taps.smooth_taps(6, 3, cubic=True)),
    "nearest": (taps.nearest_taps(5, 7), taps.nearest_taps(6, 4, exact=True)),
    "mean": (taps.mean_taps(5, 3), taps.mean_taps(6, 4)),
    "turned": (taps.linear_taps(9, 5).turned, taps.nearest_taps(4, 6).turned),
}
ROWS = [Row("resample", ((2, 3, 5, 6),), reference, {"tables": tables}, label=label) for label, tables in BOTH.items()]
