"""What the kernel tests share: they need oneDNN, and ask the kernels to serve sizes they would leave to NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine.kernels.cpu import (
    activation,
    arithmetic,
    copy,
    elementary,
    linear,
    matrix,
    normalization,
    one_row,
    onednn,
    packs,
    plans,
    pool,
    pooling,
    statistics,
)

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
THRESHOLDS = (
    (matrix, "FEWEST_PRODUCTS"),
    (linear, "FEWEST_PRODUCTS"),
    (linear, "OFTEN"),
    (one_row, "FEWEST_PRODUCTS"),
    (activation, "FEWEST"),
    (activation, "FEWEST_RELU"),
    (activation, "FEWEST_SOFTMAX"),
    (copy, "FEWEST"),
    (elementary, "FEWEST"),
    (arithmetic, "FEWEST"),
    (normalization, "FEWEST"),
    (pooling, "FEWEST"),
    (statistics, "FEWEST"),
)


@pytest.fixture(autouse=True)
def _library() -> None:
    loaded, sentence = onednn.status()
    if not loaded:
        pytest.skip(sentence)


@pytest.fixture(autouse=True)
def _every_size(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module, name in THRESHOLDS:
        monkeypatch.setattr(module, name, 1)
    plans.clear()
    yield
    plans.clear()
    packs.clear()
    pool.trim()


@pytest.fixture
def make() -> Callable[..., Any]:
    """Arrays of a shape in a named memory layout: dense, channels last, cut from a larger array, or transposed."""

    def build(shape: tuple[int, ...], layout: str = "dense", dtype: Any = np.float32, seed: int = 0) -> Any:
        if np.dtype(dtype) == BFLOAT16 and "AVX-512" not in onednn.status()[1]:
            pytest.skip("oneDNN computes in bfloat16 only where the machine has AVX-512")
        values = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
        if layout == "dense":
            return values
        if layout == "channels last":
            return np.moveaxis(np.ascontiguousarray(np.moveaxis(values, 1, -1)), -1, 1)
        if layout == "cut":
            whole = np.zeros(tuple(n + 3 for n in shape), dtype)
            part = whole[tuple(slice(2, 2 + n) for n in shape)]
        elif layout == "every other":
            part = np.zeros(tuple(2 * n for n in shape), dtype)[tuple(slice(None, None, 2) for _ in shape)]
        elif layout == "transposed":
            part = np.zeros(shape[::-1], dtype).T
        elif layout == "reversed":
            part = np.zeros(shape, dtype)[tuple(slice(None, None, -1) for _ in shape)]
        else:
            raise ValueError(layout)
        part[...] = values
        return part

    return build


@pytest.fixture
def assert_close() -> Callable[..., None]:
    """Equal within the rounding of the result's type, relative to the largest element."""

    def check(result: Any, expected: Any, tolerance: float | None = None) -> None:
        assert result is not NotImplemented
        assert result.shape == expected.shape
        allowed = tolerance or (1e-2 if result.dtype == BFLOAT16 else 2e-6)
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(result.astype(np.float64), expected, rtol=allowed, atol=allowed * scale)

    return check
