"""A convolution computed with the normalisation, the sum and the ReLU behind it, against the kernels of each, one after another."""

from __future__ import annotations

from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine.kernels.cpu import winograd
from numzoo.engine.kernels.cpu.batching import batch_norm
from numzoo.engine.kernels.cpu.convolution import conv2d
from numzoo.engine.kernels.cpu.convolved_norm import conv2d_norm
from numzoo.engine.kernels.cpu.following import LIMITS
from numzoo.engine.ops.layers.batching import CURVES

PLAIN: dict[str, Any] = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
WINDOWS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "1 x 1": ((3, 16, 6, 5), (24, 16, 1, 1), {}),
    "3 x 3, apart": ((2, 16, 9, 8), (20, 16, 3, 3), {"stride": (2, 2), "padding": (1, 1)}),
    "3 x 3, as Winograd computes it": ((2, 16, 9, 8), (24, 16, 3, 3), {"padding": (1, 1)}),
    "depthwise": ((2, 32, 7, 7), (32, 1, 3, 3), {"padding": (1, 1), "groups": 32}),
    "depthwise with gaps and a border": (
        (2, 32, 9, 9),
        (32, 1, 3, 3),
        {"padding": (2, 2), "dilation": (2, 2), "groups": 32},
    ),
    "a row in groups": ((2, 8, 6, 9), (12, 4, 1, 3), {"groups": 2, "dilation": (1, 2)}),
}
FLOATS = [np.float32, ml_dtypes.bfloat16, np.float16]


@pytest.fixture(autouse=True)
def _small_ones_by_winograd(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEWEST_CHANNELS", "FEWEST_PAIRS", "MANY_TILES", "FEWEST_TILES"):
        monkeypatch.setattr(winograd, name, 1)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", [None, "relu", "relu6", "silu", "hardswish"])
@pytest.mark.parametrize(("residual", "given"), list(product([False, True], repeat=2)))
@pytest.mark.parametrize("name", WINDOWS)
def test_one_kernel_gives_what_the_kernels_give_one_after_another(
    make: Any, name: str, residual: bool, given: bool, activation: Any, dtype: Any
) -> None:
    shape, window, more = WINDOWS[name]
    settings = {**PLAIN, **more}
    x, weight, bias = (
        make(shape, "cut", dtype),
        make(window, dtype=dtype, seed=1) * np.asarray(0.2, dtype),
        make(window[:1], seed=2),
    )
    scale, shift = (make(window[:1], seed=3), make(window[:1], seed=4)) if given else (None, None)
    mean, variance = make(window[:1], seed=5), np.abs(make(window[:1], seed=6)) + np.float32(0.5)
    own = bias.astype(dtype) if given else None
    plain = conv2d(x, weight, own, **settings)
    if plain is NotImplemented:
        assert (
            conv2d_norm(x, weight, own, scale, shift, mean, variance, epsilon=1e-3, activation=activation, **settings)
            is NotImplemented
        )
        return
    if residual and activation in CURVES:
        return  # which the body refuses
    beside = make(plain.shape, "cut", dtype, seed=7) if residual else None
    after = activation if activation in LIMITS else None
    wanted = batch_norm(plain, scale, shift, mean, variance, beside, epsilon=1e-3, activation=after)
    if activation in CURVES:
        wanted = CURVES[activation].body(np, wanted.astype(np.float32)).astype(dtype)
    found = conv2d_norm(
        x, weight, own, scale, shift, mean, variance, beside, epsilon=1e-3, activation=activation, **settings
    )
    assert found.dtype == wanted.dtype == dtype
    assert found.shape == wanted.shape
    assert np.moveaxis(found, 1, -1).flags.c_contiguous
    tolerance = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}[np.dtype(dtype).name]
    largest = float(np.abs(wanted.astype(np.float32)).max())
    np.testing.assert_allclose(
        found.astype(np.float32), wanted.astype(np.float32), rtol=0, atol=tolerance * max(1, largest)
    )
    if activation in LIMITS:
        assert (found.astype(np.float32) == 0).mean() > 0.1


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("name", ["1 x 1", "depthwise", "3 x 3, as Winograd computes it"])
def test_nan_passes_and_infinities_are_bounded(make: Any, name: str, activation: str) -> None:
    shape, window, more = WINDOWS[name]
    x, weight = make(shape, "channels last"), np.abs(make(window, seed=1))
    zeros, ones = np.zeros(window[0], np.float32), np.ones(window[0], np.float32)
    out = conv2d(x, weight, **{**PLAIN, **more}).shape
    beside = np.zeros(out, np.float32)
    beside[0, 0, 0, :4] = np.nan, -np.inf, np.inf, -1e9
    x[1, :, 2, 2] = np.nan
    found = conv2d_norm(
        x, weight, None, None, None, zeros, ones, beside, epsilon=0.0, activation=activation, **{**PLAIN, **more}
    )
    assert np.isnan(found[0, 0, 0, 0])
    assert found[0, 0, 0, 1:4].tolist() == [0, 6 if activation == "relu6" else np.inf, 0]
    assert np.isnan(found[1, :, 2, 2]).all()
    assert np.isnan(found[0]).sum() == 1


X = np.ones((2, 16, 4, 4), np.float32)
V = np.ones(8, np.float32)
REFUSED = {
    "double precision": lambda: conv2d_norm(X.astype(np.float64), np.ones((8, 16, 1, 1)), None, None, None, V, V, epsilon=0.1, activation=None, **PLAIN),
    "a line": lambda: conv2d_norm(X[:, :, 0], np.ones((8, 16, 1), np.float32), None, None, None, V, V, epsilon=0.1, activation=None, **PLAIN),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_left_to_the_body(name: str) -> None:
    assert REFUSED[name]() is NotImplemented
