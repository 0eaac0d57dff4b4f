"""The walk back: what adds up, what is kept and freed, what is refused."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import GradientError, Tensor
from numzoo.engine.dtype import Array
from numzoo.engine.op import TABLE, op, op_with_results


def leaf(*values: float) -> Tensor:
    return engine.tensor(list(values) if len(values) > 1 else values[0], requires_grad=True)


def grad_of(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing is freed but by reference counts."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_gradients_add_up_over_calls() -> None:
    x = leaf(2.0)
    (x * x).backward()
    (x * 3).backward()
    assert grad_of(x) == 7


def test_a_leaf_that_is_used_twice_gets_both_parts() -> None:
    x = leaf(1.0, 2.0)
    (x * x + x).sum().backward()
    assert grad_of(x) == [3, 5]


def test_paths_that_part_and_meet_again_add_up() -> None:
    x = leaf(3.0)
    y = x * 2
    left, right = y * y, y + 1
    (left * right).backward()
    assert grad_of(x) == 24 * 9 + 8 * 3  # of 4 x^2 (2 x + 1)


def test_a_diamond_of_diamonds_is_walked_once_for_each_node() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y * 0.5 + y * 0.5
    y.backward()
    assert grad_of(x) == 1


def test_a_gradient_may_be_given() -> None:
    x = leaf(1.0, 2.0)
    (x * 2).backward(engine.tensor([1.0, 10.0]))
    assert grad_of(x) == [2, 20]
    x.grad = None
    (x * 2).backward([1, 0.5])
    assert grad_of(x) == [2, 1]


def test_the_result_itself_may_be_the_leaf() -> None:
    x = leaf(2.0)
    x.backward()
    assert grad_of(x) == 1
    assert engine.grad(x, x)[0].item() == 1  # type: ignore[union-attr]


def test_gradients_have_the_dtype_and_shape_of_their_leaf() -> None:
    x = engine.ones(2, 1, dtype="float16", requires_grad=True)
    y = engine.ones(3, dtype="float64", requires_grad=True)
    (x * y).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert (x.grad.dtype, x.grad.shape) == (engine.float16, (2, 1))
    assert (y.grad.dtype, y.grad.shape) == (engine.float64, (3,))


# ---- what is refused --------------------------------------------------------------------------------------------


def freed() -> Any:
    x = leaf(2.0)
    y = x.exp()
    y.backward()
    return y.backward()


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (freed, "retain_graph=True"),
    (lambda: engine.ones(2).sum().backward(), "requires_grad=True"),
    (lambda: (leaf(1.0, 2.0) * 2).backward(), r"shape \(2,\)"),
    (lambda: (leaf(1.0, 2.0) * 2).backward(engine.ones(3)), r"shape \(3,\).*shape \(2,\)"),
    (lambda: engine.grad(leaf(1.0), engine.ones(1)), "does not require a gradient"),
    (lambda: engine.grad(leaf(1.0) * 2, leaf(1.0)), "allow_unused=True"),
    (lambda: engine.grad([leaf(1.0) * 2], [leaf(1.0)], [1.0, 2.0]), "1 outputs.*2 grad_outputs"),
    (lambda: engine.grad(leaf(1.0), np.ones(1)), "tensors, not float64"),
    (lambda: engine.grad(3.0, leaf(1.0)), "tensors, not float"),
    (lambda: engine.ones(2, dtype="int64").requires_grad_(), "floating-point"),
    (lambda: (leaf(1.0) * 2).requires_grad_(False), "detach"),
]


@pytest.mark.parametrize(("act", "says"), REFUSED)
def test_what_has_no_gradient_says_why(act: Callable[[], Any], says: str) -> None:
    with pytest.raises(GradientError, match=says):
        act()


def test_a_second_backward_names_the_line_of_the_forward_call() -> None:
    x = leaf(2.0)
    y = x.exp()  # this line
    y.backward()
    with pytest.raises(GradientError, match=Path(__file__).name) as caught:
        y.backward()
    line = next(
        i
        for i, text in enumerate(Path(__file__).read_text().splitlines(), 1)
        if "# this line" in text and "exp" in text
    )
    assert f"{Path(__file__).name}:{line}" in str(caught.value)


def test_retain_graph_allows_another_backward() -> None:
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert grad_of(x) == 8
    with pytest.raises(GradientError):
        y.backward()


@op(x=lambda grad, x: engine.matmul(grad, x))
def _fails_in_backward(xp: Any, x: Array) -> Any:
    return x * 2


@op(x=lambda grad: grad.sum().reshape(1, 1, 1).expand(5, 1, 1))
def _gives_a_wrong_shape(xp: Any, x: Array) -> Any:
    return x * 2


@pytest.mark.parametrize("broken", [_fails_in_backward, _gives_a_wrong_shape], ids=lambda o: o.name)
def test_an_error_in_backward_names_the_operation_and_the_forward_line(broken: Any) -> None:
    x = engine.ones(2, 3, requires_grad=True)
    y = broken(x)  # the broken call
    with pytest.raises(GradientError, match=broken.name) as caught:
        y.sum().backward()
    line = next(
        i
        for i, text in enumerate(Path(__file__).read_text().splitlines(), 1)
        if "# the broken call" in text and "broken(x)" in text
    )
    assert f"{Path(__file__).name}:{line}" in str(caught.value)
    assert engine.is_grad_enabled()


# ---- grad() -----------------------------------------------------------------------------------------------------


def test_grad_leaves_every_grad_alone() -> None:
    x, y = leaf(2.0), leaf(5.0)
    results = engine.grad(x * y, [x, y])
    assert [r.item() for r in results if r is not None] == [5, 2]
    assert x.grad is None
    assert y.grad is None


def test_grad_gives_none_for_what_was_not_used() -> None:
    x, y = leaf(2.0), leaf(5.0)
    first, second = engine.grad(x * 2, [x, y], allow_unused=True)
    assert first is not None
    assert second is None


def test_grad_of_computed_tensors() -> None:
    x = leaf(2.0)
    hidden = x * x
    first, second = engine.grad(hidden * hidden, [hidden, x])
    assert first is not None
    assert second is not None
    assert (first.item(), second.item()) == (8, 32)


def test_grad_of_a_computed_tensor_leaves_the_graph_above_it_alone() -> None:
    x = leaf(2.0)
    hidden = x.exp() * x
    engine.grad(hidden * hidden, hidden)
    hidden.backward()
    assert grad_of(x) == pytest.approx(float(np.exp(2) * 3), rel=1e-6)


def test_grad_of_several_outputs_adds_up() -> None:
    x = leaf(2.0)
    (result,) = engine.grad([x * 3, x * x], x, [engine.tensor(1.0), engine.tensor(10.0)])
    assert result is not None
    assert result.item() == 43


def test_grad_of_one_of_several_results() -> None:
    x = engine.tensor([[1.0, 5.0], [7.0, 2.0]], requires_grad=True)
    out, mean, variance = engine.batch_norm_training(x)
    (result,) = engine.grad(variance.sum(), x, retain_graph=True)
    assert result is not None
    np.testing.assert_allclose(result.numpy(), [[-3, 1.5], [3, -1.5]])
    (result,) = engine.grad(mean.sum() + out.sum() * 0, mean)
    assert result is not None
    assert result.tolist() == [1, 1]


def test_higher_derivatives() -> None:
    x = leaf(2.0)
    value = x**4
    for wanted in (32, 48, 48, 24):
        (value,) = engine.grad(value, x, create_graph=True)  # type: ignore[assignment]
        assert value.item() == wanted


def test_backward_with_create_graph_leaves_a_gradient_that_has_gradients() -> None:
    x = leaf(3.0)
    (x * x * x).backward(create_graph=True)
    assert x.grad is not None
    assert x.grad.requires_grad
    (second,) = engine.grad(x.grad, x)
    assert second is not None
    assert second.item() == 18
    x.grad = None


# ---- memory -----------------------------------------------------------------------------------------------------


def test_leaves_never_share_the_memory_of_their_gradients() -> None:
    seed = engine.ones(3)
    cases: list[Callable[[Tensor, Tensor], Tensor]] = [
        lambda a, b: a + b, lambda a, b: a - b, lambda a, b: (a + b).reshape(3, 1), lambda a, b: engine.cat([a + b, b]),
        lambda a, b: engine.where(engine.ones(3) > 0, a, b) + b, lambda a, b: (a + b).clone(), lambda a, b: a.expand(3) + b.flip(0),
    ]  # fmt: skip
    for case in cases:
        a, b = leaf(1.0, 2.0, 3.0), leaf(4.0, 5.0, 6.0)
        out = case(a, b)
        out.backward(seed if out.shape == (3,) else engine.ones(*out.shape))
        assert a.grad is not None
        assert b.grad is not None
        assert not np.shares_memory(a.grad.array, b.grad.array)
        assert not np.shares_memory(a.grad.array, seed.array)
        a.grad.array[...] = 100
        assert 100 not in b.grad
        assert seed.tolist() == [1, 1, 1]
        for t in (a, b):
            assert t.grad is not None
            assert t.grad.array.flags.writeable


def test_a_long_chain_does_not_overflow_the_stack() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(5000):
        y = y + 0.0
    y.backward()
    assert grad_of(x) == 1
    for _ in range(50_000):
        y = y * 1.0
    del y


def test_a_long_chain_can_be_recorded_backwards() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(3000):
        y = y * 1.0
    (first,) = engine.grad(y, x, create_graph=True)
    assert first is not None
    assert first.item() == 1
    del y, first


@pytest.mark.usefixtures("uncollected")
def test_nodes_die_with_the_result() -> None:
    x = engine.ones(4, 3, requires_grad=True)
    weight = engine.ones(5, 3, requires_grad=True)
    makers: list[Callable[[], Tensor]] = [
        lambda: (x * 2).exp().tanh().sum(), lambda: engine.linear(x, weight).relu().softmax(-1).sum(), lambda: engine.batch_norm_training(x)[0].sum(),
        lambda: engine.layer_norm(x).max(1)[0].sum(), lambda: engine.cross_entropy(x, [0, 1, 2, 0]), lambda: engine.cat([x, x])[1:3].sum(),
    ]  # fmt: skip
    for make in makers:
        out = make()
        nodes, stack = [], [out.node]
        while stack:
            node = stack.pop()
            node = getattr(node, "node", node)
            if node is None or isinstance(node, Tensor) or not hasattr(node, "edges"):
                continue
            nodes.append(weakref.ref(node))
            stack.extend(node.edges)
        assert nodes
        del node
        out.backward()
        del out
        assert [r for r in nodes if r() is not None] == []


@pytest.mark.usefixtures("uncollected")
def test_kept_arrays_are_freed_as_backward_passes_them() -> None:
    x = engine.ones(1000, requires_grad=True)
    hidden = x * 2
    kept = weakref.ref(hidden)
    out = (hidden * hidden).sum()
    del hidden
    assert kept() is not None  # the product needs its factors
    out.backward()
    assert kept() is None
    assert grad_of(x)[0] == 8


@pytest.mark.usefixtures("uncollected")
def test_nothing_is_kept_that_no_rule_names() -> None:
    x = engine.ones(1000, requires_grad=True)
    hidden = x * 2
    kept = weakref.ref(hidden)
    out = (hidden + 1).sum()
    del hidden
    assert kept() is None
    out.backward()
    assert grad_of(x)[0] == 2


@pytest.mark.usefixtures("uncollected")
def test_an_abandoned_graph_leaves_no_cycle() -> None:
    x = leaf(1.0, 2.0)
    out = (x.exp() * x).sum()
    first = weakref.ref(out)
    engine.grad(out, x, create_graph=True)
    del out
    assert first() is None
    assert gc.collect() == 0 or all(not isinstance(o, Tensor) for o in gc.garbage)


# ---- several results --------------------------------------------------------------------------------------------


@op_with_results(
    2, x=lambda grads: (0.0 if grads[0] is None else grads[0] * 2.0) + (0.0 if grads[1] is None else grads[1] * 3.0)
)
def _two_results(xp: Any, x: Array) -> Any:
    return x * 2, x * 3


def test_results_that_are_not_used_send_nothing() -> None:
    for pick, wanted in (((1, 0), 2), ((0, 1), 3), ((1, 1), 5)):
        x = leaf(1.0)
        a, b = _two_results(x)
        total = [t for t, taken in zip((a, b), pick, strict=True) if taken]
        (total[0] if len(total) == 1 else total[0] + total[1]).backward()
        assert grad_of(x) == wanted


def test_threads_walk_their_own_graphs() -> None:
    results: list[float] = []

    def work() -> None:
        x = leaf(2.0)
        for _ in range(20):
            x.grad = None
            (x * x).tanh().backward()
        results.append(grad_of(x))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1
    assert len(results) == 4


def test_infinite_and_undefined_gradients_arrive_as_they_are() -> None:
    x = leaf(0.0, 1.0)
    x.sqrt().sum().backward()
    assert grad_of(x) == [np.inf, 0.5]
    y = leaf(0.0, 1.0)
    y.log().backward(engine.tensor([0.0, 1.0]))
    assert np.isnan(grad_of(y)[0])


for _own in ("_fails_in_backward", "_gives_a_wrong_shape", "_two_results"):
    TABLE.pop(_own)  # the table is the engine's; these are this file's
