"""The rows of ``ops/sequences/lstm.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row

SIZES = (3, 3, 2)


def sigma(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def lstm_reference(x: Any, h: Any, c: Any, wi: Any, wh: Any, bi: Any = 0.0, bh: Any = 0.0, wr: Any = None) -> Any:
    """Each sequence by itself, one step after another."""
    out, starts = np.zeros((len(x), h.shape[1])), np.cumsum((0, *SIZES))
    for n in range(SIZES[0]):
        state, cell = h[n], c[n]
        for t, size in enumerate(SIZES):
            if n < size:
                i, f, g, o = np.split(wi @ x[starts[t] + n] + bi + wh @ state + bh, 4)
                cell = sigma(f) * cell + sigma(i) * np.tanh(g)
                state = sigma(o) * np.tanh(cell)
                state = state if wr is None else wr @ state
                out[starts[t] + n] = state
    return out


def states(*given: Any) -> Any:
    return ops.lstm_layer(*given, sizes=SIZES)[0]


ROWS = [
    Row("lstm_layer", ((8, 2), (3, 4), (3, 4), (16, 2), (16, 4)), lstm_reference, call=states),
    Row("lstm_layer", ((8, 2), (3, 4), (3, 4), (16, 2), (16, 4), (16,), (16,)), lstm_reference, call=states, label="biases"),
    Row("lstm_layer", ((8, 2), (3, 2), (3, 4), (16, 2), (16, 2), (16,), (16,), (2, 4)), lstm_reference, call=states, label="projected"),
]  # fmt: skip

# Reached by the gradients of the rows above.
REACHED = {"lstm_backward"}
