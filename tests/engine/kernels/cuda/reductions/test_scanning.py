"""Running sums and products are the bodies', along any axis, forwards and backwards, in any layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, memory_orders

from numzoo import engine
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.reductions import scanning


def drawn(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed).integers(-8, 9, shape) / (1 if dtype.startswith("int") else 8)).astype(
        as_dtype(dtype)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64"])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums_and_products(one_order: Any, dtype: str, reverse: bool) -> None:
    for x in memory_orders(drawn((3, 4, 6), dtype)):
        for axis in (0, 1, -1):
            assert_kernel_is_body(one_order, scanning.running_sum, "running_sum", x, axis=axis, reverse=reverse)
            assert_kernel_is_body(one_order, scanning.running_product, "running_product", x, axis=axis, reverse=reverse)


@pytest.mark.parametrize("size", [1, 3, 4, 128, 1023, 1024, 2500])
@pytest.mark.parametrize("reverse", [False, True])
def test_long_rows(gpu: Any, size: int, reverse: bool) -> None:
    x = drawn((2, size))
    assert_kernel_is_body(gpu, scanning.running_sum, "running_sum", x, axis=1, reverse=reverse)
    signs = np.sign(x) + (x == 0)
    assert_kernel_is_body(gpu, scanning.running_product, "running_product", signs, axis=1, reverse=reverse)


def test_a_nan_stays_and_gradients_flow(one_order: Any) -> None:
    x = engine.Tensor(np.array([1.0, np.nan, 2], np.float32)).to("cuda")
    np.testing.assert_array_equal(x.cumsum(0).numpy(), [1, np.nan, np.nan])
    y = engine.Tensor(drawn((2, 5))).to("cuda").requires_grad_()
    (y.cumsum(1) * engine.Tensor(drawn((2, 5), seed=1)).to("cuda")).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), np.cumsum(drawn((2, 5), seed=1)[:, ::-1], 1)[:, ::-1], rtol=1e-6)
    assert scanning.running_sum(one_order.put(np.zeros((0, 3), np.float32)), 0) is NotImplemented
    assert scanning.running_sum(y.array, 2) is NotImplemented
