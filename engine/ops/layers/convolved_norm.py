"""A convolution with the normalisation by stored statistics behind it, as a model in use computes it."""

from __future__ import annotations

from typing import Any

from ...dtype import Array
from ...op import op
from ..images.convolution import Pair, conv2d
from .batching import batch_norm

__all__ = ["conv2d_norm"]


@op()
def conv2d_norm(
    xp: Any, x: Array, weight: Array, bias: Array | None, scale: Array | None, shift: Array | None, mean: Array, variance: Array,
    residual: Array | None = None, *, stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1), groups: int = 1,
    epsilon: float = 1e-5, activation: str | None = None,
) -> Array:  # fmt: skip
    """batch_norm(conv2d(x, weight, bias), scale, shift, mean, variance, residual) with its activation, for where no gradient is wanted: it has none."""
    out = conv2d.body(xp, x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)
    made: Array = batch_norm.body(
        xp, out, scale, shift, mean, variance, residual, epsilon=epsilon, activation=activation
    )
    return made
