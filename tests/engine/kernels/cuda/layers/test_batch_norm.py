"""The kernels of normalisation by batches and by groups against their bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, memory_orders

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.dtype import accumulator, as_dtype
from numzoo.engine.kernels.cuda.images import pooling
from numzoo.engine.kernels.cuda.layers import batch_norm, group_norm, images

SHAPES = [(4, 8, 5, 7), (2, 2, 36, 36), (2, 70, 3, 3), (6, 1, 9), (9, 12), (2, 3, 3, 4, 5)]


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) + 0.5).astype(as_dtype(dtype))


def clear() -> None:
    for module in (batch_norm, group_norm):
        module.PLANS.clear()


def check(gpu: Any, x: Any, flow: Any, vectors: Any, groups: int) -> None:
    weight, bias = vectors
    wide, channels = accumulator(x.dtype), x.shape[1]
    mean, variance = drawn((channels,), wide, 4), np.abs(drawn((channels,), wide, 5)) + wide.type(0.5)
    assert_kernel_is_body(
        gpu, batch_norm.batch_norm, "batch_norm", x, weight, bias, mean, variance, epsilon=1e-3, scale=3
    )
    _, mean, variance = assert_kernel_is_body(
        gpu, batch_norm.batch_norm_training, "batch_norm_training", x, weight, bias, epsilon=1e-3, scale=3
    )
    assert_kernel_is_body(gpu, batch_norm.batch_norm_backward, "batch_norm_backward", flow, x, weight, mean, variance, epsilon=1e-3, scale=10)  # fmt: skip
    _, mean, inverse = assert_kernel_is_body(gpu, group_norm.group_norm, "group_norm", x, weight, bias, groups=groups, epsilon=1e-3, scale=3)  # fmt: skip
    assert_kernel_is_body(gpu, group_norm.group_norm_backward, "group_norm_backward", flow, x, weight, mean, inverse, groups=groups, scale=10)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("last", [False, True])
def test_images_of_every_size_in_both_layouts(gpu: Any, shape: tuple[int, ...], last: bool) -> None:
    x, flow, channels = drawn(shape), drawn(shape, seed=1), shape[1]
    if last:
        x, flow = (np.moveaxis(np.ascontiguousarray(np.moveaxis(v, 1, -1)), -1, 1) for v in (x, flow))
    groups = next(g for g in (4, 3, 2, 5, 1) if channels % g == 0)
    check(gpu, x, flow, (drawn((channels,), seed=2), drawn((channels,), seed=3)), groups)
    check(gpu, x, flow, (None, None), channels)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_every_dtype_and_weights_of_the_wide_one(gpu: Any, dtype: str) -> None:
    x, flow = drawn((3, 8, 5, 5), dtype), drawn((3, 8, 5, 5), dtype, 1)
    last = [np.moveaxis(np.ascontiguousarray(np.moveaxis(v, 1, -1)), -1, 1) for v in (x, flow)]
    check(gpu, x, flow, [drawn((8,), accumulator(x.dtype), 2)] * 2, 4)
    check(gpu, *last, [drawn((8,), dtype, 2)] * 2 if dtype == "bfloat16" else (None, None), 4)


def test_memory_orders_differ(gpu: Any) -> None:
    x, flow = drawn((3, 4, 2, 6)), drawn((3, 4, 2, 6), seed=1)
    for turned, other in zip(memory_orders(x), [*memory_orders(flow)][::-1], strict=True):
        check(gpu, turned, other, (drawn((4,), seed=2)[::-1], None), 2)
    check(gpu, x, np.broadcast_to(flow[:, :, :1, :1], x.shape), (None, None), 2)


def test_parts_of_planes_are_put_together(gpu: Any, monkeypatch: Any) -> None:
    for longest, short in ((10, 8), (12, 0)):
        monkeypatch.setattr(images, "LONGEST", longest)
        monkeypatch.setattr(images, "SHORT", short)
        clear()
        for shape in ((2, 4, 5, 7), (2, 4, 4, 7)):
            check(gpu, drawn(shape), drawn(shape, seed=1), (drawn((4,), seed=2), None), 2)
    clear()


def test_statistics_far_from_zero_are_at_least_as_close_as_the_bodys(gpu: Any) -> None:
    x = (np.random.default_rng(0).standard_normal((16, 4, 9, 9)) * 0.01 + 100).astype(np.float32)
    wanted = x.astype(np.float64).var((0, 2, 3))
    body = np.abs(ops.batch_norm_training.body(np, x)[2] / wanted - 1).max()
    for laid in (x, np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)):
        given = batch_norm.batch_norm_training(gpu.put(laid))[2].get()
        assert np.abs(given / wanted - 1).max() <= max(2 * body, 2e-6)


def test_results_lie_as_the_input_does(gpu: Any) -> None:
    x = gpu.put(np.moveaxis(drawn((2, 4, 5, 3)), -1, 1))
    assert batch_norm.batch_norm_training(x)[0].strides == x.strides
    assert group_norm.group_norm(x, groups=1)[0].strides == x.strides


def test_gradients_of_layers_are_the_cpus(gpu: Any) -> None:
    def slopes(device: str) -> list[Any]:
        layers = [engine.nn.BatchNorm2d(4), engine.nn.GroupNorm(2, 4)]
        x = engine.Tensor(drawn((3, 4, 5, 5))).to(device=device)
        x.requires_grad_(True)
        out = x
        for layer in layers:
            layer.to(device=device)
            out = layer(out)
        (out * out * out).sum().backward()
        return [t.grad.numpy() for t in (x, *(p for layer in layers for p in layer.parameters()))]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-3)
    assert {"plane_slopes"} <= set(gpu.launched)


def test_what_the_kernels_do_not_serve_is_left_to_the_body(gpu: Any) -> None:
    assert batch_norm.batch_norm_training(gpu.put(np.zeros((0, 3, 2), np.float32))) is NotImplemented
    assert group_norm.group_norm(gpu.put(np.zeros((1, 4), np.float32)), gpu.put(np.ones(4)), groups=2) is NotImplemented
    with pytest.raises(engine.errors.ShapeError, match="groups"):
        group_norm.group_norm(gpu.put(np.zeros((1, 4), np.float32)), groups=3)


@pytest.mark.parametrize("shape", [(2, 8, 5, 5), (3, 70, 3, 3), (2, 4, 3, 3, 3)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_means_of_whole_images(gpu: Any, shape: tuple[int, ...], dtype: str) -> None:
    x, axes = (
        np.moveaxis(np.ascontiguousarray(np.moveaxis(drawn(shape, dtype), 1, -1)), -1, 1),
        tuple(range(2, len(shape))),
    )
    for keepdim in (False, True):
        assert_kernel_is_body(gpu, pooling.mean, "mean", x, axis=axes, keepdim=keepdim)
    assert pooling.mean(gpu.put(x), (1, 2)) is NotImplemented
