"""Batch normalisation with a sum and a ReLU behind it, against the formulas in float64; and its gradients, whose masks the kernels keep."""

from __future__ import annotations

from itertools import product
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine.kernels.cpu import following
from numzoo.engine.kernels.cpu.batching import (
    batch_norm,
    batch_norm_backward,
    batch_norm_residual_backward,
    batch_norm_training,
)

EPSILON = 1e-3
SHAPES = [(4, 16, 6, 6), (2, 5, 3, 4), (3, 20, 5, 7), (3, 24), (2, 48, 9), (1, 8, 1, 1), (2, 3, 2, 3, 2), (2, 32, 5, 5)]
LIMITS: dict[str | None, tuple[float, float]] = {None: (-np.inf, np.inf), "relu": (0, np.inf), "relu6": (0, 6)}
FLOATS = [np.float32, ml_dtypes.bfloat16, np.float16]
TOLERANCE = {"float32": 2e-5, "bfloat16": 2e-2, "float16": 3e-3}


@pytest.fixture(autouse=True)
def _several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BLOCK", 1 << 10)
    monkeypatch.setattr(following, "NARROW_BLOCK", 1 << 8)


def column(vector: Any, ndim: int) -> Any:
    return np.asarray(vector, np.float64).reshape(-1, *(1,) * (ndim - 2))


def around(x: Any) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


class Case:
    """One normalisation: its arrays, and what they make in float64."""

    def __init__(
        self, make: Any, shape: Any, layout: str, dtype: Any, residual: bool, activation: str | None, given: bool
    ) -> None:
        channels = (shape[1],)
        self.activation, self.ndim = activation, len(shape)
        self.x, self.flow = make(shape, layout, dtype), make(shape, dtype=dtype, seed=5)
        self.weight, self.bias = (
            make(channels, seed=1) * np.float32(3) if given else None,
            make(channels, seed=2) if given else None,
        )
        self.residual = make(shape, "cut", dtype, seed=6) if residual else None
        self.wide = self.x.astype(np.float64)
        self.mean, self.variance = self.wide.mean(around(self.x)), self.wide.var(around(self.x))
        self.inverse = column(1 / np.sqrt(self.variance + EPSILON), self.ndim)
        self.hat = (self.wide - column(self.mean, self.ndim)) * self.inverse
        self.scale = column(self.weight, self.ndim) if given else 1.0
        before = self.hat * self.scale + (column(self.bias, self.ndim) if given else 0)
        self.before = before + (0 if self.residual is None else self.residual.astype(np.float64))
        self.out = np.clip(self.before, *LIMITS[activation])
        self.tolerance = TOLERANCE[np.dtype(dtype).name]

    def gradients(self, result: Any) -> tuple[Any, ...]:
        """For x, weight, bias and the residual, past the activation's mask of this result."""
        low, high = LIMITS[self.activation]
        flow = self.flow.astype(np.float64) * ((result > low) & (result < high))
        along, total = (flow * self.hat).sum(around(flow)), flow.sum(around(flow))
        count = self.x.size // self.x.shape[1]
        mixed = (column(total, self.ndim) + self.hat * column(along, self.ndim)) / count
        return (flow - mixed) * self.inverse * self.scale, along, total, flow


CASES = [
    *product(SHAPES, ["dense", "cut"], FLOATS[:1], [False, True], LIMITS, [True]),
    *product([(4, 16, 6, 6), (3, 20, 5, 7)], ["channels last"], FLOATS, [False, True], LIMITS, [False, True]),
]


@pytest.mark.parametrize(("shape", "layout", "dtype", "residual", "activation", "given"), CASES)
def test_the_sum_and_the_activation_are_those_of_the_formula(
    make: Any, assert_close: Any, shape: Any, layout: str, dtype: Any, residual: bool, activation: Any, given: bool
) -> None:
    case = Case(make, shape, layout, dtype, residual, activation, given)
    settings = {"epsilon": EPSILON, "activation": activation}
    vectors = case.mean.astype(np.float32), case.variance.astype(np.float32)
    by_given = batch_norm(case.x, case.weight, case.bias, *vectors, case.residual, **settings)
    assert_close(by_given, case.out, case.tolerance)
    out, mean, variance, *mask = batch_norm_training(case.x, case.weight, case.bias, case.residual, **settings)
    assert out.dtype == case.x.dtype == by_given.dtype
    assert_close(out, case.out, case.tolerance)
    assert_close(mean, case.mean, case.tolerance)
    assert_close(variance, case.variance, case.tolerance)
    result = None if activation is None else out
    if residual and activation is not None:
        got = batch_norm_residual_backward(case.flow, case.x, case.weight, mean, variance, out, **settings)
        assert len(got) == 4
    else:
        got = batch_norm_backward(case.flow, case.x, case.weight, mean, variance, case.bias, result, *mask, **settings)
    tolerance = case.tolerance * (
        10 if shape[0] * np.prod(shape[2:]) > 2 else 100
    )  # two numbers have hardly a variance
    for found, wanted in zip(got, case.gradients(out.astype(np.float64)), strict=False):
        assert_close(found, wanted, tolerance)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("shape", [(4, 16, 6, 6), (2, 24, 5, 5), (3, 20, 5, 7)])
def test_a_mask_that_is_kept_made_or_left_out_gives_the_same_gradients(make: Any, shape: Any, activation: str) -> None:
    case = Case(make, shape, "channels last", np.float32, False, activation, True)
    settings = {"epsilon": EPSILON, "activation": activation}
    out, mean, variance, mask = batch_norm_training(case.x, case.weight, case.bias, **settings)
    assert (mask is not None) == (activation == "relu" and shape[1] % 8 == 0)
    given = (case.flow, case.x, case.weight, mean, variance, case.bias)
    kept, made = (batch_norm_backward(*given, out, left, **settings) for left in (mask, None))
    elsewhere = batch_norm_backward(*given, np.ascontiguousarray(out), **settings)
    for a, b, c in zip(kept, made, elsewhere, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(a, c, rtol=1e-5, atol=1e-6)
    if mask is not None:
        inverted = batch_norm_backward(*given, out, ~mask, **settings)
        assert np.abs(inverted[2] - kept[2]).max() > 0.1  # so the mask is what decides


NUMBERS = [-np.inf, -1.0, -0.0, 0.0, 3.0, 6.0, 7.0, np.inf, np.nan]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("residual", [False, True])
def test_what_is_not_finite_passes_as_it_does_without_fusion(
    make: Any, residual: bool, activation: str, dtype: Any
) -> None:
    values = np.zeros((2, 16, 3, 3), dtype)
    values.reshape(2, 16, 9)[..., :] = np.array(NUMBERS, dtype)
    nothing, one, held = np.zeros_like(values), np.ones(16, np.float32), np.zeros(16, np.float32)
    x, beside = (nothing, values) if residual else (values, None)
    wanted = np.clip(values.astype(np.float32), *LIMITS[activation])
    given = batch_norm(x, None, None, held, one, beside, epsilon=0.0, activation=activation)
    np.testing.assert_array_equal(given.astype(np.float32), wanted)
    if residual:
        x = make(values.shape, dtype=dtype)
        own = batch_norm_training(x, None, None, epsilon=EPSILON)[0].astype(np.float32)
        wanted = np.clip(own + values.astype(np.float32), *LIMITS[activation])
        trained = batch_norm_training(x, None, None, beside, epsilon=EPSILON, activation=activation)[0]
        np.testing.assert_allclose(trained.astype(np.float32), wanted, rtol=2e-2, atol=2e-2)
        return
    values[0, 3, 0, 0] = np.nan
    finite = make(values.shape, dtype=dtype)
    finite[0, 3, 0, 0] = np.nan
    with np.errstate(invalid="ignore"):
        trained = batch_norm_training(finite, one, held, epsilon=EPSILON, activation=activation)[0].astype(np.float32)
    assert np.isnan(trained[:, 3]).all()
    assert not np.isnan(np.delete(trained, 3, axis=1)).any()


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("place", ["weight", "bias"])
def test_a_scale_or_a_shift_that_is_nan_is_not_taken_for_0(make: Any, place: str, activation: str) -> None:
    x, vectors = make((4, 16, 6, 6)), {"weight": np.ones(16, np.float32), "bias": np.ones(16, np.float32)}
    vectors[place][5] = np.nan
    out = batch_norm_training(x, **vectors, epsilon=EPSILON, activation=activation)[0]
    assert np.isnan(out[:, 5]).all()
    assert not np.isnan(np.delete(out, 5, axis=1)).any()


X = np.ones((2, 16, 3, 3), np.float32)
REFUSED = {
    "another activation": lambda: batch_norm_training(X, activation="gelu"),
    "an activation that is no text": lambda: batch_norm_training(X, activation=["relu"]),  # type: ignore[arg-type]
    "a residual of another shape": lambda: batch_norm_training(X, None, None, X[:1]),
    "a residual of another type": lambda: batch_norm_training(X, None, None, X.astype(np.float64)),
    "the same with given statistics": lambda: batch_norm(X, None, None, X[0, :, 0, 0], X[0, :, 0, 0], X[:1]),
    "a mask without its result": lambda: batch_norm_backward(
        X, X, None, X[0, :, 0, 0], X[0, :, 0, 0], epsilon=1e-5, activation="relu"
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_left_to_the_body(name: str) -> None:
    assert REFUSED[name]() is NotImplemented
