"""The kernels of pooling against their bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, assert_same, memory_orders, placed

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.images import pooling
from numzoo.engine.op import TABLE

SETTINGS = [
    {"kernel_size": (3, 3), "stride": (2, 2), "padding": (1, 1)},
    {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0)},
    {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0), "dilation": (2, 1)},
    {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 1), "ceil_mode": True},
    {"kernel_size": (5, 7), "stride": (5, 7), "padding": (0, 0)},
]


@pytest.fixture
def gpu(one_order: Any) -> Any:
    """Threads know nothing of one another here."""
    return one_order


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).round(1).astype(as_dtype(dtype))  # with equals


def last(x: Any) -> Any:
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def check_largest(gpu: Any, x: Any, **settings: Any) -> None:
    out, offset = pooling.max_pool2d(placed(gpu, x), **settings)
    wanted, places = ops.max_pool2d.body(np, x, **settings)
    assert_same(out, wanted, x.dtype.itemsize)
    np.testing.assert_array_equal(offset.get(), places)
    assert pooling.max_pool2d(placed(gpu, x), keep=False, **settings)[1] is None
    flow = drawn(wanted.shape, x.dtype, 1)
    settings = {"dilation": (1, 1), **{k: v for k, v in settings.items() if k != "ceil_mode"}}
    for turned in (flow, last(flow)):
        given = pooling.max_pool2d_input(placed(gpu, turned), offset, shape=x.shape, **settings)
        body = TABLE["max_pool2d_input"].body(np, flow, places, shape=x.shape, **settings)
        assert_same(given, body, x.dtype.itemsize, 5)


def check_mean(gpu: Any, x: Any, **settings: Any) -> None:
    settings = {k: v for k, v in settings.items() if k != "dilation"}
    for framed in (True, False):
        (wanted,) = assert_kernel_is_body(
            gpu, pooling.avg_pool2d, "avg_pool2d", x, **settings, count_include_pad=framed
        )
        flow = drawn(wanted.shape, x.dtype, 1)
        back = {k: v for k, v in settings.items() if k != "ceil_mode"}
        assert_kernel_is_body(
            gpu, pooling.avg_pool2d_input, "avg_pool2d_input", flow, shape=x.shape, **back, count_include_pad=framed, scale=3
        )  # fmt: skip


@pytest.mark.parametrize("settings", SETTINGS)
def test_windows_of_every_kind_in_both_layouts(gpu: Any, settings: dict[str, Any]) -> None:
    for x in (drawn((2, 8, 9, 7)), last(drawn((2, 8, 9, 7))), last(drawn((2, 3, 9, 7)))):
        check_largest(gpu, x, **settings)
        check_mean(gpu, x, **settings)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_every_dtype(gpu: Any, dtype: str) -> None:
    check_largest(gpu, last(drawn((2, 8, 6, 6), dtype)), **SETTINGS[0])
    check_mean(gpu, last(drawn((2, 8, 6, 6), dtype)), **SETTINGS[0])


def test_memory_orders(gpu: Any) -> None:
    for x in memory_orders(drawn((2, 4, 6, 5))):
        check_largest(gpu, x, **SETTINGS[0])
        check_mean(gpu, x, **SETTINGS[0])


def test_infinities_nan_and_wide_windows_are_the_bodys(gpu: Any) -> None:
    x = drawn((1, 4, 8, 8))
    x[0, 0, :4], x[0, 1, 2, 3], x[0, 2, 5, 5] = -np.inf, np.nan, np.inf
    for turned in (x, last(x)):
        check_largest(gpu, turned, **SETTINGS[0])
    check_largest(gpu, drawn((1, 2, 20, 18)), kernel_size=(17, 17), stride=(1, 1), padding=(8, 8))


def test_results_lie_as_the_input_does(gpu: Any) -> None:
    x = gpu.put(last(drawn((2, 4, 6, 6))))
    assert pooling.max_pool2d(x, **SETTINGS[0])[0].strides[1] == 4
    assert pooling.avg_pool2d(gpu.put(drawn((2, 4, 6, 6))), kernel_size=(2, 2), stride=(2, 2)).flags.c_contiguous


def test_windows_that_do_not_fit_are_refused(gpu: Any) -> None:
    with pytest.raises(engine.errors.ShapeError, match="does not fit"):
        pooling.max_pool2d(gpu.put(drawn((1, 1, 2, 2))), kernel_size=(3, 3), stride=(1, 1))


@pytest.mark.parametrize("name", ["MaxPool2d", "AvgPool2d", "MaxPool1d", "AvgPool3d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d"])  # fmt: skip
def test_layers_give_the_cpus_gradients(gpu: Any, name: str) -> None:
    axes = int(name[-2])

    def slope(device: str) -> list[Any]:
        x = engine.Tensor(drawn((2, 3, *(6, 5, 7)[:axes]))).to(device=device)
        x.requires_grad_(True)
        out = getattr(engine.nn, name)(2)(x)
        (out * out).sum().backward()
        return [out.numpy(), x.grad.numpy()]

    for there, here in zip(slope("cuda"), slope("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5)
