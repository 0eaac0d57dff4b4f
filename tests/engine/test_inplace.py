"""Methods that write in place: what they write, and when they refuse."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import DtypeError, GradientError, SettingError, ShapeError

VALUES = np.array([[0.5, -1.5, 2.0], [0.25, 3.5, -0.75]], np.float32)
POSITIVE = np.abs(VALUES)
OTHER = np.array([[1.5, 2.0, -0.5], [2.5, 0.5, 1.0]], np.float32)
MASK = VALUES > 0


def t(values: Any) -> engine.Tensor:
    return engine.tensor(values)


WRITES: dict[str, Callable[[Any], Any]] = {
    "copy_": lambda x: x.copy_(t(OTHER)),
    "fill_": lambda x: x.fill_(3),
    "zero_": lambda x: x.zero_(),
    "fill_diagonal_": lambda x: x.fill_diagonal_(4),
    "add_": lambda x: x.add_(t(OTHER), alpha=-0.5),
    "sub_": lambda x: x.sub_(t(OTHER), alpha=2),
    "mul_": lambda x: x.mul_(t(OTHER)),
    "div_": lambda x: x.div_(2),
    "floor_divide_": lambda x: x.floor_divide_(t(OTHER)),
    "remainder_": lambda x: x.remainder_(t(OTHER)),
    "fmod_": lambda x: x.fmod_(t(OTHER)),
    "pow_": lambda x: x.pow_(2),
    "clamp_": lambda x: x.clamp_(-1, 1),
    "clip_": lambda x: x.clip_(max=1),
    "clamp_min_": lambda x: x.clamp_min_(0.4),
    "clamp_max_": lambda x: x.clamp_max_(t(OTHER)),
    "lerp_": lambda x: x.lerp_(t(OTHER), 0.3),
    "addcmul_": lambda x: x.addcmul_(t(OTHER), t(OTHER), value=0.5),
    "addcdiv_": lambda x: x.addcdiv_(t(OTHER), t(OTHER) + 3, value=0.5),
    "masked_fill_": lambda x: x.masked_fill_(t(MASK), 7),
    "masked_scatter_": lambda x: x.masked_scatter_(t(MASK), t(OTHER)),
    "scatter_": lambda x: x.scatter_(1, t([[0], [2]]), t(OTHER)),
    "scatter_add_": lambda x: x.scatter_add_(1, t([[0], [2]]), t(OTHER)),
    "index_add_": lambda x: x.index_add_(0, t([1, 0]), t(OTHER)),
    "index_copy_": lambda x: x.index_copy_(0, t([1, 0]), t(OTHER)),
    "index_fill_": lambda x: x.index_fill_(1, t([0, 2]), 9),
    "index_put_": lambda x: x.index_put_((t([0]), t([1])), t(np.float32(4))),
    "scatter_reduce_": lambda x: x.scatter_reduce_(1, t([[0], [2]]), t(OTHER), "amax"),
    "index_reduce_": lambda x: x.index_reduce_(0, t([1, 0]), t(OTHER), "amin"),
    "put_": lambda x: x.put_(t([1, 4]), t(OTHER[0, :2])),
    "nan_to_num_": lambda x: x.nan_to_num_(1.0),
    "round_": lambda x: x.round_(decimals=1),
    "tril_": lambda x: x.tril_(),
    "triu_": lambda x: x.triu_(1),
    "atan2_": lambda x: x.atan2_(t(OTHER)),
    "copysign_": lambda x: x.copysign_(t(OTHER)),
    "hypot_": lambda x: x.hypot_(t(OTHER)),
    "xlogy_": lambda x: x.xlogy_(t(OTHER) + 3),
    "cumsum_": lambda x: x.cumsum_(1),
    "cumprod_": lambda x: x.cumprod_(0),
    "logical_and_": lambda x: x.logical_and_(t(OTHER)),
    "logical_or_": lambda x: x.logical_or_(t(OTHER)),
    "logical_xor_": lambda x: x.logical_xor_(t(OTHER)),
}
BITS = {"bitwise_and_", "bitwise_or_", "bitwise_xor_"}
ALONE = (
    "abs_ ceil_ cos_ erf_ exp_ exp2_ expm1_ floor_ frac_ log_ log1p_ log2_ log10_ logical_not_ neg_ reciprocal_ relu_ rsqrt_ sgn_ sigmoid_ "
    "sign_ sin_ sqrt_ square_ tan_ tanh_ trunc_ acos_ acosh_ asin_ asinh_ atan_ atanh_ cosh_ sinh_ sinc_ digamma_ lgamma_ erfc_ erfinv_"
)


def as_new(name: str, x: engine.Tensor) -> Any:
    """What the function without the underscore makes."""
    return {
        "copy_": lambda x: t(OTHER),
        "fill_": lambda x: x * 0 + 3,
        "zero_": lambda x: x * 0,
        "fill_diagonal_": lambda x: engine.where(t(np.eye(2, 3) == 1), 4.0, x),
    }.get(name, lambda x: WRITES[name](_Renamed(x)))(x)


class _Renamed:
    """A tensor whose methods in place are those that make a new one."""

    def __init__(self, tensor: engine.Tensor) -> None:
        self.tensor = tensor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tensor, name.removesuffix("_"))


@pytest.mark.parametrize("name", sorted(WRITES))
def test_what_is_written_is_what_the_function_makes(name: str) -> None:
    x = t(VALUES)
    memory, wanted = x.array, as_new(name, t(VALUES))
    assert WRITES[name](x) is x
    assert x.array is memory
    assert x.dtype == engine.float32
    np.testing.assert_allclose(x.numpy(), wanted.numpy().astype(np.float32), 1e-6)


@pytest.mark.parametrize("name", ALONE.split())
def test_functions_of_the_tensor_alone_write_their_result(name: str) -> None:
    x = t(POSITIVE)
    memory, wanted = x.array, getattr(t(POSITIVE), name[:-1])()
    assert getattr(x, name)() is x
    assert x.array is memory
    np.testing.assert_allclose(x.numpy(), wanted.numpy().astype(np.float32), 1e-6)


@pytest.mark.parametrize("name", sorted(BITS))
def test_bits_are_written_too(name: str) -> None:
    x = t([5, 3])
    assert getattr(x, name)(t([3, 6])).tolist() == getattr(t([5, 3]), name[:-1])(t([3, 6])).tolist()


@pytest.mark.parametrize("name", sorted(WRITES))
def test_a_tensor_of_a_graph_is_refused_and_left_as_it_was(name: str) -> None:
    leaf = engine.tensor(VALUES, requires_grad=True)
    with pytest.raises(GradientError, match=f"{name}.*no_grad"):
        WRITES[name](leaf)
    with engine.no_grad():
        WRITES[name](leaf)
    assert leaf.is_leaf
    assert leaf.requires_grad
    computed = engine.tensor(VALUES, requires_grad=True) * 1
    with engine.no_grad(), pytest.raises(GradientError, match=f"{name}.*detach"):
        WRITES[name](computed)
    assert np.array_equal(computed.numpy(), VALUES)


def test_a_value_of_a_graph_is_refused() -> None:
    value = engine.tensor(OTHER, requires_grad=True)
    for act in (
        lambda x: x.add_(value),
        lambda x: x.copy_(value),
        lambda x: x.lerp_(value, 0.5),
        lambda x: x.addcmul_(value, value),
        lambda x: x.fill_(value[0, 0]),
    ):
        x = t(VALUES)
        with pytest.raises(GradientError, match="no_grad"):
            act(x)
        assert np.array_equal(x.numpy(), VALUES)


def test_backward_refuses_what_was_written_to_since() -> None:
    weight, x = engine.tensor(VALUES, requires_grad=True), t(OTHER)
    loss = (weight * x).sum()
    x.mul_(2)
    with pytest.raises(GradientError, match="was written to after the forward call"):
        loss.backward()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int32", "int64"])
def test_every_dtype_is_written_to(dtype: str) -> None:
    x = engine.tensor([[1, 2], [3, 4]], dtype=dtype)
    assert x.add_(2).mul_(engine.tensor([2, 3], dtype=dtype)).sub_(1).tolist() == [[5, 11], [9, 17]]
    assert x.dtype == engine.dtype.as_dtype(dtype)
    assert x.add_(engine.tensor([1, 1], dtype="int8")).tolist() == [[6, 12], [10, 18]]


def test_a_view_writes_through() -> None:
    base = t(VALUES)
    base[:, 1].add_(10)
    assert np.array_equal(base.numpy(), VALUES + np.array([0, 10, 0], np.float32))
    assert base[0].add_(base[0].flip(0)).tolist() == [2.5, 17.0, 2.5]


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda: t([1, 2]).add_(0.5), DtypeError, "add_.*float32.*int64.*use .add"),
        (lambda: t([1, 2]).div_(2), DtypeError, "div_.*int64"),
        (lambda: t([1, 2]).exp_(), DtypeError, "exp_.*int64"),
        (lambda: t([True]).add_(t([1])), DtypeError, "add_.*bool"),
        (lambda: t([1.0, 2.0]).add_(t([[1.0], [2.0]])), ShapeError, r"add_.*\(2, 2\).*\(2,\)"),
        (lambda: t([1.0, 2.0]).mul_(t([1.0, 2.0, 3.0])), ShapeError, "mul"),
        (lambda: t([1.0, 2.0]).copy_(t([1.0, 2.0, 3.0])), ShapeError, "copy_"),
        (lambda: t([1.0, 2.0]).fill_(t([1.0, 2.0])), ShapeError, "fill_.*copy_"),
        (lambda: t([1.0]).expand(3).add_(1), SettingError, "add_.*read-only.*clone"),
        (lambda: t([1.0]).add_("a"), engine.ArgumentError, "add"),
        (lambda: t([1.0]).div_(2, rounding_mode="up"), SettingError, "rounding_mode"),
    ],
)
def test_what_does_not_fit_is_refused(act: Callable[[], Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        act()


AUGMENTED: dict[str, Callable[[Any, Any], Any]] = {
    "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv, "//=": operator.ifloordiv,
    "%=": operator.imod, "**=": operator.ipow, "&=": operator.iand, "|=": operator.ior, "^=": operator.ixor,
    "<<=": operator.ilshift, ">>=": operator.irshift,
}  # fmt: skip


@pytest.mark.parametrize("sign", AUGMENTED)
def test_an_augmented_assignment_writes_where_a_view_sees_it(sign: str) -> None:
    whole = sign in ("&=", "|=", "^=", "<<=", ">>=")
    values = np.array([[6, 3], [5, 9]], np.int64 if whole else np.float32)
    x = t(values)
    row, held = x[1], x
    row = AUGMENTED[sign](row, 2)
    expected = values.copy()
    expected[1] = AUGMENTED[sign](expected[1], 2)
    assert x is held
    np.testing.assert_array_equal(x.numpy(), expected)
    np.testing.assert_array_equal(row.numpy(), expected[1])


def test_a_step_written_by_hand_changes_the_parameters() -> None:
    layer = engine.nn.Linear(3, 2)
    before = layer.weight.numpy().copy()
    layer(t(VALUES)).sum().backward()
    with engine.no_grad():
        for parameter in layer.parameters():
            parameter -= 0.5 * parameter.grad
    np.testing.assert_allclose(layer.weight.numpy(), before - 0.5 * layer.weight.grad.numpy(), rtol=1e-6)


def test_where_a_graph_is_recorded_an_augmented_assignment_makes_a_new_tensor() -> None:
    w = engine.tensor([1.0, 2.0], requires_grad=True)
    y = first = w.exp()
    y *= 3
    total = start = t([0.0, 0.0])
    total += y
    total.sum().backward()
    assert y is not first
    np.testing.assert_array_equal(start.numpy(), [0, 0])
    np.testing.assert_allclose(w.grad.numpy(), 3 * np.exp([1.0, 2.0]), rtol=1e-6)


def test_an_augmented_assignment_to_a_leaf_is_refused_where_graphs_are_recorded() -> None:
    w = engine.tensor([1.0], requires_grad=True)
    with pytest.raises(GradientError, match=r"-=: writing into a leaf .* inside no_grad\(\)"):
        w -= 1


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda: operator.itruediv(t([1, 2]), 2), DtypeError),
        (lambda: operator.iadd(t([1.0]), t([1.0, 2.0])), ShapeError),
        (lambda: operator.iadd(t([1.0]).expand(3), 1), SettingError),
    ],
)
def test_an_augmented_assignment_that_does_not_fit_is_refused(act: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        act()
