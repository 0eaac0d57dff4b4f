"""Copies into another order of axes hold the same values, whatever the order, the dtype and the sizes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from emulated_gpu import EmulatedMachine

from numzoo import engine
from numzoo.engine.kernels.cuda.transposing import in_order, in_rows


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
