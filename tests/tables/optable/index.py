"""The rows of ``ops/indexing/index.py``."""

from __future__ import annotations

import numpy as np

from numzoo import engine

from .row import Row

ROWS = [
    Row("items", ((4, 5),), lambda x: x[1:3, ::-2], call=lambda x: x[1:3, ::-2]),
    Row("items", ((4, 5),), lambda x: x[[0, 2, 2], 1], call=lambda x: x[engine.tensor([0, 2, 2]), 1], label="repeated"),
    Row("items", ((4, 5),), lambda x: x[[0, 2, 2]], call=lambda x: x[engine.tensor([0, -2, 2])], label="rows"),
    Row("items", ((4, 5),), lambda x: x[np.arange(4) > 1], call=lambda x: x[engine.arange(4) > 1], label="mask"),
    Row("items", ((4, 3, 5),), lambda x: x[[0, 2, 2], :, [1, 1, 1]], call=lambda x: x[engine.tensor([0, 2, 2]), :, engine.tensor([1])], label="apart"),
    Row("gather_along", ((3, 4), (3, 2)), lambda x, i, axis: np.take_along_axis(x, i, axis), {"axis": 1}, integers=(1,), limit=4),
    Row("gather_along", ((3, 4), (5, 2)), lambda x, i, axis: np.take_along_axis(x[:, :2], i, axis), {"axis": 0}, integers=(1,), label="fewer"),
]  # fmt: skip

# Reached by the gradients of the rows above, or only moving memory.
REACHED = {"spread_along", "spread_items"}
