"""The rows of ``ops/sequences/ctc.py``."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row, beside


def ctc_reference(x: Any) -> Any:
    """Every path through the classes, summed where it collapses to the labels."""
    losses = []
    for n, labels in enumerate(([1, 2], [2, 2])):
        total = 0.0
        for path in itertools.product(range(3), repeat=(4, 3)[n]):
            joined = [c for c, _ in itertools.groupby(path)]
            if [c for c in joined if c] == labels:
                total += np.exp(sum(x[t, n, c] for t, c in enumerate(path)))
        losses.append(-np.log(total))
    return np.array(losses)


def ctc(x: Any) -> Any:
    states = beside(x, [[0, 1, 0, 2, 0], [0, 2, 0, 2, 0]])
    return ops.ctc_nll(x, states, beside(x, [4, 3]), beside(x, [2, 2]))


ROWS = [Row("ctc_nll", ((4, 2, 3),), ctc_reference, call=ctc)]

# Reached by the gradients of the row above.
REACHED = {"ctc_nll_input"}
