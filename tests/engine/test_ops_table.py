"""One row for each operation; the same questions are put to all of them.

Value against an independent float64 reference, first and second gradient along a random direction, every floating dtype,
empty, size-1 and non-contiguous inputs, kernel equal to the body.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.op import TABLE

F64 = np.float64


@dataclass(frozen=True)
class Row:
    """An operation, the shapes and ranges of its inputs, its settings, and what it should give in float64."""

    name: str
    shapes: tuple[tuple[int, ...], ...]
    reference: Callable[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)
    low: float = -2.0
    high: float = 2.0
    smooth: bool = True  # whether it has a gradient to check
    order: int = 2
    elementwise: bool = False
    call: Callable[..., Any] | None = None
    integers: tuple[int, ...] = ()  # which inputs are indices below ``limit``
    limit: int = 3
    label: str = ""

    def run(self, *inputs: Any) -> Any:
        return (self.call or getattr(ops, self.name))(*inputs, **self.settings)


def erf64(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[F64])(x)


def conv_reference(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: int = 1,
) -> Any:
    n = x.shape[0]
    o, cg, kh, kw = w.shape
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    oh = (x.shape[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (x.shape[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    out = np.zeros((n, o, oh, ow))
    for i in range(o):
        g = i // (o // groups)
        for p in range(oh):
            for q in range(ow):
                rows = slice(p * stride[0], p * stride[0] + dilation[0] * kh, dilation[0])
                columns = slice(q * stride[1], q * stride[1] + dilation[1] * kw, dilation[1])
                seen = x[:, g * cg : (g + 1) * cg, rows, columns]
                out[:, i, p, q] = (seen * w[i]).sum((1, 2, 3))
    return out if b is None else out + b[:, None, None]


def pool_reference(
    x: Any, reduce: Any, fill: float, kernel_size: Any, stride: Any, padding: Any = (0, 0), dilation: Any = (1, 1)
) -> Any:
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel_size, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, span, (2, 3))[
        :, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]
    ]
    return reduce(view, (-2, -1))


def adaptive_reference(x: Any, height: int, width: int) -> Any:
    def window(i: int, size: int, parts: int) -> slice:
        return slice(i * size // parts, -(-(i + 1) * size // parts))

    rows = [window(i, x.shape[2], height) for i in range(height)]
    columns = [window(j, x.shape[3], width) for j in range(width)]
    return np.stack([np.stack([x[:, :, r, c].mean((2, 3)) for c in columns], -1) for r in rows], -2)


def smooth_reference(x: Any, target: Any) -> Any:
    logs = np.log(softmax_reference(x, 1))
    return (-0.9 * logs[np.arange(len(x)), target] - 0.1 * logs.mean(1)).mean()


def training_reference(x: Any, w: Any, b: Any) -> Any:
    return batch_norm_reference(x, w, b, x.mean((0, 2, 3)), x.var((0, 2, 3)))


def softmax_reference(x: Any, axis: int) -> Any:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def batch_norm_reference(x: Any, w: Any, b: Any, m: Any, v: Any, epsilon: float = 1e-5) -> Any:
    c = (1, -1) + (1,) * (x.ndim - 2)
    return (x - m.reshape(c)) / np.sqrt(v.reshape(c) + epsilon) * w.reshape(c) + b.reshape(c)


def layer_norm_reference(x: Any, w: Any, b: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * w + b


def flat(name: str, reference: Any, *, count: int = 1, low: float = -2.0, high: float = 2.0, **more: Any) -> Row:
    return Row(name, ((3, 4),) * count, reference, low=low, high=high, elementwise=True, **more)


CONV = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}
POOL = {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 1)}
ROWS = [
    flat("add", np.add, count=2),
    flat("sub", np.subtract, count=2),
    flat("mul", np.multiply, count=2),
    flat("div", np.divide, count=2, low=0.5),
    flat("pow", np.power, count=2, low=0.5),
    flat("neg", np.negative),
    flat("abs", np.abs, low=0.3),
    flat("sign", np.sign, low=0.3),
    flat("maximum", np.maximum, count=2),
    flat("minimum", np.minimum, count=2),
    flat("clip", lambda x, low, high: np.clip(x, low, high), settings={"low": -0.7, "high": 1.1}),
    flat("floor_divide", np.floor_divide, count=2, low=0.5, smooth=False),
    flat("remainder", np.remainder, count=2, low=0.5, smooth=False),
    flat("exp", np.exp),
    flat("log", np.log, low=0.3),
    flat("log1p", np.log1p, low=-0.5),
    flat("expm1", np.expm1),
    flat("sqrt", np.sqrt, low=0.3),
    flat("rsqrt", lambda x: 1 / np.sqrt(x), low=0.3),
    flat("sin", np.sin),
    flat("cos", np.cos),
    flat("tanh", np.tanh),
    flat("sigmoid", lambda x: 1 / (1 + np.exp(-x)), low=-6, high=6),
    flat("erf", erf64, low=-6, high=6),
    flat("floor", np.floor, smooth=False),
    flat("ceil", np.ceil, smooth=False),
    flat("round", np.round, smooth=False),
    flat("relu", lambda x: np.maximum(x, 0)),
    flat("gelu", lambda x: x * 0.5 * (1 + erf64(x / math.sqrt(2)))),
    flat("gelu_tanh", lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
    flat("silu", lambda x: x / (1 + np.exp(-x))),
    flat("hardswish", lambda x: x * np.clip(x + 3, 0, 6) / 6, low=-5, high=5),
    flat("hardsigmoid", lambda x: np.clip(x + 3, 0, 6) / 6, low=-5, high=5),
    flat("leaky_relu", lambda x, negative_slope: np.where(x > 0, x, negative_slope * x), settings={"negative_slope": 0.1}),
    *(flat(n, f, count=2, smooth=False) for n, f in (
        ("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal), ("gt", np.greater), ("ge", np.greater_equal),
        ("logical_and", np.logical_and), ("logical_or", np.logical_or),
    )),
    flat("logical_not", np.logical_not, smooth=False),
    flat("isnan", np.isnan, smooth=False),
    flat("isfinite", np.isfinite, smooth=False),
    Row("softmax", ((2, 5, 3),), lambda x, axis: softmax_reference(x, axis), {"axis": 1}),
    Row("log_softmax", ((2, 5, 3),), lambda x, axis: np.log(softmax_reference(x, axis)), {"axis": 1}),
    Row("sum", ((2, 3, 4),), lambda x, axis: x.sum(axis), {"axis": (0, 2)}),
    Row("sum", ((2, 3, 4),), lambda x: x.sum(), label="all"),
    Row("mean", ((2, 3, 4),), lambda x, axis, keepdim: x.mean(axis, keepdims=keepdim), {"axis": -1, "keepdim": True}),
    Row("var", ((2, 3, 4),), lambda x, axis: x.var(axis, ddof=1), {"axis": 1}),
    Row("prod", ((2, 3),), lambda x, axis: x.prod(axis), {"axis": 1}, low=0.5),
    Row("amax", ((2, 3, 4),), lambda x, axis: x.max(axis), {"axis": (1, 2)}),
    Row("amin", ((2, 3, 4),), lambda x, axis: x.min(axis), {"axis": 1}),
    Row("argmax", ((2, 3, 4),), lambda x, axis: x.argmax(axis), {"axis": 1}, smooth=False),
    Row("argmin", ((2, 3, 4),), lambda x, axis: x.argmin(axis), {"axis": 1}, smooth=False),
    Row("all", ((2, 3),), lambda x, axis: x.all(axis), {"axis": 1}, smooth=False),
    Row("any", ((2, 3),), lambda x, axis: x.any(axis), {"axis": 1}, smooth=False),
    Row("max", ((3, 4),), lambda x, axis: x.max(axis), {"axis": 1}, call=lambda x, axis: ops.max(x, axis)[0]),
    Row("reshape", ((2, 6),), lambda x: x.reshape(3, 4), call=lambda x: ops.reshape(x, (3, -1))),
    Row("permute", ((2, 3, 4),), lambda x: x.transpose(2, 0, 1), call=lambda x: ops.permute(x, (2, 0, -2))),
    Row("broadcast_to", ((3, 1),), lambda x: np.broadcast_to(x, (2, 3, 4)), call=lambda x: ops.expand(x, (2, -1, 4))),
    Row("transpose", ((2, 3, 4),), lambda x: x.swapaxes(0, 2), call=lambda x: ops.transpose(x, 0, -1)),
    Row("flatten", ((2, 3, 4),), lambda x: x.reshape(2, 12), call=lambda x: ops.flatten(x, 1)),
    Row("flip", ((2, 3),), lambda x: x[:, ::-1], call=lambda x: ops.flip(x, (1,))),
    Row("rolled", ((3, 4),), lambda x: np.roll(x, (1, -1), (0, 1)), call=lambda x: ops.roll(x, (1, -1), (0, 1))),
    Row("cat_along", ((2, 3), (2, 2)), lambda *x: np.concatenate(x, 1), call=lambda *x: ops.cat(x, 1)),
    Row("stack", ((2, 3), (2, 3)), lambda *x: np.stack(x, 1), call=lambda *x: ops.stack(x, 1)),
    Row("split", ((5, 2),), lambda x: x[4:], call=lambda x: ops.split(x, 2)[2]),
    Row("padded", ((2, 3),), lambda x: np.pad(x, ((1, 0), (2, 1)), constant_values=0.5), call=lambda x: ops.pad(x, (2, 1, 1, 0), value=0.5)),
    Row("unpadded", ((4, 5),), lambda x: x[1:, 2:4], call=lambda x: ops.pad(x, (-2, -1, -1, 0))),
    Row("pad", ((3, 4),), lambda x: np.pad(x, ((0, 0), (2, 1)), mode="reflect"), call=lambda x: ops.pad(x, (2, 1), mode="reflect"), label="reflect"),
    Row("items", ((4, 5),), lambda x: x[1:3, ::-2], call=lambda x: x[1:3, ::-2]),
    Row("items", ((4, 5),), lambda x: x[[0, 2, 2], 1], call=lambda x: x[engine.tensor([0, 2, 2]), 1], label="repeated"),
    Row("items", ((4, 5),), lambda x: x[np.arange(4) > 1], call=lambda x: x[engine.arange(4) > 1], label="mask"),
    Row("gather", ((3, 4), (3, 2)), lambda x, i, axis: np.take_along_axis(x, i, axis), {"axis": 1}, integers=(1,), limit=4),
    Row("select", ((3, 4), (3, 4)), lambda x, y: np.where(x > y, x, y), call=lambda x, y: ops.where(x > y, x, y)),
    Row("cast", ((3, 4),), lambda x: x, call=lambda x: ops.clone(x)),
    Row("matmul", ((3, 4), (4, 5)), np.matmul),
    Row("matmul", ((2, 1, 3, 4), (5, 4, 2)), np.matmul, label="broadcast"),
    Row("matmul", ((4,), (2, 4, 3)), np.matmul, label="row"),
    Row("matmul", ((2, 3, 4), (4,)), np.matmul, label="column"),
    Row("matmul", ((4,), (4,)), np.matmul, label="dot"),
    Row("linear", ((2, 3, 4), (5, 4), (5,)), lambda x, w, b: x @ w.T + b),
    Row("linear", ((3, 4), (5, 4)), lambda x, w: x @ w.T, label="no bias"),
    Row("conv2d", ((2, 3, 7, 6), (4, 3, 3, 3), (4,)), conv_reference, {"padding": (1, 1)}),
    Row("conv2d", ((2, 4, 7, 8), (6, 2, 3, 2), (6,)), conv_reference, CONV, label="all settings"),
    Row("conv2d", ((2, 4, 6, 6), (4, 1, 3, 3)), conv_reference, {"groups": 4, "stride": (2, 2)}, label="depthwise"),
    Row("conv2d", ((2, 3, 5, 4), (6, 3, 1, 1)), conv_reference, label="1x1"),
    Row("max_pool2d", ((2, 3, 7, 6),), lambda x, **s: pool_reference(x, np.max, -np.inf, **s), POOL),
    Row("max_pool2d", ((2, 3, 8, 8),), lambda x, **s: pool_reference(x, np.max, -np.inf, **s),
        {"kernel_size": (2, 2), "stride": (2, 2), "dilation": (2, 3)}, label="dilated"),
    Row("avg_pool2d", ((2, 3, 7, 6),), lambda x, **s: pool_reference(x, np.mean, 0.0, **s), POOL),
    Row("adaptive_avg_pool2d", ((2, 3, 5, 6),), lambda x: adaptive_reference(x, 2, 4), call=lambda x: ops.adaptive_avg_pool2d(x, (2, 4))),
    Row("batch_norm", ((4, 3, 2, 5), (3,), (3,), (3,), (3,)), batch_norm_reference, low=0.5),
    Row("batch_norm_training", ((4, 3, 2, 5), (3,), (3,)), training_reference, call=lambda *x: ops.batch_norm_training(*x)[0]),
    Row("batch_norm_training", ((4, 3, 2, 5),), lambda x: x.var((0, 2, 3)), call=lambda x: ops.batch_norm_training(x)[2], label="variance"),
    Row("layer_norm", ((2, 3, 6), (6,), (6,)), layer_norm_reference),
    Row("scaled_dot_product_attention", ((2, 3, 4), (2, 5, 4), (2, 5, 3)), lambda q, k, v: softmax_reference(q @ k.swapaxes(-1, -2) / 2, -1) @ v),
    Row("cross_entropy", ((4, 3), (4,)), lambda x, t: -np.log(softmax_reference(x, 1))[np.arange(4), t].mean(), integers=(1,)),
    Row("cross_entropy", ((4, 3), (4,)), smooth_reference, call=lambda x, t: ops.cross_entropy(x, t, label_smoothing=0.1), integers=(1,), label="smooth"),
]  # fmt: skip
IDS = [f"{row.name} {row.label}".strip() for row in ROWS]
SMOOTH = [pytest.param(row, id=name) for row, name in zip(ROWS, IDS, strict=True) if row.smooth]
EVERY = [pytest.param(row, id=name) for row, name in zip(ROWS, IDS, strict=True)]

# A step of these may fall between two narrow numbers, so a narrow dtype may rightly differ by a whole step.
STEPS = ("floor_divide", "remainder")

# Operations that exist as the gradient of another, which the second gradients above reach, or that only move memory.
REACHED = {
    "relu_input", "conv2d_input", "conv2d_weight", "max_pool2d_input", "max_pool2d_pick", "avg_pool2d_input", "spread_items",
    "spread_along", "nll", "batch_norm_backward", "layer_norm_backward", "clone", "_rows", "move_from",
    "gelu_input", "gelu_tanh_input", "silu_input", "hardswish_input", "sigmoid_input", "tanh_input",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not",
}  # fmt: skip


def drawn(row: Row, seed: int = 0, dtype: Any = F64) -> list[Any]:
    generator = np.random.default_rng(seed)
    return [
        generator.integers(0, row.limit, shape)
        if i in row.integers
        else generator.uniform(row.low, row.high, shape).astype(dtype)
        for i, shape in enumerate(row.shapes)
    ]


def numbers(result: Any) -> Any:
    return (result[0] if isinstance(result, tuple) else result).numpy()


def test_every_operation_has_a_row() -> None:
    named = {row.name for row in ROWS}
    assert set(TABLE) - named - REACHED == set()


@pytest.mark.parametrize("row", EVERY)
def test_the_value_is_the_references(row: Row) -> None:
    inputs = drawn(row)
    wanted = row.reference(*inputs, **row.settings)
    given = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    assert given.shape == np.shape(wanted)
    np.testing.assert_allclose(given, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("row", SMOOTH)
def test_first_and_second_gradients_are_slopes(row: Row) -> None:
    engine.check.gradients(row.run, *[engine.Tensor(x) for x in drawn(row)], order=row.order)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("row", [p for p in EVERY if p.values[0].name not in STEPS])  # type: ignore[attr-defined]
def test_every_floating_dtype_is_kept_and_close(row: Row, dtype: str) -> None:
    kind = engine.dtype.as_dtype(dtype)
    inputs = drawn(row, dtype=kind)
    wanted = row.reference(*[x.astype(F64) if x.dtype == kind else x for x in inputs], **row.settings)
    given = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    if given.dtype.kind in "bi":
        np.testing.assert_array_equal(given, wanted)
        return
    # Statistics and losses stay wide on purpose.
    assert given.dtype == (np.float32 if row.label == "variance" or row.name == "cross_entropy" else kind)
    tolerance = {"float32": 2e-5, "float16": 2e-2, "bfloat16": 1e-1}[dtype]
    np.testing.assert_allclose(given.astype(F64), wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("row", EVERY)
def test_memory_order_does_not_matter(row: Row) -> None:
    inputs = drawn(row)
    turned = []
    for x in inputs:
        wide = np.zeros((*(2 * s for s in x.shape),), x.dtype)
        view = wide[tuple(slice(None, None, 2) for _ in x.shape)]
        view[...] = x
        turned.append(np.asfortranarray(x) if x.ndim > 2 else view)
    straight = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    crooked = numbers(row.run(*[engine.Tensor(x) for x in turned]))
    np.testing.assert_allclose(crooked, straight, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (1,), (1, 1), ()])
@pytest.mark.parametrize("row", [p for p in EVERY if p.values[0].elementwise])  # type: ignore[attr-defined]
def test_empty_and_single_elements_work(row: Row, shape: tuple[int, ...]) -> None:
    inputs = [np.full(shape, 1.5) for _ in row.shapes]
    wanted = row.reference(*inputs, **row.settings)
    tensors = [engine.Tensor(x, requires_grad=row.smooth) for x in inputs]
    result = row.run(*tensors)
    assert result.shape == np.shape(wanted)
    np.testing.assert_allclose(result.numpy(), wanted, rtol=1e-12)
    if row.smooth:
        result.sum().backward()
        assert all(t.grad is not None and t.grad.shape == shape for t in tensors)


@pytest.mark.parametrize("row", [p for p in EVERY if p.values[0].elementwise and len(p.values[0].shapes) == 2])  # type: ignore[attr-defined]
def test_operands_broadcast_and_gradients_sum_back(row: Row) -> None:
    generator = np.random.default_rng(1)
    x, y = generator.uniform(0.6, 1.0, (3, 1, 4)), generator.uniform(1.1, 2.0, (2, 1))
    a, b = engine.Tensor(x, requires_grad=row.smooth), engine.Tensor(y, requires_grad=row.smooth)
    result = row.run(a, b)
    np.testing.assert_allclose(result.numpy(), row.reference(x, y), rtol=1e-12)
    if row.smooth:
        result.sum().backward()
        assert a.grad is not None
        assert b.grad is not None
        assert a.grad.shape == x.shape
        assert b.grad.shape == y.shape


def scaled(row: Row) -> list[Any]:
    """The row's inputs made so large that kernels find them worth their while."""
    inputs = drawn(row, seed=3, dtype=np.float32)
    if not row.elementwise:
        return inputs
    return [
        np.random.default_rng(4 + i).uniform(row.low, row.high, (16, 32, 64, 8)).astype(np.float32)
        for i in range(len(inputs))
    ]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("row", EVERY)
def test_the_kernel_gives_what_the_body_gives(row: Row, dtype: str) -> None:
    inputs = [x if x.dtype.kind == "i" else x.astype(engine.dtype.as_dtype(dtype)) for x in scaled(row)]
    with_kernels = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    kernels = {name: dict(o.kernels) for name, o in TABLE.items()}
    try:
        for o in TABLE.values():
            o.kernels.clear()
            o.implementations.clear()
        without = numbers(row.run(*[engine.Tensor(x) for x in inputs]))
    finally:
        for name, o in TABLE.items():
            o.kernels.update(kernels[name])
            o.implementations.clear()
    assert with_kernels.dtype == without.dtype
    assert with_kernels.shape == without.shape
    tolerance = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 4e-2}[dtype]
    np.testing.assert_allclose(with_kernels.astype(F64), without.astype(F64), rtol=tolerance, atol=tolerance)
