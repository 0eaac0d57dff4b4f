"""A residual and an activation in the kernels of batch normalisation: held to the bodies, and to the operations taken apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, memory_orders

from numzoo import engine
from numzoo.engine import nn, ops
from numzoo.engine.dtype import accumulator, as_dtype
from numzoo.engine.kernels.cuda.layers import batch_norm, images

F = nn.functional
SHAPES = [(4, 8, 5, 7), (2, 2, 12, 36), (2, 70, 3, 3), (6, 1, 9), (9, 12), (2, 3, 3, 4, 5)]
SETTINGS: list[tuple[str, str | None, bool, bool]] = [
    ("float32", "relu", False, False), ("float32", "relu", False, True), ("float32", "relu", True, False), ("float32", "relu", True, True),
    ("float32", "relu6", False, True), ("float32", "relu6", True, False), ("float32", None, True, True), ("bfloat16", "relu", True, True),
    ("bfloat16", "relu6", False, False), ("float16", "relu", False, True), ("float16", None, True, False), ("float64", "relu6", True, True),
]  # fmt: skip
"""A dtype, an activation, whether there is a residual, and whether channels lie side by side."""


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * 3 + 0.5).astype(as_dtype(dtype))


def turned(x: Any) -> Any:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def check(gpu: Any, x: Any, flow: Any, residual: Any, activation: str | None, vectors: Any) -> None:
    weight, bias = vectors
    wide, settings = accumulator(x.dtype), {"epsilon": 1e-3, "activation": activation}
    mean, variance = drawn(x.shape[1:2], wide, 4), np.abs(drawn(x.shape[1:2], wide, 5)) + wide.type(0.5)
    assert_kernel_is_body(gpu, batch_norm.batch_norm, "batch_norm", x, weight, bias, mean, variance, residual, **settings, scale=5)  # fmt: skip
    made, mean, variance = assert_kernel_is_body(
        gpu, batch_norm.batch_norm_training, "batch_norm_training", x, weight, bias, residual, **settings, scale=5
    )
    if residual is None:
        given = (flow, x, weight, mean, variance, bias, made)
        assert_kernel_is_body(gpu, batch_norm.batch_norm_backward, "batch_norm_backward", *given, **settings, scale=20)
    elif activation is not None:
        given = (flow, x, weight, mean, variance, made)
        name = "batch_norm_residual_backward"
        assert_kernel_is_body(gpu, batch_norm.batch_norm_residual_backward, name, *given, **settings, scale=20)


@pytest.mark.parametrize(("dtype", "activation", "residual", "last"), SETTINGS)
def test_every_size_dtype_and_layout(gpu: Any, dtype: str, activation: str | None, residual: bool, last: bool) -> None:
    for shape in SHAPES if activation == "relu" and dtype == "float32" else SHAPES[1:3]:
        x, flow, beside = (drawn(shape, dtype, seed) for seed in (0, 1, 6))
        if last:
            x, flow, beside = (turned(v) for v in (x, flow, beside))
        wide, channels = accumulator(x.dtype), shape[1:2]
        for vectors in ((drawn(channels, wide, 2), drawn(channels, wide, 3)), (None, None)):
            check(gpu, x, flow, beside if residual else None, activation, vectors)


def test_residuals_results_and_gradients_may_lie_otherwise_than_x(gpu: Any) -> None:
    x, flow, beside = (drawn((3, 4, 2, 6), seed=seed) for seed in (0, 1, 2))
    vectors = drawn((4,), seed=3)[::-1], drawn((4,), seed=4)
    orders = zip(memory_orders(x), [*memory_orders(flow)][::-1], memory_orders(turned(beside)), strict=True)
    for laid, given, other in orders:
        check(gpu, laid, given, other, "relu", vectors)
        check(gpu, laid, given, None, "relu", vectors)
    check(gpu, x, flow, np.broadcast_to(beside[:, :, :1, :1], x.shape), "relu", vectors)


def test_parts_of_planes_are_put_together(gpu: Any, monkeypatch: Any) -> None:
    for longest, short in ((10, 8), (12, 0)):
        monkeypatch.setattr(images, "LONGEST", longest)
        monkeypatch.setattr(images, "SHORT", short)
        batch_norm.PLANS.clear()
        for shape in ((2, 4, 5, 7), (2, 4, 4, 7)):
            x, flow, beside = (drawn(shape, seed=seed) for seed in (0, 1, 2))
            check(gpu, x, flow, None, "relu", (drawn((4,), seed=2), None))
            check(gpu, x, flow, beside, "relu", (drawn((4,), seed=2), None))
    batch_norm.PLANS.clear()


@pytest.mark.parametrize("activation", ["relu", "relu6"])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("last", [False, True])
def test_corners_are_where_the_activation_has_them(gpu: Any, activation: str, residual: bool, last: bool) -> None:
    x = np.zeros((2, 2, 4, 2), np.float32)
    x.reshape(2, -1)[:, :7] = [-1, -0.0, 0, 3, 6, 7, np.nan]
    x, flow = (turned(v) if last else v for v in (x, np.ones_like(x)))
    mean, variance, result = np.zeros(2, np.float32), np.ones(2, np.float32), np.clip(x, 0, 6 if activation == "relu6" else None)  # fmt: skip
    settings: Any = {"epsilon": 0.0, "activation": activation}
    beside = gpu.put(np.zeros_like(x)) if residual else None
    given = batch_norm.batch_norm(gpu.put(x), None, None, gpu.put(mean), gpu.put(variance), beside, **settings)
    np.testing.assert_array_equal(given.get(), result)
    arrays = [gpu.put(v) for v in (flow, x, mean, variance, result)]
    if residual:
        along, left = batch_norm.batch_norm_residual_backward(*arrays[:2], None, *arrays[2:], **settings)[2:]
        passed = (result > 0) & (result < (6 if activation == "relu6" else np.inf))
        np.testing.assert_array_equal(left.get(), passed)
    else:
        along = batch_norm.batch_norm_backward(*arrays[:2], None, *arrays[2:4], None, arrays[4], **settings)[2]
    wanted = ops.batch_norm_backward.body(np, flow, x, None, mean, variance, None, result, **settings)[2]
    np.testing.assert_array_equal(along.get(), wanted)


@pytest.mark.parametrize(("activation", "dtype"), [("silu", "float32"), ("silu", "bfloat16"), ("hardswish", "float64")])
def test_curves_follow_in_use(gpu: Any, activation: str, dtype: str) -> None:
    for x in (drawn((2, 8, 5, 7), dtype), turned(drawn((2, 8, 5, 7), dtype))):
        vectors = [drawn((8,), accumulator(x.dtype), seed) for seed in (2, 3, 4)]
        variance = np.abs(vectors[2]) + vectors[2].dtype.type(0.5)
        assert_kernel_is_body(
            gpu,
            batch_norm.batch_norm,
            "batch_norm",
            x,
            *vectors,
            variance,
            epsilon=1e-3,
            activation=activation,
            scale=5,
        )
    layer, own = nn.BatchNorm2d(8).to("cuda").eval(), {"silu": nn.SiLU, "hardswish": nn.Hardswish}[activation]()
    images = engine.Tensor(drawn((2, 8, 5, 7))).to(device="cuda")
    wanted = own(layer(images)).numpy()
    gpu.launched.clear()
    with engine.no_grad():
        given = nn.Sequential(layer, own)(images).numpy()
    assert set(gpu.launched) == {"plane_normalise"}
    np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-5)


def test_layers_gradients_are_the_cpus_and_relus_are_not_launched(gpu: Any) -> None:
    def slopes(device: str) -> list[Any]:
        x, beside = (engine.Tensor(drawn((3, 4, 5, 5), seed=seed)).to(device=device) for seed in (0, 1))
        layers = [nn.BatchNorm2d(4).to(device=device) for _ in range(3)]
        for leaf in (x, beside):
            leaf.requires_grad_(True)
        out = x
        for layer, activation, residual in zip(layers, ("relu", "relu6", "relu"), (None, None, beside), strict=True):
            held = layer.running_mean, layer.running_var, layer.weight, layer.bias
            out = F.batch_norm(
                out, *held, True, count=layer.num_batches_tracked, residual=residual, activation=activation
            )
        (out * out * out).sum().backward()
        found = [t.grad for t in (x, beside, *(p for layer in layers for p in layer.parameters()))]
        return [t.numpy() for t in (*found, *(value for layer in layers for value in layer.state_dict().values()))]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-3)
    assert {"plane_normalise", "plane_products", "plane_slopes"} <= set(gpu.launched)


def test_the_result_is_not_kept_where_it_is_computed_again(gpu: Any) -> None:
    x = engine.Tensor(drawn((3, 4, 5))).to(device="cuda").requires_grad_(True)
    for residual in (None, x):
        out: Any = ops.batch_norm_training(x, None, None, residual, activation="relu")[0]
        assert (out.node.node.outs[0] is None) == (residual is None)


def test_gradients_of_gradients_are_the_cpus(gpu: Any) -> None:
    def seconds(device: str, training: bool, residual: bool) -> Any:
        x, beside = (engine.Tensor(drawn((3, 4, 5), seed=seed)).to(device=device) for seed in (0, 1))
        held = [None if training else engine.Tensor(np.full(4, 1.5 + i, np.float32)).to(device=device) for i in (0, 1)]
        for leaf in (x, beside):
            leaf.requires_grad_(True)
        out = F.batch_norm(x, *held, training=training, residual=beside if residual else None, activation="relu")
        leaves = [x, beside] if residual else [x]
        firsts = engine.grad((out * out * out).sum(), leaves, create_graph=True)
        return [g.numpy() for g in engine.grad(sum((g * g).sum() for g in firsts), leaves)]  # type: ignore[arg-type]

    for how in ((True, True), (True, False), (False, True)):
        for there, here in zip(seconds("cuda", *how), seconds("cpu", *how), strict=True):
            np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-3 * np.abs(here).max())


def test_what_does_not_fit_together_is_left_to_the_body_or_refused(gpu: Any) -> None:
    x = gpu.put(drawn((2, 4, 3, 3)))
    narrow = gpu.put(drawn((2, 4, 3, 3), "bfloat16"))
    assert batch_norm.batch_norm_training(x, None, None, narrow) is NotImplemented
    with pytest.raises(engine.ShapeError, match="residual"):
        batch_norm.batch_norm_training(x, None, None, gpu.put(drawn((2, 4, 3, 1))))
    for activation in ("gelu", "silu"):
        with pytest.raises(engine.SettingError, match="relu6, not"):
            batch_norm.batch_norm_training(x, activation=activation)
    sums = [engine.Tensor(v).to(device="cuda") for v in (drawn((2, 4, 3, 3)), drawn((2, 4, 3, 3), "bfloat16"))]
    assert ops.batch_norm_training(sums[1], None, None, sums[0], activation="relu")[0].dtype == engine.float32
