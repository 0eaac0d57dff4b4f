"""The rows of ``ops/indexing/picking.py`` and ``ops/indexing/scattering.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row, beside

PLACES = np.array([[0, 2, 1, 0], [2, 2, 0, 1]])
ONCE = np.array([[0, 2, 1, 0], [2, 0, 0, 1]])


def put(x: Any, src: Any) -> Any:
    out = x.copy()
    np.put_along_axis(out, ONCE, src, 0)
    return out


def along(how: Any) -> Any:
    def reference(x: Any, src: Any) -> Any:
        out = x.copy()
        how.at(out, (PLACES, np.arange(4)), src)
        return out

    return reference


def reduced(reduce: str) -> Any:
    return lambda x, src: ops.scatter_reduce(x, 0, beside(x, PLACES), src, reduce)


def copied(x: Any, source: Any) -> Any:
    out = x.copy()
    out[:, [3, 0]] = source
    return out


ROWS = [
    Row("take_slices", ((3, 4),), lambda x: x[:, [1, 3, 1]], call=lambda x: ops.index_select(x, 1, beside(x, [1, -1, 1]))),
    Row("put_along", ((3, 4), (2, 4)), put, call=lambda x, src: ops.scatter(x, 0, beside(x, ONCE), src)),
    Row("largest_along", ((3, 4), (2, 4)), along(np.maximum), call=reduced("amax")),
    Row("smallest_along", ((3, 4), (2, 4)), along(np.minimum), call=reduced("amin")),
    Row("product_along", ((3, 4), (2, 4)), along(np.multiply), call=reduced("prod"), low=0.4),
    Row("scatter_add", ((3, 4), (2, 4)), along(np.add), call=reduced("sum")),
    Row("put_items", ((3, 4), (3, 2)), copied, call=lambda x, source: ops.index_copy(x, 1, beside(x, [3, 0]), source)),
]  # fmt: skip
