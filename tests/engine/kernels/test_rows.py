"""Rows of tables into used memory: the values are the body's."""

from __future__ import annotations

import numpy as np
import pytest

from numzoo.engine import ShapeError, ops
from numzoo.engine.kernels.cpu.rows import sum_rows, take_rows


@pytest.mark.parametrize("width", [7, 64])
@pytest.mark.parametrize("shape", [(4000,), (40, 100)])
def test_rows_are_the_bodys(shape: tuple[int, ...], width: int) -> None:
    generator = np.random.default_rng(0)
    table = generator.standard_normal((5000, width)).astype(np.float32)
    index = generator.integers(0, 5000, shape)
    np.testing.assert_array_equal(take_rows(table, index), table[index])
    flow = generator.standard_normal((*shape, width)).astype(np.float32)
    for _ in range(2):  # the second time in the memory of the first
        given = sum_rows(flow, index, rows=5000)
        np.testing.assert_array_equal(given, ops.sum_rows.body(np, flow, index, rows=5000))
        given.fill(np.nan)
        del given


def test_rows_outside_of_the_table_are_refused() -> None:
    table = np.zeros((100, 400), np.float32)
    for wrong in (-1, 100):
        with pytest.raises(ShapeError, match="outside of the table"):
            take_rows(table, np.full(100, wrong))
        with pytest.raises(ShapeError, match="outside of the table"):
            sum_rows(np.zeros((100, 400), np.float32), np.full(100, wrong), rows=100)
