"""Borders, rolls, slices put back and triangles are what the bodies give, in any layout, with one launch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, at_odd_place, memory_orders

from numzoo import engine
from numzoo.engine.dtype import as_dtype
from numzoo.engine.kernels.cuda.shapes import placing

MODES = ["constant", "reflect", "replicate", "circular"]
WIDTHS = [
    ((0, 0), (0, 0), (2, 1)), ((0, 0), (3, 2), (0, 0)), ((1, 0), (0, 0), (0, 0)), ((1, 1), (2, 3), (1, 5)), ((0, 0), (1, 0), (0, 4)),
    ((0, 0), (0, 0), (4, 4)), ((0, 2), (0, 0), (8, 0)),
]  # fmt: skip


def drawn(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> Any:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape) * 40).astype(as_dtype(dtype))


def fits(mode: str, shape: tuple[int, ...], widths: Any) -> bool:
    limit = {"reflect": -1, "circular": 0}.get(mode, 99)
    return all(max(pair) <= size + limit for size, pair in zip(shape, widths, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "int8", "float64", "bfloat16", "complex128"])
@pytest.mark.parametrize("mode", MODES)
def test_borders(one_order: Any, mode: str, dtype: str) -> None:
    for shape in ((3, 4, 8), (2, 5, 7)):
        for widths in WIDTHS:
            if not fits(mode, shape, widths):
                continue
            for x in memory_orders(drawn(shape, dtype)):
                if mode == "constant":
                    assert_kernel_is_body(one_order, placing.padded, "padded", x, widths=widths, value=3.0)
                else:
                    assert_kernel_is_body(one_order, placing.bordered, "bordered", x, widths=widths, mode=mode)
    assert {*one_order.launched} == {"placed"}


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
@pytest.mark.parametrize("mode", MODES[1:])
def test_what_flows_back_through_borders(one_order: Any, mode: str, dtype: str) -> None:
    for widths in WIDTHS:
        if not fits(mode, (3, 4, 8), widths):
            continue
        shape = tuple(size + sum(pair) for size, pair in zip((3, 4, 8), widths, strict=True))
        for x in memory_orders((np.random.default_rng(1).integers(-9, 9, shape) / 8).astype(as_dtype(dtype))):
            assert_kernel_is_body(one_order, placing.unbordered, "unbordered", x, widths=widths, mode=mode, scale=0.5)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_rolls(one_order: Any, dtype: str) -> None:
    for shifts, axes in (
        ((1,), (0,)),
        ((-3, 2), (1, 2)),
        ((8,), (2,)),
        ((4, 4), (2, 2)),
        ((100, -7, 0), (0, 1, 2)),
        ((2,), (-1,)),
    ):
        for x in memory_orders(drawn((3, 4, 8), dtype)):
            assert_kernel_is_body(one_order, placing.rolled, "rolled", x, shifts=shifts, axis=axes)


INDICES: list[Any] = [
    2, -1, slice(1, 5), (slice(None), 3), (slice(None), slice(4, 8)), (Ellipsis, slice(None, None, -1)), (Ellipsis, slice(1, None, 3)),
    (slice(None, None, -2), slice(3, 0, -1), slice(4, None)), (None, slice(None), 0, Ellipsis, None), (0, 1, 2), (slice(2, 3), slice(5, 5)),
    (slice(None), slice(0, 1)), Ellipsis, (slice(None), slice(None), slice(0, 12, 5)),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_slices_are_put_back(one_order: Any, dtype: str) -> None:
    shape = (6, 8, 12)
    for index in INDICES:
        part = np.zeros(shape)[index]
        if not part.size:
            assert placing.spread_items(one_order.put(drawn(part.shape)), shape, index) is NotImplemented
            continue
        for x in memory_orders(drawn(part.shape, dtype)) if part.ndim else [drawn((), dtype)]:
            assert_kernel_is_body(one_order, placing.spread_items, "spread_items", x, shape=shape, index=index)


def test_many_bytes_are_moved_at_once_where_they_may_be(one_order: Any) -> None:
    for x in (drawn((4, 6, 16)), drawn((4, 6, 15))):
        placing.spread_items(one_order.put(x), (4, 6, 48), (slice(None), slice(None), slice(16, 16 + x.shape[2])))
    given = placing.padded(at_odd_place(one_order, drawn((2, 8))), ((0, 1), (0, 0)))
    np.testing.assert_array_equal(given.get(), np.pad(drawn((2, 8)), ((0, 1), (0, 0))))
    images = drawn((2, 5, 6, 8)).transpose(0, 3, 1, 2)
    given = placing.padded(one_order.put(images), ((0, 0), (0, 0), (1, 1), (2, 2)))
    assert given.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.parametrize("diagonal", [-9, -2, 0, 1, 7])
def test_triangles(one_order: Any, diagonal: int) -> None:
    for x in memory_orders(drawn((3, 5, 7))):
        assert_kernel_is_body(one_order, placing.tril, "tril", x, diagonal=diagonal)
        assert_kernel_is_body(one_order, placing.triu, "triu", x, diagonal=diagonal)


def test_gradients_flow_and_what_is_wrong_is_the_bodys(one_order: Any) -> None:
    def slopes(device: str) -> list[Any]:
        x = engine.Tensor(drawn((2, 3, 6))).to(device).requires_grad_()
        out = engine.ops.pad(x, (2, 3), mode="reflect") * 0.25
        out = engine.ops.roll(engine.ops.pad(out, (0, 1, 1, 0)), 2, 2)[:, 1:, ::2].tril()
        (out * out).sum().backward()
        return [out.detach().numpy(), x.grad.numpy()]

    for there, here in zip(slopes("cuda"), slopes("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-6)
    assert {"placed", "gathered_in", "triangle"} <= {*one_order.launched}
    x = one_order.put(drawn((2, 3)))
    assert placing.bordered(x, ((0, 0), (3, 0)), "reflect") is NotImplemented
    assert placing.rolled(x, (1,), (2,)) is NotImplemented
    assert placing.tril(one_order.put(drawn((3,)))) is NotImplemented
    assert placing.spread_items(x, (2, 3), (slice(None), slice(0, 2))) is NotImplemented
    negative = placing.padded(x, ((0, 0), (1, 0)), -0.0).get()
    assert np.signbit(negative[0, 0])
    assert not np.signbit(placing.padded(x, ((0, 0), (1, 0)), 0.0).get()[0, 0])
