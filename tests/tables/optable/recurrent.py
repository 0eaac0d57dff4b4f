"""The rows of ``ops/sequences/recurrent.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row

PLACES = (np.array([2, 0, 1]), np.array([1, 1, 0]))


def placed(x: Any, rows: Any, shape: Any, value: float) -> Any:
    out = np.full(shape, value)
    for n, place in enumerate(zip(*rows, strict=True)):
        out[place] = x[n]
    return out


ROWS = [
    Row("pick_rows", ((3, 2, 4),), lambda x, rows: np.stack([x[p] for p in zip(*rows, strict=True)]), {"rows": PLACES}),
    Row("place_rows", ((3, 4),), placed, {"rows": PLACES, "shape": (3, 2, 4), "value": 0.5}),
]
