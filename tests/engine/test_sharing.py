"""Gradients that flow along several ways share memory on the way; what leaves, hooks and tensors hold in the end is their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import Tensor, nn

SLOPE = engine.tensor([5.0, 7.0])


def leaf(*values: float) -> Tensor:
    return engine.tensor([float(value) for value in values], requires_grad=True)


def kept_by(kept: list[Any]) -> Callable[[Any], None]:
    def keep(gradient: Any) -> None:
        kept.append(gradient)

    return keep


def cleared(*leaves: Tensor) -> None:
    for x in leaves:
        assert x.grad is not None
        x.grad.detach().zero_()


@pytest.mark.parametrize("create_graph", [False, True])
def test_leaves_of_one_sum_hold_gradients_of_their_own(create_graph: bool) -> None:
    x, y = leaf(1, 2), leaf(3, 4)
    ((x + y) * SLOPE).sum().backward(create_graph=create_graph)
    cleared(x)
    assert y.grad is not None
    assert y.grad.tolist() == [5, 7]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("place", ["x", "y", "first", "sum"])
def test_a_gradient_that_a_hook_kept_stays_when_leaves_are_written_to(place: str, create_graph: bool) -> None:
    x, y = leaf(1, 2), leaf(3, 4)
    first = x.reshape(2)
    total = first + y
    kept: list[Tensor] = []
    where = {"x": x, "y": y, "first": first, "sum": total}[place]
    where.register_hook(kept_by(kept))
    total.retain_grad()
    # y has its gradient before the hooks of the others are called.
    ((total + y) * SLOPE).sum().backward(create_graph=create_graph)
    before = kept[0].tolist()
    cleared(x, y)
    assert kept[0].tolist() == before == ([10, 14] if place == "y" else [5, 7])
    assert total.grad is not None
    assert total.grad.tolist() == [5, 7]


def test_a_gradient_that_a_leafs_own_hook_writes_to_still_flows_elsewhere() -> None:
    x, y = leaf(1, 2), leaf(3, 4)
    x.register_post_accumulate_grad_hook(lambda p: cleared(p))
    ((x + y * 2) * SLOPE).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0]
    assert y.grad is not None
    assert y.grad.tolist() == [10, 14]


@pytest.mark.parametrize("when", ["pre", "after"])
def test_gradients_that_a_modules_hook_kept_stay_when_leaves_are_written_to(when: str) -> None:
    layer, x = nn.Identity(), leaf(1, 2)
    kept: list[Any] = []
    if when == "pre":
        layer.register_full_backward_pre_hook(lambda _, grads: kept_by(kept)(grads))
    else:
        layer.register_full_backward_hook(lambda _, ins, outs: kept_by(kept)((*ins, *outs)))
    (layer(x) * SLOPE).sum().backward()
    cleared(x)
    assert [g.tolist() for g in kept[0]] == [[5, 7]] * len(kept[0])


def test_gradients_held_between_backward_calls_keep_their_values() -> None:
    x = leaf(1, 2)
    held = []
    for _ in range(3):
        (x * SLOPE).sum().backward()
        assert x.grad is not None
        held.append(x.grad)
    np.testing.assert_array_equal([g.numpy() for g in held], [[5, 7], [10, 14], [15, 21]])
