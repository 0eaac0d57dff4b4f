"""Defining operations: what is checked at once, and how arguments are taken."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ArgumentError, DeviceError, GradientError, Tensor
from numzoo.engine.dtype import Array
from numzoo.engine.op import TABLE, elementwise, floating, op, op_with_results


@pytest.fixture(autouse=True)
def own_table() -> Iterator[None]:
    """Operations of these tests do not stay in the engine's table."""
    before = dict(TABLE)
    yield
    TABLE.clear()
    TABLE.update(before)


def misspelt_tensor() -> None:
    @op(y=lambda grad: grad)
    def double(xp: Any, x: Array) -> Array:
        return x * 2


def misspelt_parameter() -> None:
    @op(x=lambda grad, scales: grad * scales)
    def scale(xp: Any, x: Array, *, factor: float = 2.0) -> Array:
        return x * factor


def unknown_residual() -> None:
    @op(x=lambda grad, kept: grad * kept)
    def square(xp: Any, x: Array) -> Array:
        return x * x


def reserved_name() -> None:
    @op(grad=lambda grad: grad)
    def twice(xp: Any, grad: Array) -> Array:
        return grad * 2


def misspelt_joint() -> None:
    @op(jointly=lambda grad, z: (grad,))
    def half(xp: Any, x: Array) -> Array:
        return x / 2


@pytest.mark.parametrize(
    "define",
    [misspelt_tensor, misspelt_parameter, unknown_residual, reserved_name, misspelt_joint],
    ids=lambda f: f.__name__,
)
def test_a_misspelt_rule_fails_where_it_is_written(define: Callable[[], None]) -> None:
    with pytest.raises(ArgumentError, match="op "):
        define()


def test_an_operation_keeps_its_name_words_and_form() -> None:
    @elementwise(x=lambda grad: grad * 2)
    def doubled(xp: Any, x: Array) -> Array:
        """Twice x."""
        return x * 2

    assert doubled.__name__ == "doubled"
    assert doubled.__doc__ == "Twice x."
    assert "doubled" in repr(doubled)
    assert TABLE["doubled"] is doubled


@op(x=lambda grad, scale, shift: grad * scale + 0 * shift, y=lambda grad: grad)
def _affine(xp: Any, x: Array, y: Array | None = None, *, scale: float = 2.0, shift: float = 0.0) -> Array:
    return x * scale + shift + (0 if y is None else y)


@op(x=lambda grad: grad)
def _must(xp: Any, x: Array, times: int, sign: int = 1) -> Array:
    return x * times * sign


@op(parts=lambda grad, position: grad * float(position + 1))
def _weighted(xp: Any, *parts: Array, offset: float = 0.0) -> Array:
    return sum((i + 1) * p for i, p in enumerate(parts)) + offset


ONE = engine.ones(2)
CALLS: list[tuple[Callable[[], Tensor], float]] = [
    (lambda: _affine(ONE), 2),
    (lambda: _affine(ONE, ONE), 3),
    (lambda: _affine(ONE, y=ONE, shift=1.0), 4),
    (lambda: _affine(x=ONE, y=ONE), 3),
    (lambda: _affine(ONE, None), 2),
    (lambda: _affine(y=ONE, x=ONE * 5), 11),
    (lambda: _affine(ONE, scale=0.0), 0),
    (lambda: _must(ONE, 3), 3),
    (lambda: _must(ONE, 3, -1), -3),
    (lambda: _must(ONE, times=3, sign=-1), -3),
    (lambda: _weighted(ONE), 1),
    (lambda: _weighted(ONE, ONE, ONE), 6),
    (lambda: _weighted(ONE, offset=1.0), 2),
    (lambda: _affine(np.ones(2, np.float32)), 2),
    (lambda: _affine([1.0, 1.0]), 2),
    (lambda: _affine(np.ones(2, np.float32), None), 2),
    (lambda: _affine([1.0, 1.0], None, scale=3.0), 3),
]


@pytest.mark.parametrize(("call", "wanted"), CALLS)
def test_tensors_and_settings_are_taken_by_place_and_by_name(call: Callable[[], Tensor], wanted: float) -> None:
    assert call().tolist() == [wanted, wanted]


@pytest.mark.parametrize("axes", [[1, 0], np.array([1, 0]), (-1, 0)])
def test_axes_may_be_listed_anyhow(axes: Any) -> None:
    x = engine.ones(2, 3).requires_grad_()
    (engine.ops.permute(x, axes) * engine.ones(3, 2)).sum().backward()
    assert x.grad is not None
    assert x.grad.shape == (2, 3)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: _affine(), "only 0 tensor"),
    (lambda: _affine(ONE, ONE, ONE), "3 positional"),
    (lambda: _affine(ONE, scales=1.0), "no argument 'scales'"),
    (lambda: _affine(ONE, x=ONE), "no argument 'x'"),
    (lambda: _affine("a"), "str"),
    (lambda: _affine(None), "NoneType"),
    (lambda: _affine(ONE, object()), "object"),
    (lambda: _must(ONE), "'times' is missing"),
    (lambda: _must(ONE, 1, 1, 1), "positional"),
    (lambda: _weighted(), "only 0"),
    (lambda: _weighted(ONE, None), "NoneType"),
    (lambda: _must(times=3), "only 0 tensor"),
]


@pytest.mark.parametrize(("call", "says"), REFUSED)
def test_arguments_that_do_not_fit_are_refused_with_the_form(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        call()


def test_variadic_operations_have_a_gradient_for_each() -> None:
    parts = [engine.ones(2, requires_grad=i != 1) for i in range(3)]
    _weighted(*parts).sum().backward()
    assert [None if p.grad is None else p.grad.tolist() for p in parts] == [[1, 1], None, [3, 3]]


def test_settings_and_defaults_reach_the_rules() -> None:
    for settings, wanted in (({}, 2.0), ({"scale": 5.0}, 5.0)):
        x = engine.ones(2, requires_grad=True)
        _affine(x, **settings).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [wanted, wanted]


def test_a_tensor_without_a_rule_has_no_gradient() -> None:
    @op(x=lambda grad: grad)
    def first(xp: Any, x: Array, y: Array) -> Array:
        return x + 0 * y

    x, y = engine.ones(2, requires_grad=True), engine.ones(2, requires_grad=True)
    assert not first(engine.ones(2), y).requires_grad
    out = first(x, y)
    (_, second) = engine.grad(out.sum(), [x, y], allow_unused=True)
    assert second is None


def test_rules_may_name_shapes_results_and_residuals() -> None:
    @op(residuals=("root",), x=lambda grad, root, out, x_shape: grad / (2 * root) + 0 * out.sum() + 0 * len(x_shape))
    def rooted(xp: Any, x: Array) -> Any:
        root = xp.sqrt(x)
        return root, root

    engine.check.gradients(rooted, engine.tensor([1.0, 4.0], dtype="float64"), order=1)


def test_several_results_are_a_tuple() -> None:
    @op_with_results(2, x=lambda grads: grads[0])
    def pair(xp: Any, x: Array) -> Any:
        return x, xp.argmax(x)

    values, place = pair(engine.tensor([1.0, 3.0], requires_grad=True))
    assert values.requires_grad
    assert not place.requires_grad
    assert place.item() == 1


def test_a_kernel_answers_or_leaves_it_to_the_body() -> None:
    @floating(x=lambda grad: grad)
    def plus(xp: Any, x: Array) -> Array:
        return x + 1

    calls: list[int] = []

    @plus.kernel("cpu")
    def fast(x: Array) -> Any:
        calls.append(x.size)
        return x + 1 if x.size > 2 else NotImplemented

    assert plus(engine.ones(2)).tolist() == [2, 2]
    assert plus(engine.ones(3)).tolist() == [2, 2, 2]
    assert calls == [2, 3]


def test_lists_and_numbers_among_the_operands_are_kept_for_backward() -> None:
    x = engine.tensor([1.0, 2.0], requires_grad=True)
    (x * [3.0, 4.0]).sum().backward()
    (x * np.float32(2)).sum().backward()
    (x @ [1.0, 1.0]).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [6, 7]


def test_a_constant_that_an_earlier_call_did_not_have_is_kept_for_backward() -> None:
    @op(x=lambda grad, scale: grad if scale is None else grad * scale)
    def scaled(xp: Any, x: Array, scale: Array | None = None) -> Array:
        return x if scale is None else x * scale

    x = engine.tensor([1.0, 2.0], requires_grad=True)
    scaled(x).sum().backward()
    scaled(x, engine.tensor([3.0, 4.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [4, 5]


def test_joining_fewer_tensors_than_before_keeps_gradients_right() -> None:
    x, other = engine.tensor([1.0, 2.0], requires_grad=True), engine.ones(2)
    engine.cat([x, other, other]).sum().backward()
    engine.cat([x, other]).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2]


def test_a_missing_gradient_rule_is_told_apart_from_an_unused_input() -> None:
    x = engine.tensor([1.5], requires_grad=True)
    with pytest.raises(GradientError, match="requires_grad"):
        engine.floor_divide(x, 1.0).backward()


for _own in ("_affine", "_must", "_weighted"):
    TABLE.pop(_own)


def test_what_is_kept_depends_on_how_many_tensors_there_are() -> None:
    x = engine.tensor([[1.0, -2.0, 4.0]], requires_grad=True)
    weight = engine.tensor([2.0, 3.0, 5.0])
    engine.layer_norm(x).sum().backward()
    x.grad = None
    (engine.layer_norm(x, weight) * engine.tensor([1.0, 2.0, 3.0])).sum().backward()
    given, x.grad = x.grad, None
    assert given is not None
    (engine.layer_norm(x) * engine.tensor([2.0, 6.0, 15.0])).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(given.numpy(), x.grad.numpy(), rtol=1e-5, atol=1e-6)
    for count in (2, 4, 3, 1):
        x.grad = None
        engine.cat([x, *[engine.zeros(1, 3)] * count]).sum().backward()
        assert x.grad is not None
        assert x.grad.tolist() == [[1.0, 1.0, 1.0]]


def test_two_files_cannot_have_an_operation_of_one_name() -> None:
    def sub(xp: Any, x: Array) -> Array:
        return x

    held = TABLE["sub"]
    with pytest.raises(ArgumentError, match=r"op sub: .*arithmetic has one of this name"):
        op()(sub)
    assert TABLE["sub"] is held


@pytest.mark.parametrize("act", [
    lambda a, b: a + b,
    lambda a, b: b + a,
    lambda a, b: engine.nn.functional.linear(a, b),
    lambda a, b: engine.nn.functional.linear(b, a),
    lambda a, b: engine.nn.functional.conv2d(a.reshape(1, 64, 64, 1), b.reshape(64, 64, 1, 1)),
    lambda a, b: engine.cat([a, b]),
    lambda a, b: engine.nn.functional.layer_norm(a, (64,), b[0]),
    lambda a, b: engine.where(a > 0, a, b),
], ids=["add", "added to", "linear", "linear's weight", "conv2d", "cat", "layer_norm", "where"])  # fmt: skip
def test_tensors_of_two_devices_are_refused_before_a_kernel_sees_them(gpu: Any, act: Any) -> None:
    here = engine.ones(64, 64)
    act(here, here)  # the CPU's plan for such arrays is there
    with pytest.raises(DeviceError, match="cpu and cuda:0"):
        act(here, engine.ones(64, 64, device="cuda"))


def test_a_result_that_no_rule_wants_is_given_up_with_the_last_who_holds_it() -> None:
    x = engine.randn(4, 3, 5, 5)
    x.requires_grad = True
    out, mean, variance = engine.ops.batch_norm_training(x)
    held = weakref.ref(out.array)
    del out
    assert held() is None
    (mean.sum() + variance.sum()).backward()
    np.testing.assert_allclose(
        x.grad.numpy(), (1 + 2 * (x - engine.ops.mean(x, (0, 2, 3), keepdim=True)).numpy()) / 100, atol=1e-6
    )
