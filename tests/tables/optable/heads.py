"""The rows of ``ops/layers/heads.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def joined(q: Any, k: Any, v: Any, batch_first: bool) -> Any:
    order = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    return np.concatenate(
        [part.transpose(order).reshape(*part.transpose(order).shape[:2], -1) for part in (q, k, v)], -1
    )


def part(place: int, batch_first: bool) -> Any:
    return lambda x: ops.split_heads(x, heads=2, batch_first=batch_first)[place]


def cut(x: Any, place: int, order: tuple[int, ...]) -> Any:
    return x.reshape(2, 3, 3, 2, 4)[:, :, place].transpose(order)


ROWS = [
    Row("split_heads", ((2, 3, 24),), lambda x: cut(x, 0, (0, 2, 1, 3)), call=part(0, True)),
    Row("split_heads", ((2, 3, 24),), lambda x: cut(x, 2, (1, 2, 0, 3)), call=part(2, False), label="length first"),
    Row("join_heads", ((2, 3, 4, 5),) * 3, joined, {"batch_first": True}),
    Row("join_heads", ((2, 3, 4, 5),) * 3, joined, {"batch_first": False}, label="length first"),
]
