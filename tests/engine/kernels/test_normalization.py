"""Batch and layer normalisation against their formulas in float64."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine.kernels.cpu.batching import batch_norm, batch_norm_backward, batch_norm_training
from numzoo.engine.kernels.cpu.normalization import layer_norm, layer_norm_backward

EPSILON = 1e-3
SHAPES = [(4, 16, 6, 6), (2, 5, 3, 4), (3, 7), (2, 6, 9), (1, 8, 1, 1), (2, 3, 2, 3, 2)]
LAYOUTS = ["dense", "channels last", "cut"]
GIVEN = [(True, True), (True, False), (False, True), (False, False)]


def column(vector: Any, ndim: int) -> Any:
    return np.asarray(vector, np.float64).reshape(-1, *(1,) * (ndim - 2))


def around(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_with_given_statistics(
    make: Any, assert_close: Any, shape: Any, layout: str, given: Any, dtype: Any
) -> None:
    channels = (shape[1],)
    x = make(shape, layout, dtype)
    weight = make(channels, dtype=dtype, seed=1) if given[0] else None
    bias = make(channels, dtype=dtype, seed=2) if given[1] else None
    mean, variance = make(channels, seed=3), np.abs(make(channels, seed=4)) + np.float32(0.1)
    expected = (x.astype(np.float64) - column(mean, x.ndim)) / np.sqrt(column(variance, x.ndim) + EPSILON)
    expected = expected * (column(weight, x.ndim) if given[0] else 1) + (column(bias, x.ndim) if given[1] else 0)
    result = batch_norm(x, weight, bias, mean, variance, epsilon=EPSILON)
    assert_close(result, expected)
    assert np.moveaxis(result, 1, -1).flags.c_contiguous


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_in_training_and_its_gradients(
    make: Any, assert_close: Any, shape: Any, layout: str, given: Any
) -> None:
    x, flow = make(shape, layout), make(shape, seed=5)
    weight = make((shape[1],), seed=1) if given[0] else None
    bias = make((shape[1],), seed=2) if given[1] else None
    wide, ndim, count = x.astype(np.float64), x.ndim, x.size // x.shape[1]
    mean, variance = wide.mean(around(x)), wide.var(around(x))
    inverse = column(1 / np.sqrt(variance + EPSILON), ndim)
    hat, scale = (wide - column(mean, ndim)) * inverse, column(weight, ndim) if given[0] else 1

    out, got_mean, got_variance = batch_norm_training(x, weight, bias, epsilon=EPSILON)
    assert_close(out, hat * scale + (column(bias, ndim) if given[1] else 0), 1e-5)
    assert_close(got_mean, mean, 1e-5)
    assert_close(got_variance, variance, 1e-5)

    along, total = (flow * hat).sum(around(x)), flow.astype(np.float64).sum(around(x))
    dx = (flow - (column(total, ndim) + hat * column(along, ndim)) / count) * inverse * scale
    got = batch_norm_backward(flow, x, weight, got_mean, got_variance, epsilon=EPSILON)
    for result, expected in zip(got, (dx, along, total), strict=True):
        assert_close(result, expected, 1e-4)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize(
    ("shape", "axes"), [((4, 32), 1), ((2, 3, 768), 1), ((2, 3, 5, 7), 2), ((5, 1), 1), ((9,), 1), ((2, 4), 2)], ids=str
)
def test_layer_norm_and_its_gradients(
    make: Any, assert_close: Any, shape: Any, axes: int, given: Any, dtype: Any
) -> None:
    tail, last = shape[len(shape) - axes :], tuple(range(-axes, 0))
    x, flow = make(shape, "cut", dtype), make(shape, dtype=dtype, seed=5)
    weight = make(tail, dtype=dtype, seed=1) if given[0] else None
    bias = make(tail, dtype=dtype, seed=2) if given[1] else None
    wide, upstream = x.astype(np.float64), flow.astype(np.float64)
    mean, variance = wide.mean(last, keepdims=True), wide.var(last, keepdims=True)
    inverse = 1 / np.sqrt(variance + EPSILON)
    hat, scale = (wide - mean) * inverse, weight.astype(np.float64) if given[0] else 1

    out, got_mean, got_inverse = layer_norm(x, weight, bias, epsilon=EPSILON, axes=axes)
    assert_close(out, hat * scale + (bias.astype(np.float64) if given[1] else 0), 1e-2 if dtype != np.float32 else 1e-5)
    assert_close(got_mean, mean, 1e-5)
    assert_close(got_inverse, inverse, 1e-5)

    scaled, lead = upstream * scale, tuple(range(x.ndim - axes))
    dx = (scaled - scaled.mean(last, keepdims=True) - hat * (scaled * hat).mean(last, keepdims=True)) * inverse
    got = layer_norm_backward(flow, x, weight, got_mean, got_inverse, axes=axes)
    expected = (dx, (upstream * hat).sum(lead), upstream.sum(lead))
    for result, want in zip(got, expected, strict=True):
        assert_close(result, want, 1e-2 if dtype != np.float32 else 1e-4)


REFUSED = {
    "double precision": lambda: batch_norm_training(np.ones((4, 4))),
    "a weight of another length": lambda: batch_norm_training(np.ones((4, 4), np.float32), np.ones(3, np.float32)),
    "an integer weight": lambda: batch_norm_training(np.ones((4, 4), np.float32), np.ones(4, np.int32)),
    "no examples": lambda: batch_norm_training(np.ones((0, 4), np.float32)),
    "one axis": lambda: batch_norm_training(np.ones(4, np.float32)),
    "a gradient of another shape": lambda: batch_norm_backward(
        np.ones((4, 3), np.float32),
        np.ones((4, 4), np.float32),
        None,
        np.ones(4, np.float32),
        np.ones(4, np.float32),
        epsilon=1e-5,
    ),
    "no axes": lambda: layer_norm(np.ones((4, 4), np.float32), axes=0),
    "more axes than there are": lambda: layer_norm(np.ones((4, 4), np.float32), axes=3),
    "a layer of width zero": lambda: layer_norm(np.ones((4, 0), np.float32)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_left_to_the_body(name: str) -> None:
    assert REFUSED[name]() is NotImplemented
