"""The rows of ``ops/shapes/diagonals.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def embedded(x: Any) -> Any:
    out = np.zeros((3, 5, 5))
    for i in range(4):
        out[:, i + 1, i] = x[:, i]
    return out


def summed(x: Any) -> Any:
    out = np.zeros((2, 9))
    for i in range(3):
        out[:, 2 * i : 2 * i + 5] += x[:, i]
    return out


ROWS = [
    Row("tril", ((2, 3, 4),), lambda x, diagonal: np.tril(x, diagonal), {"diagonal": 1}),
    Row("triu", ((2, 3, 4),), lambda x, diagonal: np.triu(x, diagonal), {"diagonal": -1}),
    Row("diagonal_line", ((2, 3, 4),), lambda x: np.diagonal(x, 1, 0, 2), call=lambda x: ops.diagonal(x, 1, 0, -1)),
    Row("with_diagonal", ((3, 4),), embedded, call=lambda x: ops.diag_embed(x, -1)),
    Row("diag", ((4,),), np.diag, call=lambda x: ops.diag(x)),
    Row("windows", ((3, 8),), lambda x: np.lib.stride_tricks.sliding_window_view(x, 3, 1)[:, ::2], call=lambda x: x.unfold(1, 3, 2)),
    Row("overlapped", ((2, 3, 5),), summed, call=lambda x: ops.shapes.diagonals.overlapped(x, (2, 9), 1, 5, 2)),
]  # fmt: skip
