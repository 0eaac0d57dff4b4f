"""The rows of ``ops/sequences/transducer.py``."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from numzoo.engine import ops

from .row import Row, beside

LABELS, STEPS, LENGTHS = [[1, 2], [3, 3]], [3, 2], [2, 1]


def likelihood(x: Any, labels: Any, steps: int, blank: int) -> Any:
    """The probabilities of all ways through the grid, each a choice of where labels are said among the steps, summed."""
    total = 0.0
    for said in itertools.combinations(range(steps + len(labels) - 1), len(labels)):
        t = u = 0
        product = 1.0
        for place in range(steps + len(labels)):
            product *= np.exp(x[t, u, labels[u] if place in said else blank])
            t, u = (t, u + 1) if place in said else (t + 1, u)
        total += product
    return total


def nll(x: Any, *, normal: bool = False) -> Any:
    scores = x if normal else x - np.log(np.exp(x).sum(axis=3, keepdims=True))
    return np.array(
        [
            -np.log(likelihood(scores[n], LABELS[n][: LENGTHS[n]], STEPS[n], blank=0))
            for n in range(2)
        ]
    )  # fmt: skip


def transducer(x: Any, *, normal: bool = False) -> Any:
    labels, steps, lengths = (beside(x, each) for each in (LABELS, STEPS, LENGTHS))
    return ops.transducer_nll(x, labels, steps, lengths, blank=0, normal=normal, clamp=-1.0)


ROWS = [
    Row("transducer_nll", ((2, 3, 3, 4),), nll, call=transducer),
    Row("transducer_nll", ((2, 3, 3, 4),), nll, {"normal": True}, call=transducer, label="normal"),
]

# Reached by the gradients of the rows above.
REACHED = {"transducer_nll_input"}
