"""Normalisation of a single example along its last axis, as each step of a decoder does it many times: few calls, no preparation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .memory import BFLOAT16, FLOAT32, Array

MOST = 1 << 14
"""Numbers up to which the plain formula is fastest."""


def is_one(x: Array, axes: int, *vectors: Array | None) -> bool:
    """Whether x is one dense example along its last axis, and the vectors are of its length and type."""
    shape = x.shape
    if axes != 1 or not shape or not 0 < x.size <= MOST or shape[-1] != x.size or x.dtype not in (FLOAT32, BFLOAT16):
        return False
    return all(each is None or (each.shape == shape[-1:] and each.dtype == x.dtype) for each in vectors)


def layer_norm(x: Array, weight: Array | None, bias: Array | None, epsilon: float) -> tuple[Array, Array, Array]:
    """The example to mean 0 and variance 1, scaled and shifted; with its mean and 1 / sqrt(variance + epsilon)."""
    values = _wide(x).reshape(-1)
    count = len(values)
    mean = np.add.reduce(values) / np.float32(count)
    out = values - mean
    inverse = _inverse(float(np.dot(out, out)) / count + epsilon)
    out *= inverse
    if weight is not None:
        out *= _wide(weight)
    if bias is not None:
        out += _wide(bias)
    return _like(x, out), _number(x, mean), _number(x, inverse)


def rms_norm(x: Array, weight: Array | None, epsilon: float) -> tuple[Array, Array]:
    """The example over the root of its mean square, scaled; with the factor."""
    values = _wide(x).reshape(-1)
    inverse = _inverse(float(np.dot(values, values)) / len(values) + epsilon)
    out = values * inverse
    if weight is not None:
        out *= _wide(weight)
    return _like(x, out), _number(x, inverse)


def _inverse(square: float) -> Any:
    # NaN, infinity and 0 give what NumPy gives, and Python's own root and quotient refuse.
    return np.float32(1 / math.sqrt(square)) if 0 < square < math.inf else np.float32(square) ** np.float32(-0.5)


def _wide(x: Array) -> Array:
    return x if x.dtype == FLOAT32 else x.astype(FLOAT32)


def _like(x: Array, out: Array) -> Array:
    return (out if x.dtype == FLOAT32 else out.astype(x.dtype)).reshape(x.shape)


def _number(x: Array, value: Any) -> Array:
    return np.full((1,) * x.ndim, value, FLOAT32)
