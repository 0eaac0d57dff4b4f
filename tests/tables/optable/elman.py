"""The rows of ``ops/sequences/elman.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row

SIZES = (3, 3, 2)


def rnn_reference(x: Any, h: Any, wi: Any, wh: Any, bi: Any = 0.0, bh: Any = 0.0, bend: Any = np.tanh) -> Any:
    """Each sequence by itself, one step after another."""
    out, starts = np.zeros((len(x), h.shape[1])), np.cumsum((0, *SIZES))
    for n in range(SIZES[0]):
        state = h[n]
        for t, size in enumerate(SIZES):
            if n < size:
                state = bend(wi @ x[starts[t] + n] + bi + wh @ state + bh)
                out[starts[t] + n] = state
    return out


def relu_reference(*given: Any) -> Any:
    return rnn_reference(*given, bend=lambda x: np.maximum(x, 0))


def states(*given: Any) -> Any:
    return ops.rnn_layer(*given, sizes=SIZES)


def relu_states(*given: Any) -> Any:
    return ops.rnn_layer(*given, sizes=SIZES, nonlinearity="relu")


ROWS = [
    Row("rnn_layer", ((8, 2), (3, 4), (4, 2), (4, 4)), rnn_reference, call=states, high=1.0, low=-1.0),
    Row("rnn_layer", ((8, 2), (3, 4), (4, 2), (4, 4), (4,), (4,)), relu_reference, call=relu_states, label="relu", high=0.5, low=-0.5),
]  # fmt: skip

# Reached by the gradients of the rows above.
REACHED = {"rnn_backward"}
