"""The rows of ``ops/layers/residuals.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numzoo.engine import Tensor, ops

from .normalization import layer_norm_reference
from .row import Row, beside

KEEP = np.arange(36).reshape(2, 3, 6) % 3 > 0
LARGE = np.arange(96 * 256).reshape(3, 32, 256) % 3 > 0


class Drawn:
    """What draws the masks of a test."""

    def __init__(self, keep: Any) -> None:
        self.keep = keep
        self.state = None

    def kept(self, shape: tuple[int, ...], p: float, like: Any = None) -> Any:
        return beside(Tensor(like), self.keep).array


def rms_norm_reference(x: Any, w: Any) -> Any:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * w


def of_sum(normalise: Callable[..., Any], keep: Any = None) -> Any:
    """The normalised sum; elements that are left out are 0, others twice as large."""
    return lambda x, y, *vectors: normalise((x if keep is None else 2 * x * keep) + y, *vectors)


def both(name: str, **settings: Any) -> Any:
    """Of both results, that gradients flow into both."""

    def call(*tensors: Any) -> Any:
        out, total = getattr(ops, name)(*tensors, **settings)
        return out * 2.0 + total * total

    return call


def twice(normalise: Callable[..., Any]) -> Any:
    return lambda x, y, *vectors: 2.0 * normalise(x + y, *vectors) + (x + y) ** 2


def leaving_out(name: str, keep: Any) -> Any:
    return lambda *tensors: getattr(ops, name)(*tensors, p=0.5, stream=Drawn(keep))


SMALL, VECTOR = ((2, 3, 6),) * 2, (6,)
BIG, LONG = ((3, 32, 256),) * 2, (256,)
ROWS = [
    Row("add_layer_norm", (*SMALL, VECTOR, VECTOR), of_sum(layer_norm_reference)),
    Row("add_layer_norm", (*SMALL, VECTOR, VECTOR), of_sum(layer_norm_reference, KEEP), call=leaving_out("add_layer_norm", KEEP), label="left out"),
    Row("add_layer_norm", (*SMALL, VECTOR, VECTOR), twice(layer_norm_reference), call=both("add_layer_norm"), label="both"),
    Row("add_layer_norm", (*BIG, LONG, LONG), of_sum(layer_norm_reference), label="large"),
    Row("add_layer_norm", (*BIG, LONG, LONG), of_sum(layer_norm_reference, LARGE), call=leaving_out("add_layer_norm", LARGE), label="large, left out"),
    Row("add_rms_norm", (*SMALL, VECTOR), of_sum(rms_norm_reference)),
    Row("add_rms_norm", (*SMALL, VECTOR), of_sum(rms_norm_reference, KEEP), call=leaving_out("add_rms_norm", KEEP), label="left out"),
    Row("add_rms_norm", (*SMALL, VECTOR), twice(rms_norm_reference), call=both("add_rms_norm"), label="both"),
    Row("add_rms_norm", (*BIG, LONG), of_sum(rms_norm_reference), label="large"),
]  # fmt: skip

# Reached by the gradients of the rows above.
REACHED = {"add_layer_norm_backward", "add_rms_norm_backward"}
