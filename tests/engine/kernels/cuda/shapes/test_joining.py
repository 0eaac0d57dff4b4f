"""Arrays joined along an axis are what the bodies give, in one launch where they lie as rows, and lie as the largest of them lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, at_odd_place, memory_orders

from numzoo import engine
from numzoo.engine.kernels.cuda.shapes import joining


def drawn(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * 40).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "int8", "float64", "complex128"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_arrays_of_any_layout_are_joined(one_order: Any, axis: int, dtype: str) -> None:
    shapes = [tuple(size if a == axis else n for a, n in enumerate((3, 4, 8))) for size in (5, 1, 0, 6)]
    for orders in zip(*(memory_orders(drawn(shape, dtype, seed)) for seed, shape in enumerate(shapes)), strict=False):
        assert_kernel_is_body(one_order, joining.cat_along, "cat_along", *orders, axis=axis)
    for orders in zip(*(memory_orders(drawn((3, 4, 8), dtype, seed)) for seed in range(3)), strict=True):
        assert_kernel_is_body(one_order, joining.stack_along, "stack_along", *orders, axis=axis)


@pytest.mark.parametrize("number", [1, 2, 3, 5, 17, 64, 65])
def test_any_number_of_arrays(one_order: Any, number: int) -> None:
    parts = [drawn((2, 3, 1 + i % 3), seed=i) for i in range(number)]
    assert_kernel_is_body(one_order, joining.cat_along, "cat_along", *parts, axis=2)
    assert one_order.launched == (["joined"] if number <= 64 else ["copied"] * number)


def test_images_stay_channels_last(one_order: Any) -> None:
    parts = [drawn((2, c, 5, 6), seed=c).transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2) for c in (1, 8, 4)]
    given = joining.cat_along(*(one_order.put(part) for part in parts), axis=1)
    np.testing.assert_array_equal(given.get(), np.concatenate(parts, 1))
    assert given.transpose(0, 2, 3, 1).flags.c_contiguous
    assert one_order.launched == ["joined"]


def test_sequences_are_joined_by_rows(one_order: Any) -> None:
    parts = [drawn((2, 1, 8), seed=0), drawn((2, 8, 5), seed=1).transpose(0, 2, 1)]
    given = joining.cat_along(*(one_order.put(part) for part in parts), axis=1)
    np.testing.assert_array_equal(given.get(), np.concatenate(parts, 1))
    assert given.flags.c_contiguous


def test_arrays_at_odd_places(one_order: Any) -> None:
    parts = [drawn((4, 8), seed=i) for i in range(3)]
    given = joining.cat_along(
        one_order.put(parts[0]), at_odd_place(one_order, parts[1]), one_order.put(parts[2]), axis=1
    )
    np.testing.assert_array_equal(given.get(), np.concatenate(parts, 1))


@pytest.mark.parametrize("batch_first", [True, False])
def test_heads_are_joined(one_order: Any, batch_first: bool) -> None:
    for shape in ((2, 3, 5, 4), (1, 1, 9, 8)):
        for orders in zip(*(memory_orders(drawn(shape, seed=i)) for i in range(3)), strict=True):
            assert_kernel_is_body(one_order, joining.join_heads, "join_heads", *orders, batch_first=batch_first)
    one_order.launched.clear()
    whole = one_order.put(drawn((2, 5, 3, 3, 4)))
    turned = whole.transpose((2, 0, 3, 1, 4) if batch_first else (2, 1, 3, 0, 4))
    joining.join_heads(turned[0], turned[1], turned[2], batch_first=batch_first)


def test_gradients_flow_through_joined_arrays(one_order: Any) -> None:
    def slopes(device: str) -> list[Any]:
        x, y = (engine.Tensor(drawn((3, n), seed=n)).to(device).requires_grad_() for n in (2, 5))
        out = engine.ops.cat([x, y, x], 1)
        (out * out * out).sum().backward()
        (engine.ops.stack([x, x * 2], 1) ** 2).sum().backward()
        return [out.detach().numpy(), x.grad.numpy(), y.grad.numpy()]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-6)
    assert "joined" in one_order.launched


def test_what_does_not_fit_is_the_bodys(one_order: Any) -> None:
    a, b = (one_order.put(drawn((3, n))) for n in (2, 0))
    assert joining.cat_along(a, b, axis=0) is NotImplemented
    assert joining.cat_along(b, b, axis=1) is NotImplemented
    assert joining.stack_along(a, b, axis=0) is NotImplemented
