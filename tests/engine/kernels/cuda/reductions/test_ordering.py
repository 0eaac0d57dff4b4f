"""The largest few, and rows in order: the values of the bodies, and of equal ones the first places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import memory_orders, placed

from numzoo import engine
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.reductions import ordering

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def drawn(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    values = generator.integers(-9, 9, shape) if dtype != "uint8" else generator.integers(0, 250, shape)
    return values.astype(as_dtype(dtype))


def wanted(x: Any, axis: int, falling: bool) -> Any:
    """The places in order; a NaN is larger than all, equal ones in their order."""
    keys = x.astype(np.float64)
    keys = np.where(np.isnan(keys), np.inf if not falling else -np.inf, -keys if falling else keys)
    if falling:
        keys = np.where(np.isnan(x.astype(np.float64)), -np.inf, keys)
    return np.argsort(keys, axis, kind="stable")


@pytest.mark.parametrize("falling", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_short_axes_are_put_in_order(one_order: Any, dtype: str, falling: bool) -> None:
    for x in memory_orders(drawn((3, 11, 5), dtype)) if dtype == "float32" else [drawn((3, 11, 5), dtype)]:
        for axis in (0, 1, -1):
            order = wanted(x, axis, falling)
            values, places, _ = ordering.sort_along(placed(one_order, x), axis, descending=falling)
            np.testing.assert_array_equal(places.get(), order)
            np.testing.assert_array_equal(values.get(), np.take_along_axis(x, order, axis))
            np.testing.assert_array_equal(
                ordering.order_along(placed(one_order, x), axis, descending=falling).get(), order
            )


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_foremost_few(one_order: Any, dtype: str, largest: bool) -> None:
    for x in memory_orders(drawn((2, 40, 3), dtype)) if dtype == "float32" else [drawn((2, 40, 3), dtype)]:
        for k in (1, 7, 40):
            order = wanted(x, 1, largest)[:, :k]
            values, places, _ = ordering.top_along(placed(one_order, x), k, 1, largest=largest)
            np.testing.assert_array_equal(places.get(), order)
            np.testing.assert_array_equal(values.get(), np.take_along_axis(x, order, 1))


@pytest.mark.parametrize("largest", [True, False])
def test_of_long_rows(gpu: Any, largest: bool) -> None:
    x = np.random.default_rng(0).standard_normal((2, 1100)).astype(np.float32)
    x[0, 700:720] = x[0].max() if largest else x[0].min()
    x[1, ::3] = 0.0
    x[1, 1::3] = -0.0
    for k in (3, 200):
        order = wanted(x, 1, largest)[:, :k]
        values, places, _ = ordering.top_along(gpu.put(x), k, 1, largest=largest)
        np.testing.assert_array_equal(places.get(), order)
        np.testing.assert_array_equal(values.get(), np.take_along_axis(x, order, 1))
    np.testing.assert_array_equal(ordering.order_along(gpu.put(x), 1).get(), wanted(x, 1, False))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_nan_is_larger_than_all_and_infinities_are_in_their_places(one_order: Any, dtype: str) -> None:
    x = np.array([[1, np.nan, -np.inf, np.inf, -1, np.nan, 0, -0.0]]).astype(as_dtype(dtype))
    assert ordering.top_along(one_order.put(x), 3, 1)[1].get().tolist() == [[1, 5, 3]]
    assert ordering.top_along(one_order.put(x), 4, 1, largest=False)[1].get().tolist() == [[2, 4, 6, 7]]
    assert ordering.order_along(one_order.put(x), 1).get().tolist() == [[2, 4, 6, 7, 0, 3, 1, 5]]


def test_gradients_flow_and_what_is_too_long_or_wrong_is_the_bodys(one_order: Any) -> None:
    x = engine.Tensor(np.array([[3.0, 1, 2], [0, 5, 4]], np.float32)).to("cuda").requires_grad_()
    (x.topk(2, 1).values * engine.tensor([[1.0, 2], [3, 4]]).to("cuda")).sum().backward()
    assert x.grad.numpy().tolist() == [[1, 0, 2], [0, 3, 4]]
    (x.sort(1).values[:, 0]).sum().backward()
    assert x.grad.numpy().tolist() == [[1, 1, 2], [1, 3, 4]]
    assert ordering.sort_along(one_order.put(np.zeros((1, 4000), np.float32)), 1) is NotImplemented
    assert ordering.top_along(x.array, 0, 1) is NotImplemented
    with pytest.raises(engine.errors.SettingError, match="k is a whole number"):
        x.topk(4, 1)
