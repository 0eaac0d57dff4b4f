"""The rows of ``ops/images/sampling.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row


def sample_reference(x: Any, weight: Any, index: Any) -> Any:
    out = np.zeros((*x.shape[:2], index.shape[2]))
    for n, tap, q in np.ndindex(*index.shape):
        out[n, :, q] += weight[n, tap, q] * x[n, :, index[n, tap, q]]
    return out


def grid_reference(x: Any, grid: Any, align: bool) -> Any:
    """Bilinear sampling with zeros outside, point by point."""
    sizes = x.shape[2:]
    out = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for n, *at in np.ndindex(*grid.shape[:-1]):
        point = grid[(n, *at)][::-1]
        places = [(g + 1) / 2 * (s - 1) if align else ((g + 1) * s - 1) / 2 for g, s in zip(point, sizes, strict=True)]
        for corner in np.ndindex(*(2,) * len(sizes)):
            element = [int(np.floor(p)) + k for p, k in zip(places, corner, strict=True)]
            if all(0 <= e < s for e, s in zip(element, sizes, strict=True)):
                share = np.prod([1 - abs(p - e) for p, e in zip(places, element, strict=True)])
                out[(n, slice(None), *at)] += share * x[(n, slice(None), *element)]
    return out


def affine_reference(theta: Any) -> Any:
    line = [np.array([-2.0, 0.0, 2.0]) / 3, np.array([-0.75, -0.25, 0.25, 0.75])]
    return np.stack([[[t @ [x, y, 1.0] for x in line[1]] for y in line[0]] for t in theta])


GRID = ((2, 3, 4, 5), (2, 3, 2, 2))
VOLUME = ((1, 2, 3, 4, 5), (1, 2, 2, 1, 3))
ROWS = [
    Row("sample", ((2, 3, 5), (2, 4, 6), (2, 4, 6)), sample_reference, integers=(2,), limit=5),
    Row("grid_sample", GRID, lambda x, grid: grid_reference(x, grid, False), call=ops.grid_sample, low=-1.2, high=1.2),
    Row("grid_sample", VOLUME, lambda x, grid: grid_reference(x, grid, True), label="3d", low=-1.2, high=1.2,
        call=lambda *t: ops.grid_sample(*t, align_corners=True)),
    Row("affine_grid", ((2, 2, 3),), affine_reference, call=lambda theta: ops.affine_grid(theta, (2, 1, 3, 4))),
]  # fmt: skip

# Reached by the gradients of the rows above.
REACHED = {"sample_input", "sample_weight"}
STEPS = {"grid_sample"}  # of float16 points the places are those of float16, not near ones
