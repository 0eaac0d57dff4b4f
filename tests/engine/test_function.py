"""Operations written as classes: what forward and backward are given, and what is refused."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, Function, GradientError, Tensor


class Scaled(Function):
    """x y scale, and scale x; the second argument is kept, the scale is no tensor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, scale: float) -> Any:
        assert not engine.is_grad_enabled()
        ctx.save_for_backward(x, y, None)
        ctx.scale = scale
        return x * y * scale, x * scale

    @staticmethod
    def backward(ctx: Any, first: Tensor, second: Tensor) -> Any:
        x, y, nothing = ctx.saved_tensors
        assert nothing is None
        assert ctx.needs_input_grad[2] is False
        return (first * y + second) * ctx.scale, first * x * ctx.scale if ctx.needs_input_grad[1] else None, None


class Exp(Function):
    """Keeps its own result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = engine.exp(x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (out,) = ctx.saved_tensors
        return grad * out


class Split(Function):
    """With its context set up apart."""

    @staticmethod
    def forward(x: Tensor) -> Any:
        return x * 2, x.argmax()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.size = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, first: Tensor, second: Any) -> Tensor:
        assert first.shape == ctx.size
        return first * 2


def double(*values: float) -> Tensor:
    return engine.tensor(list(values), dtype="float64", requires_grad=True)


def test_gradients_of_two_orders() -> None:
    engine.check.gradients(lambda x, y: Scaled.apply(x, y, 3.0), double(1.0, 2.0), double(3.0, -1.0))
    engine.check.gradients(lambda x: Exp.apply(x), double(0.3, -1.0))
    engine.check.gradients(lambda x: Split.apply(x)[0] ** 2, double(0.3, -1.0))


def test_results_that_were_not_used_arrive_as_zeros() -> None:
    x, y = double(2.0), double(5.0)
    Scaled.apply(x, y, 3.0)[1].sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert (x.grad.item(), y.grad.item()) == (3, 0)


def test_nothing_is_recorded_where_nobody_wants_a_gradient() -> None:
    with engine.no_grad():
        assert Exp.apply(double(1.0)).node is None
    assert not Exp.apply(engine.ones(2)).requires_grad
    first, second = Split.apply(double(1.0, 2.0))
    assert first.requires_grad
    assert not second.requires_grad


def test_the_node_is_readable_and_names_the_line() -> None:
    out = Exp.apply(double(1.0))
    assert "Exp" in repr(out.node)
    assert __file__ in out.node.origin()


def test_a_kept_result_makes_no_cycle_and_goes_with_backward() -> None:
    gc.disable()
    try:
        out = Exp.apply(double(1.0))
        node = weakref.ref(out.node)
        out.sum().backward()
        with pytest.raises(GradientError, match="retain_graph"):
            out.sum().backward()
        del out
        assert node() is None
    finally:
        gc.enable()


class Wrong(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, what: str) -> Any:
        if what == "number":
            return 3.0
        if what == "dirty":
            ctx.mark_dirty(x)
        if what == "keep":
            ctx.save_for_backward(3.0)
        if what == "early":
            return ctx.saved_tensors
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return grad


@pytest.mark.parametrize(
    ("what", "error", "says"),
    [
        ("number", ArgumentError, "not float"),
        ("dirty", GradientError, "new tensor"),
        ("keep", ArgumentError, "attribute of ctx"),
        ("early", GradientError, "only while backward"),
        ("count", GradientError, "1 gradients, but forward has 2"),
    ],
)
def test_what_a_function_may_not_do(what: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Wrong.apply(double(1.0), what).sum().backward()


def test_precision_holds_in_backward() -> None:
    class Product(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
            ctx.save_for_backward(x, w)
            return engine.matmul(x, w)

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            x, w = ctx.saved_tensors
            return engine.matmul(grad, w.T), engine.matmul(x.T, grad)

    random = np.random.default_rng(0)
    a, b = (random.standard_normal((4, 4)).astype(np.float32) for _ in range(2))
    results = []
    for call in (Product.apply, engine.matmul):
        x, w = engine.tensor(a, requires_grad=True), engine.tensor(b, requires_grad=True)
        with engine.precision("bf16"):
            out = call(x, w)
        out.sum().backward()
        assert x.grad is not None
        results.append(x.grad.numpy())
    np.testing.assert_array_equal(*results)


def test_a_kept_tensor_given_as_a_gradient_is_not_shared() -> None:
    class Times(Function):
        @staticmethod
        def forward(ctx: Any, w: Tensor, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return (w * x).sum()

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return ctx.saved_tensors[0], None

    w, x = double(1.0, 2.0), engine.tensor([3.0, 4.0], dtype="float64")
    Times.apply(w, x).backward()
    assert w.grad is not None
    assert not np.shares_memory(w.grad.array, x.array)
    assert w.grad.tolist() == [3, 4]
