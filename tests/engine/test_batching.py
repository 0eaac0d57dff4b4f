"""Batch normalisation with a residual and an activation is what the separate operations are: values, dtypes, gradients, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import Tensor, nn, ops
from numzoo.engine.dtype import as_dtype

F = nn.functional
SEPARATE: dict[str | None, Any] = {
    None: lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
    "hardswish": F.hardswish,
}
TOLERANCE = {"float64": 1e-12, "float32": 2e-5, "float16": 1e-2, "bfloat16": 8e-2}
SHAPE = (4, 3, 5, 6)


def drawn(shape: tuple[int, ...], dtype: str, seed: int, requires_grad: bool = True) -> Tensor:
    values = np.random.default_rng(seed).standard_normal(shape) * 2 + 0.5
    return Tensor(values.astype(as_dtype(dtype)), requires_grad=requires_grad)


def inputs_of(dtype: str, beside: str | None) -> list[Any]:
    x, weight, bias = drawn(SHAPE, dtype, 0), drawn((3,), dtype, 1), drawn((3,), dtype, 2)
    return [x, weight, bias, None if beside is None else drawn(SHAPE, beside, 3)]


def statistics(dtype: str, training: bool) -> list[Any]:
    return [None if training else Tensor(np.array([0.5, 1.0, 2.0], as_dtype(dtype)) + i) for i in range(2)]


def together(
    x: Any, weight: Any, bias: Any, residual: Any, held: Any, activation: str | None, training: bool
) -> Tensor:
    return F.batch_norm(x, *held, weight, bias, training, residual=residual, activation=activation)


def apart(x: Any, weight: Any, bias: Any, residual: Any, held: Any, activation: str | None, training: bool) -> Tensor:
    out = F.batch_norm(x, *held, weight, bias, training)
    made: Tensor = SEPARATE[activation](out if residual is None else out + residual)
    return made


def found(call: Any, dtype: str, beside: str | None, *settings: Any) -> list[Any]:
    """The value, the first gradients, and the gradients of what those are made into."""
    inputs = inputs_of(dtype, beside)
    held = statistics(dtype, settings[1])
    out = call(*inputs, held, *settings)
    leaves = [v for v in inputs if v is not None]
    flow = drawn(SHAPE, str(out.dtype), 4, False) * 0.125
    plain = engine.grad((out * flow).sum(), leaves)
    out = call(*inputs, held, *settings)
    firsts = engine.grad((out * out * flow).sum(), leaves, create_graph=True)
    seconds = engine.grad(sum((g.float() * g.float()).mean() for g in firsts), leaves)  # type: ignore[arg-type]
    return [out, *plain, *firsts, *seconds]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("activation", list(SEPARATE))
@pytest.mark.parametrize(
    ("dtype", "beside"),
    [(d, b) for d in TOLERANCE for b in (None, d)] + [("bfloat16", "float32"), ("float32", "bfloat16"), ("float16", "float64")],
)  # fmt: skip
def test_one_operation_is_what_the_separate_ones_are(
    dtype: str, beside: str | None, activation: str | None, training: bool
) -> None:
    given, wanted = (found(call, dtype, beside, activation, training) for call in (together, apart))
    for a, b in zip(given, wanted, strict=True):
        assert a.dtype == b.dtype
        a, b = a.double().numpy(), b.double().numpy()
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE[dtype] * max(np.abs(b).max(), 1))


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("recorded", [False, True])
def test_corners_and_nan_are_those_of_the_activation(activation: str, residual: bool, recorded: bool) -> None:
    x = Tensor(np.array([[-1.0], [-0.0], [0.0], [3.0], [6.0], [7.0], [np.nan]], np.float32), requires_grad=True)
    held = Tensor(np.zeros(1, np.float32)), Tensor(np.ones(1, np.float32))
    beside = Tensor(np.zeros(x.shape, np.float32), requires_grad=True) if residual else None
    out = F.batch_norm(x, *held, eps=0.0, residual=beside, activation=activation)
    wanted = SEPARATE[activation](x)
    np.testing.assert_array_equal(out.numpy(), wanted.numpy())
    leaves = [x] if beside is None else [x, beside]
    slope = engine.grad(wanted.sum(), x)[0].numpy()
    for given in engine.grad(out.sum(), leaves, create_graph=recorded):
        np.testing.assert_array_equal(given.numpy(), slope)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_a_mask_is_the_same_from_the_result_and_computed_again(activation: str) -> None:
    x, weight, bias, flow = (drawn(s, "float32", i, False).array * 3 for i, s in enumerate([SHAPE, (3,), (3,), SHAPE]))
    out, mean, variance = ops.batch_norm_training.body(np, x, weight, bias, activation=activation)
    given = (flow, x, weight, mean, variance, bias)
    again, read = (
        ops.batch_norm_backward.body(np, *given, result, epsilon=1e-5, activation=activation) for result in (None, out)
    )
    for a, b in zip(again, read, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_result_is_kept_for_the_activations_sake_alone() -> None:
    x, held = drawn(SHAPE, "float32", 0), statistics("float32", False)
    for activation in (None, "relu"):
        for out in (
            ops.batch_norm_training(x, activation=activation)[0],
            ops.batch_norm(x, None, None, *held, activation=activation),
        ):
            node: Any = getattr(out.node, "node", out.node)
            assert (node.outs[0] is None) == (activation is None)


@pytest.mark.parametrize("activation", ["gelu", "", 6, ["relu"], True])
@pytest.mark.parametrize("training", [True, False])
def test_other_activations_are_refused(activation: Any, training: bool) -> None:
    x = engine.zeros((2, 3, 4, 4))
    with pytest.raises(
        engine.SettingError, match=r"batch_norm.*activation must be None or one of relu, relu6, silu, hardswish, not"
    ):
        F.batch_norm(x, *statistics("float32", training), training=training, activation=activation)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 3, 4, 4), (3,)])
def test_a_residual_of_another_shape_is_refused_with_both_shapes(training: bool, shape: tuple[int, ...]) -> None:
    x, beside = engine.zeros((2, 3, 4, 4)), engine.zeros(shape)
    with pytest.raises(engine.ShapeError) as caught:
        F.batch_norm(x, *statistics("float32", training), training=training, residual=beside)
    assert str(shape) in str(caught.value)
    assert "(2, 3, 4, 4)" in str(caught.value)
