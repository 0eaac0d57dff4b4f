"""Checkpoints: the same gradients from less memory, and what is refused."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, Function, GradientError, SettingError, Tensor, nn, optim
from numzoo.engine.node import Output


def held_bytes(result: Tensor) -> int:
    """The bytes of all arrays that the graph behind a result keeps, parameters aside."""
    seen: dict[int, int] = {}
    visited: set[int] = set()
    stack: list[Any] = [result.node]
    while stack:
        edge = stack.pop()
        node = edge.node if isinstance(edge, Output) else edge
        if node is None or isinstance(node, Tensor) or id(node) in visited:
            continue
        visited.add(id(node))
        stack += node.edges
        for name in ("saved", "outs", "residuals"):
            for value in getattr(node, name, None) or ():
                array = value.array if isinstance(value, Tensor) else value
                if isinstance(array, np.ndarray) and not isinstance(value, nn.Parameter):
                    seen[id(array)] = array.nbytes
    return sum(seen.values())


def block(width: int = 32, dropout: float = 0.3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width), nn.Tanh())


def deep(blocks: int = 8) -> nn.Sequential:
    engine.manual_seed(0)
    return nn.Sequential(*[block() for _ in range(blocks)])


def run(model: nn.Module, call: Callable[[Tensor], Tensor], x: Any) -> tuple[Any, ...]:
    """Loss, gradients of the input and of all parameters, and the next random number."""
    engine.manual_seed(7)
    model.zero_grad()
    start = engine.tensor(x, requires_grad=True)
    loss = (call(start) ** 2).mean()
    loss.backward()
    after = engine.rand(1).item()
    return (
        loss.numpy(),
        start.grad.numpy() if start.grad is not None else None,
        *[p.grad.numpy() for p in model.parameters() if p.grad is not None],
        after,
    )


X = np.random.default_rng(0).standard_normal((16, 32)).astype(np.float32)


def each_block(model: nn.Sequential) -> Callable[[Tensor], Tensor]:
    def call(x: Tensor) -> Tensor:
        for layer in model.children():
            x = engine.checkpoint(layer, x)
        return x

    return call


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize("way", ["blocks", "sequential", "nested"])
def test_the_same_numbers_to_the_bit_with_dropout(way: str, precision: str) -> None:
    model = deep()
    ways: dict[str, Callable[[Tensor], Any]] = {
        "blocks": each_block(model),
        "sequential": lambda x: engine.checkpoint_sequential(model, 3, x),
        "nested": lambda x: engine.checkpoint(each_block(model), x),
    }

    def within(call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def inside(x: Tensor) -> Tensor:
            with engine.precision(precision):
                return call(x)

        return inside

    plain, saved = run(model, within(model), X), run(model, within(ways[way]), X)
    assert len(plain) == len(saved) == 3 + 8 * 4
    for a, b in zip(plain, saved, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_graph_holds_far_less() -> None:
    model = deep(12)
    x = engine.tensor(X, requires_grad=True)
    plain = held_bytes(model(x).sum())
    saved = held_bytes(each_block(model)(x).sum())
    assert saved <= plain / 10
    out = engine.checkpoint_sequential(model, 4, x).sum()
    assert held_bytes(out) <= plain / 3
    out.backward()
    assert held_bytes(out) == 0


def test_dropped_results_are_really_freed() -> None:
    class Watched(Function):
        alive = 0

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            out = x * 2
            ctx.save_for_backward(out)
            ctx.extra = engine.ones(10)
            return out

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            assert ctx.extra.shape == (10,)
            return grad * 2 + ctx.saved_tensors[0] * 0

    gc.collect()
    x = engine.ones(3, requires_grad=True)
    before = sum(isinstance(o, Tensor) for o in gc.get_objects())

    def several(x: Tensor) -> Tensor:
        for _ in range(50):
            x = Watched.apply(x) * 0.5
        return x

    out = engine.checkpoint(several, x)
    gc.collect()
    assert sum(isinstance(o, Tensor) for o in gc.get_objects()) <= before + 2
    out.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 1]


def test_gradients_of_gradients_pass_through() -> None:
    def cube(x: Tensor) -> Tensor:
        return engine.checkpoint(lambda v: v * v * v, x)

    engine.check.gradients(cube, engine.tensor([1.0, -2.0], dtype="float64"))
    engine.check.gradients(
        lambda x: engine.checkpoint(lambda v: engine.checkpoint(lambda u: u.exp() * u, v).tanh(), x),
        engine.tensor([0.3, -0.2], dtype="float64"),
    )


def test_results_and_arguments_may_be_nested_and_a_graph_walked_twice() -> None:
    def several(x: Tensor, *, more: dict[str, Tensor]) -> Any:
        return {"a": (x * more["y"], [x.exp()])}, "text"

    x, y = engine.ones(2, requires_grad=True), engine.ones(2, requires_grad=True)
    found, text = engine.checkpoint(several, x, more={"y": y})
    assert text == "text"
    loss = found["a"][0].sum() + found["a"][1][0].sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 2 * (1 + np.e), rtol=1e-6)
    assert y.grad.tolist() == [2, 2]
    with pytest.raises(GradientError, match="retain_graph"):
        loss.backward()


def test_only_one_of_the_results_may_be_used() -> None:
    x = engine.ones(2, requires_grad=True)
    first, second = engine.checkpoint(lambda v: (v.exp() * 2, v.tanh() * 3), x)
    del second
    first.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.e, rtol=1e-6)


def test_nothing_is_prepared_where_nothing_is_recorded() -> None:
    with engine.no_grad():
        assert engine.checkpoint(lambda v: v * 2, engine.ones(1, requires_grad=True)).node is None
    assert engine.checkpoint(lambda v: v * 2, engine.ones(1)).node is None


def test_a_step_before_backward_is_refused() -> None:
    model = block()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    loss = engine.checkpoint(model, engine.tensor(X)).sum()
    for p in model.parameters():
        p.grad = engine.ones(*p.shape)
    optimizer.step()
    with pytest.raises(GradientError, match=r"Sequential used.*written to"):
        loss.backward()


def test_a_function_that_does_something_else_the_second_time_is_refused() -> None:
    calls: list[int] = []

    def changing(x: Tensor) -> Tensor:
        calls.append(1)
        return x.exp() if len(calls) == 1 else x.exp().exp()

    out = engine.checkpoint(changing, engine.ones(2, requires_grad=True)).sum()
    with pytest.raises(GradientError, match="changing made 2 operations that differ from the 1"):
        out.backward()


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda: engine.checkpoint(3, engine.ones(1)), ArgumentError, "not int"),
        (lambda: engine.checkpoint_sequential([nn.ReLU()], 2, engine.ones(1)), SettingError, "from 1 to 1"),
        (lambda: engine.checkpoint_sequential([nn.ReLU()], 0, engine.ones(1)), SettingError, "from 1 to 1"),
    ],
)
def test_what_cannot_be_checkpointed(act: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        act()
