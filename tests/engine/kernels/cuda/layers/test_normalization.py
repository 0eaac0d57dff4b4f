"""The kernels of layer normalisation and of normalisation by the root of the mean square against their bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, assert_same, at_odd_place, memory_orders

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.dtype import accumulator, as_dtype
from numzoo.engine.kernels.cuda.layers import normalization

SMALL = ((32, 2), (64, 2), (64, 0))
"""Teams so small that rows of a few hundred numbers meet all ways of holding a row."""


@pytest.fixture(autouse=True)
def small(monkeypatch: Any) -> None:
    monkeypatch.setattr(normalization, "FORWARD", SMALL)
    monkeypatch.setattr(normalization, "BACKWARD", SMALL)
    monkeypatch.setattr(normalization, "NARROW_BACKWARD", SMALL)
    normalization.PLANS.clear()


def drawn(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) + 0.5).astype(as_dtype(dtype))


def check(gpu: Any, x: Any, flow: Any, weight: Any, bias: Any, axes: int = 1) -> None:
    _, mean, inverse = assert_kernel_is_body(
        gpu, normalization.layer_norm, "layer_norm", x, weight, bias, epsilon=1e-3, axes=axes
    )
    assert_kernel_is_body(
        gpu,
        normalization.layer_norm_backward,
        "layer_norm_backward",
        flow,
        x,
        weight,
        mean,
        inverse,
        axes=axes,
        scale=5,
    )
    _, inverse = assert_kernel_is_body(gpu, normalization.rms_norm, "rms_norm", x, weight, epsilon=1e-3, axes=axes)
    assert_kernel_is_body(gpu, normalization.rms_norm_backward, "rms_norm_backward", flow, x, weight, inverse, axes=axes, scale=5)  # fmt: skip


@pytest.mark.parametrize("width", [1, 5, 96, 200, 300, 1000])
def test_rows_of_every_width(gpu: Any, width: int) -> None:
    x, flow = drawn((2, 5, width), "float32"), drawn((2, 5, width), "float32", 1)
    check(gpu, x, flow, drawn((width,), "float32", 2), drawn((width,), "float32", 3))
    check(gpu, x, flow, None, None)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
@pytest.mark.parametrize("wide", [False, True])
def test_every_dtype_and_weights_of_the_wide_one(gpu: Any, dtype: str, wide: bool) -> None:
    if dtype == "float16" and wide:
        return  # its weights are handled as bfloat16's
    x, flow = drawn((70, 40), dtype), drawn((70, 40), dtype, 1)
    kind = accumulator(x.dtype) if wide else x.dtype
    check(gpu, x, flow, drawn((40,), kind, 2), drawn((40,), kind, 3))


def test_memory_orders_and_several_axes(gpu: Any) -> None:
    x, flow = drawn((3, 4, 8), "float32"), drawn((3, 4, 8), "float32", 1)
    weight, bias = drawn((8,), "float32", 2), drawn((8,), "float32", 3)
    for turned, other in zip(memory_orders(x), [*memory_orders(flow)][::-1], strict=True):
        check(gpu, turned, other, weight[::-1], bias)
    check(gpu, x, np.broadcast_to(flow[:1, :1, :1], x.shape), weight, None)
    check(gpu, x, flow, drawn((4, 8), "float32"), drawn((4, 8), "float32"), axes=2)
    check(gpu, x, flow, None, None, axes=3)


def test_results_lie_as_the_input_does(gpu: Any) -> None:
    turned = gpu.put(drawn((3, 4, 8), "float32").transpose(1, 0, 2))
    out, mean, _ = normalization.layer_norm(turned)
    assert out.strides == turned.strides
    assert mean.strides[:2] == (4, 16)


def test_an_odd_address_is_read_number_by_number(gpu: Any) -> None:
    x, weight = drawn((5, 96), "float32"), drawn((96,), "float32")
    given = normalization.rms_norm(at_odd_place(gpu, x), at_odd_place(gpu, weight))
    assert_same(given, ops.rms_norm.body(np, x, weight), 4)


def test_what_the_kernels_do_not_serve_is_left_to_the_body(gpu: Any) -> None:
    x = gpu.put(drawn((2, 3), "float32"))
    assert normalization.layer_norm(x, gpu.put(drawn((3,), "float64"))) is NotImplemented
    assert normalization.layer_norm(gpu.put(np.zeros((0, 3), np.float32))) is NotImplemented
    assert normalization.rms_norm(gpu.put(np.zeros((2, 3), np.complex64))) is NotImplemented
    with pytest.raises(engine.errors.ShapeError, match="weight"):
        normalization.layer_norm(x, gpu.put(drawn((2,), "float32")))


def test_not_a_number_stays_in_its_row(gpu: Any) -> None:
    x = drawn((3, 40), "float32")
    x[1, 7] = np.nan
    out = normalization.layer_norm(gpu.put(x))[0].get()
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[[0, 2]]).all()


def test_gradients_of_a_layer_are_the_cpus(gpu: Any) -> None:
    def slopes(device: str) -> list[Any]:
        layer = engine.nn.LayerNorm(40).to(device=device)
        x = engine.Tensor(drawn((6, 40), "float32")).to(device=device)
        x.requires_grad_(True)
        (layer(x) * layer(x)).sum().backward()
        return [t.grad.numpy() for t in (x, layer.weight, layer.bias)]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-4)
    assert "layer_norm_backward" in gpu.launched
