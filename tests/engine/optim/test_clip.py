"""Clipping: what changes, what is given back, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn, optim
from numzoo.engine.errors import ArgumentError, DtypeError, GradientError, SettingError


def with_gradients(*gradients: Any) -> list[nn.Parameter]:
    held = []
    for gradient in gradients:
        parameter = nn.Parameter(np.zeros(np.shape(gradient), getattr(gradient, "dtype", np.float32)))
        parameter.grad = engine.tensor(np.asarray(gradient, parameter.dtype))
        held.append(parameter)
    return held


def test_the_norm_is_of_all_gradients_together_and_given_back() -> None:
    held = [*with_gradients([3.0, 0.0], [[4.0]]), nn.Parameter(np.ones(3))]
    total = optim.clip_grad_norm_(iter(held), 1.0)
    assert isinstance(total, engine.Tensor)
    assert total.item() == 5.0
    np.testing.assert_allclose(held[0].grad.numpy(), [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(held[1].grad.numpy(), [[0.8]], rtol=1e-6)
    assert held[2].grad is None


def test_an_infinite_bound_only_measures() -> None:
    held = with_gradients([3.0, math.inf])
    assert optim.clip_grad_norm_(held, math.inf).item() == math.inf
    np.testing.assert_array_equal(held[0].grad.numpy(), [3.0, math.inf])


def test_narrow_gradients_are_scaled_exactly_and_rounded_once() -> None:
    drawn = np.random.default_rng(0).standard_normal(500).astype(engine.bfloat16)
    held = with_gradients(drawn)
    total = optim.clip_grad_norm_(held, 3.0).item()
    wanted = (drawn.astype(np.float32) * np.float32(3.0 / (total + 1e-6))).astype(engine.bfloat16)
    np.testing.assert_array_equal(held[0].grad.numpy(), wanted)


def test_what_is_short_enough_keeps_its_bits() -> None:
    held = with_gradients([0.1, 0.2])
    before = held[0].grad.numpy().copy()
    optim.clip_grad_norm_(held, 1.0)
    np.testing.assert_array_equal(held[0].grad.numpy(), before)


def test_no_gradients_have_the_norm_0() -> None:
    assert optim.clip_grad_norm_([], 1.0).item() == 0.0
    assert optim.clip_grad_norm_(nn.Parameter(np.ones(2)), 1.0, math.inf).item() == 0.0


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_norm_does_not_overflow_where_its_squares_would(dtype: str) -> None:
    big = 2.0**100 if dtype != "float16" else 2.0**15
    held = with_gradients(np.full(4, big, engine.dtype.as_dtype(dtype)))
    assert optim.clip_grad_norm_(held, 1.0).item() == 2 * big
    np.testing.assert_allclose(held[0].grad.numpy().astype(float), 0.5, rtol=1e-2)


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda a: np.repeat(a, 2, 0)[::2], lambda a: a[::-1]])
def test_any_layout_has_the_same_norm(layout: Any) -> None:
    parameter = nn.Parameter(np.zeros((300, 70)))
    gradient = np.random.default_rng(0).standard_normal((300, 70))
    parameter.grad = engine.Tensor(layout(gradient.copy()))
    np.testing.assert_allclose(optim.clip_grad_norm_(parameter, 1e9).item(), np.linalg.norm(gradient), rtol=1e-12)


def test_complex_gradients_count_by_their_size() -> None:
    held = with_gradients(np.array([3 + 4j, 0]))
    assert optim.clip_grad_norm_(held, 1.0).item() == 5.0
    assert abs(held[0].grad.numpy()[0]) == pytest.approx(1.0, rel=1e-5)
    with pytest.raises(DtypeError, match="no order"):
        optim.clip_grad_value_(held, 1.0)


def test_memory_that_two_gradients_share_is_scaled_once_for_each() -> None:
    first, second = with_gradients([3.0, 4.0], [0.0, 0.0])
    second.grad = engine.Tensor(first.grad.array)
    total = optim.clip_grad_norm_([first, second], 1.0).item()
    for parameter in (first, second):
        np.testing.assert_allclose(parameter.grad.numpy(), np.array([3.0, 4.0]) / total, rtol=1e-5)


def test_read_only_gradients_and_those_of_a_graph_are_replaced() -> None:
    x = nn.Parameter(np.array([2.0, 3.0]))
    (x * x * x).sum().backward(create_graph=True)
    graph = x.grad
    optim.clip_grad_value_([x], 1.0)
    np.testing.assert_array_equal(graph.numpy(), [12.0, 27.0])
    np.testing.assert_array_equal(x.grad.numpy(), [1.0, 1.0])
    y = nn.Parameter(np.zeros(3))
    y.grad = engine.Tensor(np.broadcast_to(np.float64(5.0), 3))
    optim.clip_grad_norm_(y, 1.0)
    np.testing.assert_allclose(y.grad.numpy(), 1 / math.sqrt(3), rtol=1e-6)


def test_a_parameter_that_is_given_twice_counts_once() -> None:
    held = with_gradients([3.0, 4.0])
    assert optim.clip_grad_norm_(held * 2, 10.0).item() == 5.0


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_found_on_request_and_nothing_changes(bad: float) -> None:
    held = with_gradients([3.0, 4.0], [[1.0, bad]])
    before = [p.grad.numpy().copy() for p in held]
    for clip in (optim.clip_grad_norm_, optim.clip_grad_value_):
        with pytest.raises(
            GradientError, match=r"1 of 2 gradients hold infinities or NaN, .* number 1, of shape \(1, 2\)"
        ):
            clip(held, 1.0, error_if_nonfinite=True)
    for parameter, gradient in zip(held, before, strict=True):
        np.testing.assert_array_equal(parameter.grad.numpy(), gradient)
    assert not math.isfinite(optim.clip_grad_norm_(held, 1.0).item())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda p: optim.clip_grad_norm_(p, -1.0), SettingError, "max_norm must be a number in"),
        (lambda p: optim.clip_grad_norm_(p, math.nan), SettingError, "max_norm"),
        (lambda p: optim.clip_grad_norm_(p, "1"), SettingError, "max_norm"),
        (lambda p: optim.clip_grad_norm_(p, 1.0, 0.0), SettingError, "norm_type"),
        (lambda p: optim.clip_grad_norm_(p, 1.0, 2.0, 1), SettingError, "error_if_nonfinite"),
        (lambda p: optim.clip_grad_value_(p, -1.0), SettingError, "clip_value"),
        (lambda p: optim.clip_grad_norm_(5, 1.0), ArgumentError, "wants parameters, not a int"),
        (lambda p: optim.clip_grad_norm_([5], 1.0), ArgumentError, "one is a int"),
        (lambda p: optim.clip_grad_value_(nn.Linear(1, 1), 1.0), ArgumentError, r"pass model.parameters\(\)"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        call(with_gradients([1.0]))


def test_a_gradient_that_is_no_tensor_is_refused() -> None:
    parameter = nn.Parameter(np.ones(2))
    parameter.grad = np.ones(2)
    with pytest.raises(ArgumentError, match="dense tensor, not a ndarray"):
        optim.clip_grad_norm_(parameter, 1.0)
