"""The rows of ``ops/reductions/scan.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row

CUBE = ((2, 5, 3),)


def steps(values: Any, factors: Any, axis: int, reverse: bool = False) -> Any:
    """The recurrence, one step after the other."""
    values, factors = (np.moveaxis(a, axis, 0)[:: -1 if reverse else 1] for a in (values, factors))
    out = np.zeros_like(values)
    before = np.zeros_like(values[0])
    for t in range(len(values)):
        out[t] = before = values[t] + factors[t] * before
    return np.moveaxis(out[:: -1 if reverse else 1], 0, axis)


def backwards(function: Any, x: Any, axis: int) -> Any:
    return np.flip(function(np.flip(x, axis), axis), axis)


ROWS = [
    Row("running_sum", CUBE, lambda x, axis: x.cumsum(axis), {"axis": 1}),
    Row("running_sum", CUBE, lambda x, axis, reverse: backwards(np.cumsum, x, axis), {"axis": -1, "reverse": True}, label="reversed"),
    Row("running_product", CUBE, lambda x, axis: x.cumprod(axis), {"axis": 1}),
    Row("running_product", CUBE, lambda x, axis, reverse: backwards(np.cumprod, x, axis), {"axis": 1, "reverse": True}, label="reversed"),
    Row("running_product", ((2, 5), (2, 5)), lambda x, mask: np.cumprod(np.where(mask == 0, 0, x), 1), integers=(1,),
        call=lambda x, mask: ops.cumprod(x * (mask != 0), 1), label="with zeros"),
    Row("prod", ((2, 5, 2), (2, 5, 2)), lambda x, mask: np.where(mask == 0, 0, x).prod((0, 1)), integers=(1,),
        call=lambda x, mask: ops.prod(x * (mask != 0), (0, 1)), limit=9, label="with zeros"),
    Row("recurrence", CUBE * 2, steps, {"axis": 1}),
    Row("recurrence", CUBE * 2, steps, {"axis": -2, "reverse": True}, label="reversed"),
    Row("logcumsumexp_of", CUBE, lambda x, axis: np.log(np.exp(x).cumsum(axis)), {"axis": 1}),
    Row("extreme_so_far", ((9,),), lambda x, axis, largest: np.maximum.accumulate(x), {"axis": 0, "largest": True}),
    Row("cummax", CUBE, lambda x, axis: np.maximum.accumulate(x, axis), {"axis": 1}),
    Row("cummin", CUBE, lambda x, axis: np.minimum.accumulate(x, axis), {"axis": 1}),
    Row("diff", CUBE, lambda x, n, axis: np.diff(x, n, axis), {"n": 2, "axis": 1}),
]  # fmt: skip
