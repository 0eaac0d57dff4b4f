"""Activations, softmax and arithmetic against their formulas in float64; NaN and infinities as NumPy has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine import ops
from numzoo.engine.kernels.cpu import activation, arithmetic, elementary, plans, pool

erf = np.vectorize(math.erf, otypes=[float])


def logistic(x: Any) -> Any:
    return 0.5 * (np.tanh(0.5 * x) + 1)


def gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


FORWARD: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "relu": (activation.relu, lambda x: np.maximum(x, 0)),
    "relu6": (partial(activation.hardtanh, low=0.0, high=6.0), lambda x: np.clip(x, 0, 6)),
    "gelu": (activation.gelu, lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2)))),
    "gelu_tanh": (activation.gelu_tanh, gelu_tanh),
    "silu": (activation.silu, lambda x: x * logistic(x)),
    "hardswish": (activation.hardswish, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "sigmoid": (elementary.sigmoid, logistic),
    "tanh": (elementary.tanh, np.tanh),
}
BACKWARD: dict[str, Callable[..., Any]] = {
    "relu": activation.relu_input,
    "relu6": partial(activation.hardtanh_input, low=0.0, high=6.0),
    "gelu": activation.gelu_input,
    "gelu_tanh": activation.gelu_tanh_input,
    "silu": activation.silu_input,
    "hardswish": activation.hardswish_input,
    "sigmoid": elementary.sigmoid_input,
    "tanh": elementary.tanh_input,
}
FROM_RESULT = ("relu", "relu6", "sigmoid", "tanh")
LAYOUTS = ["dense", "channels last", "transposed"]


def permuted(make: Any, layout: str, dtype: Any, seed: int = 0) -> Any:
    x = make((2, 5, 7, 9), layout, dtype, seed)
    return x * np.asarray(4, dtype) if layout != "transposed" else np.multiply(x, np.asarray(4, dtype), out=x)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", FORWARD)
def test_an_activation_is_its_formula(make: Any, assert_close: Any, name: str, layout: str, dtype: Any) -> None:
    kernel, formula = FORWARD[name]
    x = permuted(make, layout, dtype)
    result = kernel(x)
    assert_close(result, formula(x.astype(np.float64)))
    assert result.strides == x.strides


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", BACKWARD)
def test_a_gradient_is_the_slope_of_its_formula(make: Any, assert_close: Any, name: str, layout: str) -> None:
    formula, step = FORWARD[name][1], 1e-6
    x, flow = permuted(make, layout, np.float32), permuted(make, "dense", np.float32, seed=1)
    wide = x.astype(np.float64)
    slope = (formula(wide + step) - formula(wide - step)) / (2 * step)
    data = FORWARD[name][0](x) if name in FROM_RESULT else x
    assert_close(BACKWARD[name](flow, data), flow * slope, 2e-5)


@pytest.mark.parametrize("name", FORWARD)
def test_nan_stays_nan(name: str) -> None:
    x = np.linspace(-2, 2, 1000, dtype=np.float32)
    x[::7] = np.nan
    result = FORWARD[name][0](x)
    assert np.array_equal(np.isnan(result), np.isnan(x))


def test_relu_of_infinities_and_zeros() -> None:
    x = np.array([np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0] * 100, np.float32)
    assert np.array_equal(activation.relu(x), np.maximum(x, 0))


def test_relu_reads_zeros_however_large_the_array_grows() -> None:
    for size in (10, 100_000, 1000, 300_000):
        x = np.full(size, -1, np.float32)
        assert not activation.relu(x).any()


def test_hardtanh_takes_arrays_of_any_length_block_by_block(monkeypatch: Any) -> None:
    monkeypatch.setattr(activation, "BLOCK", 64)
    activation._constant.cache_clear()
    for size in (1, 63, 64, 65, 1000):
        x = np.linspace(-4, 9, size).astype(ml_dtypes.bfloat16)
        assert np.array_equal(activation.hardtanh(x, low=0.0, high=6.0), np.maximum(np.minimum(x, 6), 0))
    activation._constant.cache_clear()


def test_what_flows_back_stops_on_limits_that_the_type_rounds() -> None:
    limit = np.full(4096, 0.1, ml_dtypes.bfloat16)
    result = activation.hardtanh(np.ones(4096, ml_dtypes.bfloat16), low=-0.1, high=0.1)
    assert np.array_equal(result, limit)
    assert not activation.hardtanh_input(np.ones_like(result), result, low=-0.1, high=0.1).any()


@pytest.mark.parametrize(
    "x", [np.ones((0, 3), np.float32), np.ones(64), np.ones(64, np.int32), np.ones((64, 64), np.float32)[:, ::2]]
)
@pytest.mark.parametrize("name", FORWARD)
def test_what_is_not_dense_floats_is_left_to_the_body(name: str, x: Any) -> None:
    assert FORWARD[name][0](x) is NotImplemented


@pytest.mark.parametrize("name", FORWARD)
def test_small_arrays_are_left_to_numpy(name: str, monkeypatch: Any) -> None:
    monkeypatch.undo()
    plans.clear()
    assert FORWARD[name][0](np.ones(64, np.float32)) is NotImplemented


@pytest.mark.parametrize("layout", ["dense", "cut", "channels last"])
def test_softmax_rows_add_up_to_one(make: Any, assert_close: Any, layout: str) -> None:
    x = make((3, 4, 50), layout) * 10
    wide = x.astype(np.float64)
    expected = np.exp(wide - wide.max(-1, keepdims=True))
    expected /= expected.sum(-1, keepdims=True)
    assert_close(activation.softmax(x, axis=-1), expected)
    assert_close(activation.softmax(x, axis=2), expected)
    assert_close(activation.log_softmax(x, axis=-1), np.log(expected), 1e-5)
    assert activation.softmax(x, axis=1) is NotImplemented


def test_softmax_of_masked_rows(assert_close: Any) -> None:
    x = np.zeros((4, 8), np.float32)
    x[0, 3:] = -np.inf
    result = activation.softmax(x)
    assert_close(result[0], np.array([1 / 3] * 3 + [0] * 5))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_softmax_leaves_nan_and_infinity_to_the_body(value: float) -> None:
    x = np.zeros((4, 8), np.float32)
    x[1, 2] = value
    assert activation.softmax(x) is NotImplemented
    assert activation.log_softmax(x) is NotImplemented


PAIRS = [
    ((2, 8, 5, 6), (2, 8, 5, 6)),
    ((2, 8, 5, 6), (1, 8, 1, 1)),
    ((2, 8, 5, 6), (8, 1, 1)),
    ((2, 8, 5, 6), (2, 8, 1, 1)),
    ((2, 8, 5, 6), (1,)),
    ((2, 8, 5, 6), ()),
    ((2, 8, 5, 6), (6,)),
    ((4, 6, 16), (6, 16)),
    ((4, 6, 16), (4, 1, 16)),
    ((40, 16), (40, 1)),
    ((1, 1), (1, 1)),
]
OPERATIONS = {
    "add": (arithmetic.add, np.add),
    "sub": (arithmetic.sub, np.subtract),
    "mul": (arithmetic.mul, np.multiply),
    "div": (arithmetic.div, np.divide),
}


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("layout", ["dense", "channels last"])
@pytest.mark.parametrize(("left", "right"), PAIRS, ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_arithmetic_is_numpys(
    make: Any, assert_close: Any, name: str, left: Any, right: Any, layout: str, dtype: Any
) -> None:
    kernel, reference = OPERATIONS[name]
    x, y = make(left, layout, dtype), make(right, dtype=dtype, seed=1)
    y = np.where(np.abs(y) < 0.1, np.asarray(1, dtype), y)
    result = kernel(x, y)
    served = layout == "dense" or right in ((2, 8, 5, 6), (1, 8, 1, 1), (8, 1, 1), (1,), ())
    assert (result is not NotImplemented) or not served
    if result is not NotImplemented:
        assert_close(result, reference(x.astype(np.float64), y.astype(np.float64)))
    if served:
        assert result.strides == x.strides
    if name in ("add", "mul") and result is not NotImplemented:
        assert_close(kernel(y, x), reference(y.astype(np.float64), x.astype(np.float64)))


def test_arithmetic_of_two_layouts_takes_the_first_ones(make: Any, assert_close: Any) -> None:
    x, y = make((2, 8, 5, 6), "channels last"), make((2, 8, 5, 6), seed=1)
    result = arithmetic.add(x, y)
    assert_close(result, x.astype(np.float64) + y)
    assert result.strides == x.strides


def test_arithmetic_with_an_expanded_operand(make: Any, assert_close: Any) -> None:
    x, y = make((4, 6, 16)), np.broadcast_to(make((4, 1, 16), seed=1), (4, 6, 16))
    result = arithmetic.mul(x, y)
    assert_close(result, x.astype(np.float64) * y)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((3, 4), np.float32), np.ones((3, 5), np.float32)),
        (np.ones((3, 1), np.float32), np.ones((1, 5), np.float32)),
        (np.ones((3, 4), np.float32), np.ones((3, 4))),
        (np.ones((0, 4), np.float32), np.ones((0, 4), np.float32)),
        (np.ones((3, 4), np.float32)[:, ::2], np.ones((3, 2), np.float32)),
    ],
)
@pytest.mark.parametrize("name", OPERATIONS)
def test_other_pairs_are_numpys(name: str, x: Any, y: Any) -> None:
    kernel, reference = OPERATIONS[name]
    if name == "div":
        assert kernel(x, y) is NotImplemented
    elif x.shape[-1] != y.shape[-1] and 1 not in (x.shape[-1], y.shape[-1]):
        with pytest.raises(ValueError, match="broadcast"):
            kernel(x, y)
    else:
        np.testing.assert_array_equal(kernel(x, y), reference(x, y))


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (None, 1.0), (-1.0, None)])
def test_clip_keeps_nan_and_layout(make: Any, low: float | None, high: float | None) -> None:
    x = make((2, 64, 20, 20), "channels last")
    x[0, 0, 0, 0] = np.nan
    result = arithmetic.clip(x, low=low, high=high)
    assert np.array_equal(result, np.clip(x, low, high), equal_nan=True)
    assert result.strides == x.strides
    assert pool.held_bytes() > 0


def test_clip_without_bounds_is_left_to_the_body(make: Any) -> None:
    assert arithmetic.clip(make((300, 300))) is NotImplemented


@pytest.mark.parametrize("name", ["gelu_tanh", "silu"])
def test_a_few_numbers_of_bfloat16_are_computed_in_float32_and_rounded_once(
    make: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(activation, "FEWEST", 1 << 12)
    x = make((3, 100), dtype=ml_dtypes.bfloat16)
    wanted = getattr(ops, name).body(np, x.astype(np.float32)).astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(getattr(activation, name)(x), wanted)
