"""The rows of ``ops/losses/distance.py``: functions made of other operations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .row import Row


def angle_reference(x: Any, y: Any) -> Any:
    return (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)


def table_reference(x: Any, y: Any, p: float) -> Any:
    return np.linalg.norm(x[:, None] - y, p, axis=-1)


ROWS = [
    Row("cosine_similarity", ((3, 4), (3, 4)), angle_reference),
    Row("pairwise_distance", ((3, 4), (3, 4)), lambda x, y: np.linalg.norm(x - y + 1e-6, axis=1)),
    Row("cdist", ((3, 4), (5, 4)), table_reference, {"p": 2.0}),
    Row("cdist", ((3, 4), (5, 4)), table_reference, {"p": 3.0}, label="cubes"),
    Row("cdist", ((30, 4), (5, 4)), table_reference, {"p": 2.0}, label="products"),
]
