"""Normalisation of one example: the body's results, and what numbers at the edge come to."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine import ops
from numzoo.engine.kernels.cpu import grouping, normalization

SHAPES = [(7,), (1, 1, 576), (1, 1)]


def drawn(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32).astype(dtype)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_it_is_the_body(name: str, dtype: Any, shape: tuple[int, ...], scaled: bool) -> None:
    kernel = normalization.layer_norm if name == "layer_norm" else grouping.rms_norm
    vectors = [drawn(shape[-1:], dtype, seed) for seed in (1, 2)[: 2 if name == "layer_norm" else 1]] if scaled else []
    x = drawn(shape, dtype) + dtype(3)
    body = getattr(ops, name).body(np, x, *vectors, epsilon=1e-3)
    for given, wanted in zip(kernel(x, *vectors, epsilon=1e-3), body, strict=True):
        assert (given.dtype, given.shape) == (wanted.dtype, wanted.shape)
        allowed = 1e-5 if given.dtype == np.float32 else 1e-2
        np.testing.assert_allclose(given.astype(np.float64), wanted.astype(np.float64), rtol=allowed, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf, 1e30])
@pytest.mark.parametrize("name", ["layer_norm", "rms_norm"])
def test_zeros_and_what_is_no_number_give_what_the_body_gives(name: str, value: float) -> None:
    kernel: Any = normalization.layer_norm if name == "layer_norm" else grouping.rms_norm
    x = np.full((1, 8), value, np.float32)
    with np.errstate(all="ignore"):
        given, wanted = kernel(x, epsilon=0.0)[0], getattr(ops, name).body(np, x, epsilon=0.0)[0]
    np.testing.assert_array_equal(given, wanted)
