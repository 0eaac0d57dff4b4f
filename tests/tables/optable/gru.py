"""The rows of ``ops/sequences/gru.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row

SIZES = (3, 3, 2)


def sigma(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def gru_reference(x: Any, h: Any, wi: Any, wh: Any, bi: Any = 0.0, bh: Any = 0.0) -> Any:
    """Each sequence by itself, one step after another."""
    out, starts = np.zeros((len(x), h.shape[1])), np.cumsum((0, *SIZES))
    for n in range(SIZES[0]):
        state = h[n]
        for t, size in enumerate(SIZES):
            if n < size:
                ir, iz, new = np.split(wi @ x[starts[t] + n] + bi, 3)
                hr, hz, scaled = np.split(wh @ state + bh, 3)
                z = sigma(iz + hz)
                state = (1 - z) * np.tanh(new + sigma(ir + hr) * scaled) + z * state
                out[starts[t] + n] = state
    return out


def states(*given: Any) -> Any:
    return ops.gru_layer(*given, sizes=SIZES)


ROWS = [
    Row("gru_layer", ((8, 2), (3, 4), (12, 2), (12, 4)), gru_reference, call=states),
    Row("gru_layer", ((8, 2), (3, 4), (12, 2), (12, 4), (12,), (12,)), gru_reference, call=states, label="biases"),
]

# Reached by the gradients of the rows above.
REACHED = {"gru_backward"}
