"""The rows of ``ops/layers/dropping.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import Tensor, ops

from .row import Row, beside

KEEP = np.arange(12).reshape(3, 4) % 3 > 0
LARGE = np.arange(60_000).reshape(200, 300) % 3 > 0


def dropped(keep: Any) -> Any:
    return lambda x: ops.drop(x, beside(x, keep), scale=1.5)


class Drawn:
    """What draws the masks of a test."""

    def kept(self, shape: tuple[int, ...], p: float, like: Any = None) -> Any:
        return beside(Tensor(like), KEEP).array

    def dropped(self, x: Any, p: float, scale: float) -> Any:
        return NotImplemented


ROWS = [
    Row("drop", ((3, 4),), lambda x: np.where(KEEP, 1.5 * x, 0), call=dropped(KEEP)),
    Row("drop", ((200, 300),), lambda x: np.where(LARGE, 1.5 * x, 0), call=dropped(LARGE), label="large"),
    Row("drop", ((2, 3, 4, 5),), lambda x: np.where(KEEP[:, :, None], 1.5 * x, 0), call=dropped(KEEP[:, :, None]), label="channels"),
    Row("drop_drawn", ((3, 4),), lambda x: np.where(KEEP, 1.5 * x, 0), call=lambda x: ops.drop_drawn(x, p=0.3, scale=1.5, stream=Drawn())),
]  # fmt: skip
