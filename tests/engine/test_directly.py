"""Gradients that a walk computes on arrays at once: those of the rules, to the bit where the same kernels compute, and the rules' where somebody looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import Tensor, nn, precision
from numzoo.engine.op import TABLE

Shapes = tuple[tuple[int, ...], ...]
F = nn.functional


def again(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The call, made twice: attention of narrow numbers is planned when its sizes come again."""
    return lambda *inputs: (call(*inputs), call(*inputs))[1]


def convolved(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv2d(x, weight, bias, padding=1, stride=2)


def normalised(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, **more: Any) -> Tensor:
    return F.batch_norm(x, None, None, weight, bias, True, **more)


def both_of(results: Any) -> Tensor:
    """A sum into which both results go."""
    return results[0] * 2.0 + results[1]  # type: ignore[no-any-return]


WORDS = engine.tensor([[0, 1, 5], [1, 1, 5]])

SMALL: list[tuple[str, Callable[..., Tensor], Shapes]] = [
    ("linear", engine.linear, ((4, 3), (5, 3), (5,))),
    ("linear", engine.linear, ((4, 3), (5, 3))),
    ("relu", engine.relu, ((4, 3),)),
    ("sum", lambda x: x.sum(), ((4, 3),)),
    ("sum", lambda x: engine.sum(x, (0, 1)), ((4, 3),)),
    ("sum", lambda x: x.sum(1), ((4, 3),)),
    ("sum", lambda x: x.sum(keepdim=True), ((0, 3),)),
    ("sum", lambda x: x.sum(), ((),)),
    ("class_entropy", lambda x: engine.cross_entropy(x, [0, 2, 1, 1]), ((4, 3),)),
    ("class_entropy", lambda x: engine.cross_entropy(x, [0, 2, 1, 1], reduction="sum"), ((4, 3),)),
    ("class_entropy", lambda x: engine.cross_entropy(x, [0, -100, 1, 1], engine.tensor([1.0, 2.0, 3.0])), ((4, 3),)),
    ("class_entropy", lambda x: engine.cross_entropy(x, [-100] * 4, reduction="mean"), ((4, 3),)),
]
"""What NumPy computes faster than a kernel is called: the same but for the last bits."""

SAME: list[tuple[str, Callable[..., Tensor], Shapes]] = [
    ("linear", engine.linear, ((2, 4, 3), (5, 3), (5,))),
    ("linear", engine.linear, ((3,), (5, 3), (5,))),
    ("linear", engine.linear, ((0, 3), (5, 3), (5,))),
    ("linear", engine.linear, ((2, 8, 96), (64, 96), (64,))),
    ("linear", lambda x, w, b: engine.linear(x, w.T, b), ((2, 8, 96), (96, 64), (64,))),
    ("linear", lambda x, w: engine.linear(x.transpose(0, 1), w), ((8, 2, 96), (64, 96))),
    ("conv2d", convolved, ((2, 3, 6, 7), (4, 3, 3, 3), (4,))),
    ("conv2d", convolved, ((2, 3, 6, 7), (4, 3, 3, 3))),
    ("conv2d", lambda x, w: F.conv2d(x, w, groups=2, dilation=2), ((1, 4, 6, 7), (4, 2, 3, 3))),
    ("attend", again(F.scaled_dot_product_attention), ((1, 2, 17, 8), (1, 2, 18, 8), (1, 2, 18, 8))),
    ("attend", again(F.scaled_dot_product_attention), (*((1, 1, 3, 4),) * 3, (3, 3))),
    ("attend", again(lambda x: F.attention_in_heads(x, None, None, 2)), ((1, 17, 48),)),
    ("conv3d", lambda x, w, b: F.conv3d(x, w, b, padding=1), ((1, 2, 4, 3, 4), (3, 2, 3, 3, 3), (3,))),
    ("relu", engine.relu, ((80, 70),)),
    ("gelu", engine.gelu, ((4, 3),)),
    ("reshape", lambda x: x.reshape(3, 4), ((4, 3),)),
    ("reshape", lambda x: x.reshape(12).reshape(4, 3).transpose(0, 1).reshape(2, 6), ((4, 3),)),
    ("mul", lambda x, y: x * y, ((4, 3), (4, 3))),
    ("mul", lambda x, y: x * y, ((4, 3), (4, 1))),
    ("mul", lambda x: x * 2.5 * x, ((4, 3),)),
    ("mul", lambda x, y: x * y.float() * y, ((4, 3), (3,))),
    ("sum", lambda x: x.sum() * 2.0, ((4, 3),)),
    ("sum", lambda x: x.sum(1), ((4, 3),)),
    ("take_rows", lambda x: F.embedding(WORDS.to(x.device), x), ((6, 3),)),
    ("take_rows", lambda x: F.embedding(WORDS.to(x.device), x, padding_idx=1), ((6, 3),)),
    ("permute", lambda x: x.permute(2, 0, 1), ((4, 3, 2),)),
    ("permute", lambda x: x.permute(-1, 0, 1), ((4, 3, 2),)),
    ("batch_norm_training", lambda x: normalised(x), ((4, 3, 2),)),
    ("batch_norm_training", lambda x, w: normalised(x, w, None, activation="relu"), ((4, 3, 2), (3,))),
    ("batch_norm_training", lambda x, w, b: normalised(x, w, b, activation="relu6"), ((2, 3, 8, 9), (3,), (3,))),
    ("batch_norm_training", lambda x, w, r: normalised(x, w, None, residual=r), ((4, 3, 2), (3,), (4, 3, 2))),
    (
        "batch_norm_training",
        lambda x, r, b: normalised(x, None, b, residual=r, activation="relu"),
        ((4, 3, 2), (4, 3, 2), (3,)),
    ),
    (
        "batch_norm_training",
        lambda x: engine.batch_norm_training(x)[0] + engine.batch_norm_training(x)[2].sum(),
        ((4, 3),),
    ),
    ("drop_drawn", lambda x: F.dropout(x, 0.5, training=True), ((4, 30),)),
    ("add_layer_norm", lambda x, r: both_of(engine.ops.add_layer_norm(x, r)), ((4, 6), (4, 6))),
    ("add_layer_norm", lambda x, r, w, b: engine.ops.add_layer_norm(x, r, w, b)[0], ((4, 6), (4, 6), (6,), (6,))),
    ("add_rms_norm", lambda x, r: both_of(engine.ops.add_rms_norm(x, r)), ((4, 6), (4, 6))),
    ("add_rms_norm", lambda x, r, w: engine.ops.add_rms_norm(x, r, w)[0], ((4, 6), (4, 6), (6,))),
]
"""The same kernels on the same arrays."""


def gradients(
    call: Callable[..., Tensor], arrays: list[Any], dtype: str, wanted: int, device: str = "cpu", mode: str = "f32"
) -> list[Any]:
    """Of a weighted sum of what ``call`` gives, for those of the arrays whose bits are set."""
    engine.manual_seed(0)
    given = [engine.tensor(a, dtype=dtype).to(device) for a in arrays]
    leaves = [nn.Parameter(x, requires_grad=bool(wanted >> i & 1)) for i, x in enumerate(given)]
    with precision(mode):
        out = call(*leaves)
    flow = np.random.default_rng(1).standard_normal(out.shape)
    for _ in range(2):  # the second adds to the first
        out.backward(engine.tensor(flow, dtype=out.dtype).to(device), retain_graph=True)
    return [None if leaf.grad is None else leaf.grad for leaf in leaves]


def both(monkeypatch: Any, name: str, shapes: Shapes, run: Callable[[list[Any]], list[Any]]) -> list[tuple[Any, Any]]:
    """What ``run`` gives at once and by the rules, for arrays of these shapes."""
    arrays = [np.random.default_rng(place).standard_normal(shape) for place, shape in enumerate(shapes)]
    found = [run(arrays)]
    with monkeypatch.context() as patched:
        patched.setattr(TABLE[name], "direct", None)
        found.append(run(arrays))
    return list(zip(*found, strict=True))


def assert_same(pairs: list[tuple[Any, Any]]) -> None:
    for a, b in pairs:
        assert (a is None) == (b is None)
        if a is not None:
            assert (a.dtype, a.shape, a.array.strides) == (b.dtype, b.shape, b.array.strides)
            assert a.numpy().tobytes() == b.numpy().tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize(("name", "call", "shapes"), SMALL)
def test_small_gradients_are_those_of_the_rules(
    name: str, call: Callable[..., Tensor], shapes: Shapes, dtype: str, monkeypatch: Any
) -> None:
    for wanted in range(1, 2 ** len(shapes)):
        pairs = both(monkeypatch, name, shapes, lambda arrays, wanted=wanted: gradients(call, arrays, dtype, wanted))
        for a, b in pairs:
            assert (a is None) == (b is None)
            if a is not None:
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                tolerance = {"float64": 1e-12, "float32": 1e-5}.get(dtype, 1e-2)
                first, second = (each.numpy().astype(float) for each in (a, b))
                np.testing.assert_allclose(first, second, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("dtype", "mode"),
    [("float32", "f32"), ("float64", "f32"), ("bfloat16", "f32"), ("float32", "bf16"), ("float32", "tf32")],
)
@pytest.mark.parametrize(("name", "call", "shapes"), SAME)
def test_gradients_on_arrays_are_those_of_the_rules_to_the_bit(
    name: str, call: Callable[..., Tensor], shapes: Shapes, dtype: str, mode: str, monkeypatch: Any
) -> None:
    for wanted in range(1, 2 ** len(shapes)):
        assert_same(
            both(monkeypatch, name, shapes, lambda arrays, w=wanted: gradients(call, arrays, dtype, w, "cpu", mode))
        )


@pytest.mark.parametrize(
    ("dtype", "mode"),
    [("float32", "f32"), ("bfloat16", "f32"), ("float32", "bf16"), ("float32", "tf32"), ("float64", "bf16")],
)
@pytest.mark.parametrize(("name", "call", "shapes"), SAME)
def test_on_a_gpu_they_are_the_same_to_the_bit(
    name: str, call: Callable[..., Tensor], shapes: Shapes, dtype: str, mode: str, monkeypatch: Any, one_order: Any
) -> None:
    for wanted in {1, 2 ** len(shapes) - 1, 2 ** (len(shapes) - 1)}:
        assert_same(
            both(monkeypatch, name, shapes, lambda arrays, w=wanted: gradients(call, arrays, dtype, w, "cuda", mode))
        )


def test_every_operation_with_gradients_on_arrays_is_held_to_its_rules() -> None:
    assert {name for name, operation in TABLE.items() if operation.direct is not None} == {
        row[0] for row in SMALL + SAME
    }
