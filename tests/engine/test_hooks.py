"""Hooks on tensors and modules: when they are called, what they may change, and how they end."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, GradientError, Tensor, hooks, nn


def leaf(*values: float) -> Tensor:
    return engine.tensor(list(values), requires_grad=True)


def test_a_hook_on_a_leaf_sees_the_whole_gradient_once() -> None:
    x = leaf(1.0, 2.0)
    seen: list[Any] = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * x + x * 3).sum().backward()
    assert seen == [[5, 7]]
    assert x.grad is not None
    assert x.grad.tolist() == [5, 7]


def test_hooks_replace_gradients_in_the_order_of_their_registration() -> None:
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g * 3)
    y.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [(1 * 3 + 1) * 2 * 10]


def test_a_removed_hook_is_called_no_more_and_leaves_nothing() -> None:
    x = leaf(1.0)
    seen: list[int] = []
    handle = x.register_hook(lambda g: seen.append(1))
    with x.register_hook(lambda g: seen.append(2)):
        (x * 2).sum().backward()
    handle.remove()
    handle.remove()
    (x * 2).sum().backward()
    assert seen == [1, 2]
    assert id(x) not in hooks.registered


def test_hooks_go_with_their_graph() -> None:
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: None)
    name = id(y.node)
    assert name in hooks.registered
    del y
    gc.collect()
    assert name not in hooks.registered


def test_a_hook_on_one_of_several_results() -> None:
    x = engine.tensor([[1.0, 5.0], [7.0, 2.0]], requires_grad=True)
    values, _ = x.max(1)
    values.register_hook(lambda g: g * 2)
    values.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 2], [2, 0]]


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (lambda g: 3, "not int"),
        (lambda g: engine.ones(3), r"\(3,\).*\(2,\)"),
        (lambda g: g.double(), "float64.*float32"),
    ],
)
def test_what_is_no_gradient_cannot_replace_one(hook: Callable[[Tensor], Any], says: str) -> None:
    x = leaf(1.0, 2.0)
    x.register_hook(hook)
    with pytest.raises(GradientError, match=says):
        x.sum().backward()


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: engine.ones(2).register_hook(lambda g: None), GradientError, "requires_grad is False"),
    (lambda: leaf(1.0).register_hook(3), ArgumentError, "not int"),  # type: ignore[arg-type]
    (lambda: (leaf(1.0) * 2).register_post_accumulate_grad_hook(print), GradientError, "register_hook"),
    (lambda: engine.ones(2).retain_grad(), GradientError, "requires_grad is False"),
    (lambda: nn.ReLU().register_forward_hook(None), ArgumentError, "functions"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("act", "error", "says"), REFUSED)
def test_hooks_are_refused_where_they_would_never_be_called(act: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        act()


def test_an_error_in_a_hook_reaches_the_caller_as_it_is() -> None:
    x = leaf(1.0)

    def fail(gradient: Tensor) -> None:
        raise KeyError("mine")

    x.register_hook(fail)
    with pytest.raises(KeyError, match="mine"):
        (x * 2).sum().backward()
    assert engine.is_grad_enabled()


def test_retain_grad_keeps_what_the_hooks_leave() -> None:
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    assert y.retains_grad
    assert not x.retains_grad
    z = (y * y).sum()
    z.backward(retain_graph=True)
    assert y.grad is not None
    assert y.grad.tolist() == [20, 40]
    z.backward()
    assert y.grad.tolist() == [40, 80]


def test_post_accumulate_hooks_allow_a_step_inside_backward() -> None:
    first, second = leaf(1.0), leaf(2.0)
    order: list[str] = []

    def step(name: str) -> Callable[[Tensor], None]:
        def hook(p: Tensor) -> None:
            order.append(name)
            assert p.grad is not None
            with engine.no_grad():
                p[...] = p - 0.1 * p.grad
            p.grad = None

        return hook

    first.register_post_accumulate_grad_hook(step("first"))
    second.register_post_accumulate_grad_hook(step("second"))
    hidden = first * 3  # first is done last, second as soon as both of its uses are
    out = hidden * second + second
    out.sum().backward()
    assert order == ["second", "first"]
    np.testing.assert_allclose(first.numpy(), [1 - 0.1 * 3 * 2], rtol=1e-6)
    np.testing.assert_allclose(second.numpy(), [2 - 0.1 * (3 + 1)], rtol=1e-6)
    assert first.grad is None


def test_grad_calls_tensor_hooks_and_fills_no_grad() -> None:
    x, other = leaf(2.0), leaf(1.0)
    y = x * x
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    x.register_post_accumulate_grad_hook(lambda p: pytest.fail("nothing accumulates"))
    other.register_hook(lambda g: pytest.fail("nobody asked for this gradient"))
    given = engine.grad((y * other).sum(), [x, y])
    assert [g.item() for g in given if g is not None] == [41, 10]
    assert x.grad is None


def test_hooks_take_part_in_graphs_of_gradients() -> None:
    x = leaf(3.0)
    y = x * x
    y.register_hook(lambda g: g * x.detach() * 2)
    (first,) = engine.grad(y.sum(), x, create_graph=True)
    assert first is not None
    assert first.item() == 36  # 2 x * 6
    (second,) = engine.grad(first.sum(), x)
    assert second is not None
    assert second.item() == 12


def test_detach_in_place_leaves_the_graph() -> None:
    x = leaf(1.0)
    y = x * 2
    assert y.grad_fn is y.node
    assert "mul" in repr(y.grad_fn)
    assert __file__ in repr(y.grad_fn)
    assert y.detach_() is y
    assert y.is_leaf
    assert not (y * 2).requires_grad


# ---- modules ----------------------------------------------------------------------------------------------------


def test_backward_hooks_on_a_module_see_and_change_gradients() -> None:
    layer = nn.Linear(3, 2)
    seen: list[Any] = []

    def before(module: nn.Module, grad_output: Any) -> Any:
        seen.append(("before", grad_output[0].tolist()))
        return (grad_output[0] * 2,)

    def after(module: nn.Module, grad_input: Any, grad_output: Any) -> Any:
        seen.append(("after", grad_output[0].tolist()))
        return (grad_input[0] * 0,)

    handles = [layer.register_full_backward_pre_hook(before), layer.register_full_backward_hook(after)]
    x = engine.ones(1, 3, requires_grad=True)
    layer(x).sum().backward()
    assert seen == [("before", [[1, 1]]), ("after", [[2, 2]])]
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 0, 0]]
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [2, 2]
    for handle in handles:
        handle.remove()
    assert layer._hooks is None


def test_backward_hooks_where_no_argument_takes_part_and_with_several_results() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter([2.0])

        def forward(self, x: Tensor, name: str) -> Any:
            return x * self.weight, x + 1, name

    model = Two()
    seen: list[Any] = []
    model.register_full_backward_hook(lambda m, i, o: seen.append((i, [None if g is None else g.tolist() for g in o])))
    first, _, name = model(engine.ones(1), "a")
    assert name == "a"
    (first * 5).sum().backward()
    assert seen == [((None, None), [[5.0], None])]


def test_forward_hooks_with_keywords_in_any_order() -> None:
    class Scale(nn.Module):
        def forward(self, x: Tensor, *, factor: float = 1.0) -> Tensor:
            return x * factor

    model = Scale()
    order: list[str] = []
    model.register_forward_pre_hook(lambda m, args: order.append("second"))

    def change(module: nn.Module, args: Any, kwargs: Any) -> Any:
        order.append("first")
        return args, {"factor": kwargs["factor"] + 1}

    model.register_forward_pre_hook(change, prepend=True, with_kwargs=True)
    model.register_forward_hook(lambda m, a, k, out: out + k["factor"], with_kwargs=True)
    assert model(engine.ones(1), factor=2.0).tolist() == [6]
    assert order == ["first", "second"]


def test_hooks_of_all_modules() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    seen: list[str] = []
    with nn.register_module_forward_hook(lambda m, a, out: seen.append(type(m).__name__)):
        with nn.register_module_full_backward_hook(lambda m, i, o: seen.append(f"back {type(m).__name__}")):
            model(engine.ones(1, 2, requires_grad=True)).sum().backward()
        model(engine.ones(1, 2))
    model(engine.ones(1, 2))
    forward = ["Linear", "ReLU", "Sequential"]
    assert seen == [*forward, "back ReLU", "back Linear", "back Sequential", *forward]
