"""Copies into another order of axes hold the same values, whatever the order, the dtype and the sizes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine.kernels.cuda.program import Kernel
from numzoo.engine.kernels.cuda.shapes.transposing import clone, copy_into, in_order, in_rows, reshape


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "complex64"])
@pytest.mark.parametrize("shape", [(2, 40, 9, 11), (3, 8, 33), (1, 400, 400)])
def test_images_go_to_channels_last_and_back(gpu: EmulatedMachine, shape: Any, dtype: str) -> None:
    values = (np.arange(np.prod(shape)) % 127).reshape(shape).astype(dtype)
    last = (0, *range(2, len(shape)), 1)
    x = gpu.put(values)
    there = in_order(x, last)
    assert there.transpose(last).flags.c_contiguous
    np.testing.assert_array_equal(there.get(), values)
    back = in_rows(there)
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back.get(), values)
    assert gpu.launched == ["transposed", "transposed"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order_of_axes(one_order: EmulatedMachine, order: tuple[int, ...]) -> None:
    values = np.arange(9 * 3 * 10 * 8, dtype=np.float32).reshape(9, 3, 10, 8)
    x = one_order.put(values).transpose(order)
    given = in_rows(x)
    assert given.flags.c_contiguous
    np.testing.assert_array_equal(given.get(), values.transpose(order))
    cut = x[1:, ::-1, :, 2:]
    np.testing.assert_array_equal(in_rows(cut).get(), values.transpose(order)[1:, ::-1, :, 2:])


def test_contiguous_uses_it_and_gradients_flow(one_order: EmulatedMachine) -> None:
    x = engine.Tensor(np.arange(12 * 20, dtype=np.float32).reshape(12, 20)).to("cuda").requires_grad_()
    turned = x.transpose(0, 1).contiguous()
    assert "transposed" in one_order.launched
    (turned * turned).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.numpy())
    wide = engine.Tensor(np.ones((3, 4), complex)).to("cuda").transpose(0, 1).contiguous()
    assert wide.array.flags.c_contiguous
    assert engine.zeros(0, 3).to("cuda").transpose(0, 1).contiguous().shape == (3, 0)


VIEWS = [
    lambda x: x, lambda x: x.swapaxes(1, 3), lambda x: x.transpose(3, 0, 1, 2), lambda x: x[:, ::-1], lambda x: x[..., ::2], lambda x: x[1:, :, 2:-1],
    lambda x: x[..., 1:], lambda x: x[:, :1], lambda x: x[0, :, :, 3], lambda x: x[:0],
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "int8", "float16", "float64", "complex128"])
def test_any_layout_is_copied_into_any_other(one_order: EmulatedMachine, dtype: str) -> None:
    values = (np.arange(6 * 12 * 9 * 16) % 120).reshape(6, 12, 9, 16).astype(dtype)
    for number, view in enumerate(VIEWS):
        x = view(one_order.put(values))
        wanted = view(values)
        room = one_order.put(np.zeros(tuple(2 * size + 1 for size in wanted.shape), dtype))
        places = [
            tuple(slice(1, size + 1) for size in wanted.shape),
            tuple(slice(size, 0, -1) for size in wanted.shape),
        ]
        whole = np.zeros(room.shape, dtype)
        for place in places[: 1 + number % 2]:
            copy_into(room[place], x)
            whole[place] = wanted
            np.testing.assert_array_equal(room.get(), whole)
        turned = one_order.put(np.zeros(wanted.shape[::-1], dtype)).transpose()
        copy_into(turned, x)
        np.testing.assert_array_equal(turned.get(), wanted)
        np.testing.assert_array_equal(clone(x).get(), wanted)
    assert {"copied", "transposed"} >= set(one_order.launched)


def test_copies_keep_the_order_of_axes_and_take_many_bytes_at_once(one_order: EmulatedMachine) -> None:
    last = one_order.put(np.ones((2, 8, 3, 3), np.float32)).transpose(0, 2, 3, 1)
    assert clone(last.transpose(0, 3, 1, 2)).strides == last.transpose(0, 3, 1, 2).strides
    broad = one_order.xp.broadcast_to(one_order.put(np.arange(5.0)), (4, 5))
    assert clone(broad).flags.c_contiguous
    np.testing.assert_array_equal(clone(broad).get(), np.broadcast_to(np.arange(5.0), (4, 5)))
    odd = one_order.put(np.arange(33, dtype=np.float32))[1:].reshape(4, 8)
    np.testing.assert_array_equal(in_rows(odd).get(), np.arange(1, 33, dtype=np.float32).reshape(4, 8))


def test_other_shapes_are_views_or_one_copy(one_order: EmulatedMachine) -> None:
    values = np.arange(2 * 9 * 8 * 10, dtype=np.float32).reshape(2, 9, 8, 10)
    x = one_order.put(values)
    heads = x.transpose(0, 2, 1, 3)
    np.testing.assert_array_equal(reshape(heads, (2, 8, 90)).get(), values.transpose(0, 2, 1, 3).reshape(2, 8, 90))
    np.testing.assert_array_equal(reshape(heads, (-1, 9, 10)).get(), values.transpose(0, 2, 1, 3).reshape(-1, 9, 10))
    assert len(one_order.launched) == 2
    cut = x[:, :, :, 2:4]
    assert reshape(cut, (18, 8, 2)).data.ptr == cut.data.ptr
    assert len(one_order.launched) == 2
    for wrong in ((3, 5), (-1, -1), (-2, 4), (0, -1)):
        with pytest.raises(engine.errors.ShapeError, match="do not fit"):
            engine.ops.reshape(engine.Tensor(heads), wrong)
    empty = engine.Tensor(x[:, :0].transpose(0, 2, 1, 3))
    assert engine.ops.reshape(empty, (16, 0, 10)).shape == (16, 0, 10)


def test_sizes_beyond_31_bits_are_walked_in_64(one_order: EmulatedMachine, monkeypatch: Any) -> None:
    from numzoo.engine.kernels.cuda.shapes.transposing import _copied, _tiled

    kernels: list[Kernel] = []
    monkeypatch.setattr(Kernel, "prepared", lambda self, *_: kernels.append(self))
    _copied(1, 1, (3, 2**31), (2**31, 1), (1, 3))
    _tiled(1, (2**31, 64), (64, 1), (1, 2**31), 0)
    assert [kernel.name for kernel in kernels] == ["copied", "transposed"]
    assert all("-DINDEX=index_t" in kernel.options for kernel in kernels)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "float64", "complex128"])
def test_one_number_for_many_is_written_16_bytes_at_once(one_order: EmulatedMachine, dtype: str) -> None:
    values = (np.arange(6 * 5) % 120).reshape(6, 5).astype(dtype)
    for shape, inner in (((6, 5, 48), (6, 5, 1)), ((6, 5, 3, 16), (6, 5, 1, 1)), ((6, 5, 7), (6, 5, 1))):
        broad = one_order.xp.broadcast_to(one_order.put(values).reshape(inner), shape)
        wanted = np.broadcast_to(values.reshape(inner), shape)
        one_order.launched.clear()
        np.testing.assert_array_equal(clone(broad).get(), wanted)
        assert one_order.launched == ["spread" if shape[-1] > 7 and dtype != "complex128" else "copied"]
        room = one_order.put(np.zeros((wanted.size + 1,), dtype))
        copy_into(room[1:].reshape(shape), broad)
        np.testing.assert_array_equal(room.get()[1:].reshape(shape), wanted)
