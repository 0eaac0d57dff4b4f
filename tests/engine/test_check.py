"""The gradient check must fail where a rule is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import GradientError, Tensor, check
from numzoo.engine.dtype import Array
from numzoo.engine.op import TABLE, op
from numzoo.engine.tensor import tensor_of


@pytest.fixture(autouse=True)
def own_table() -> Iterator[None]:
    """Operations of these tests do not stay in the engine's table."""
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)


X = np.random.default_rng(0).uniform(0.5, 2.0, (3, 4))


def cubed(rule: Any) -> Any:
    @op(x=rule)
    def cube(xp: Any, x: Array) -> Array:
        return x**3

    return cube


def frozen(grad: Tensor, x: Tensor) -> Tensor:
    """Right in value, but cut off from x."""
    return grad * tensor_of(3 * x.array**2)


RULES: list[tuple[str, Any, int | None]] = [
    ("right", lambda grad, x: grad * 3 * x * x, None),
    ("twice too large", lambda grad, x: grad * 6 * x * x, 1),
    ("wrong sign", lambda grad, x: grad * -3 * x * x, 1),
    ("slightly wrong", lambda grad, x: grad * 3.001 * x * x, 1),
    (
        "wrong in one place",
        lambda grad, x: grad * 3 * x * x * tensor_of(np.where(np.arange(12).reshape(3, 4) == 5, 1.1, 1.0)),
        1,
    ),
    ("not a number", lambda grad, x: grad * float("nan"), 1),
    ("cut off", frozen, 2),
    ("missing", None, 1),
]


@pytest.mark.parametrize(("rule", "fails_at"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_a_wrong_rule_is_found(rule: Any, fails_at: int | None) -> None:
    function = cubed(rule) if rule is not None else (lambda x: cubed(lambda grad: grad)(x.detach()))
    if fails_at is None:
        check.gradients(function, X)
        return
    with pytest.raises(GradientError):
        check.gradients(function, X)
    if fails_at == 2:
        check.gradients(function, X, order=1)


def test_functions_of_several_tensors_settings_and_results_are_checked() -> None:
    labels = engine.tensor([0, 3, 1])
    check.gradients(
        lambda x, w, t, f: (engine.linear(x, w), engine.cross_entropy(x * f, t)), X, np.ones((2, 4)), labels, 0.5
    )


def test_the_second_input_is_checked_too() -> None:
    @op(x=lambda grad, y: grad * y, y=lambda grad, x: grad * x * 2)
    def product(xp: Any, x: Array, y: Array) -> Array:
        return x * y

    with pytest.raises(GradientError, match="order 1"):
        check.gradients(product, X, X + 1)


def test_linear_and_constant_second_orders_pass() -> None:
    check.gradients(lambda x: x * 3 + 1, X)
    check.gradients(lambda x: engine.relu(x), X)
    check.gradients(lambda x: (x * x).sum(), X, order=3)


@pytest.mark.parametrize("inputs", [(), (3,), (engine.tensor([1, 2]),)], ids=str)
def test_there_must_be_something_to_check(inputs: tuple[Any, ...]) -> None:
    with pytest.raises(GradientError, match="floating-point"):
        check.gradients(lambda *x: engine.ones(1), *inputs)


def test_the_inputs_are_left_as_they_are() -> None:
    x = engine.tensor(X.astype(np.float32), requires_grad=True)
    check.gradients(lambda t: t.exp(), x)
    assert x.grad is None
    assert x.dtype == engine.float32
