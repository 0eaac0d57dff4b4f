"""Concatenation: NumPy's values in the largest part's layout."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine.kernels.cpu import pool
from numzoo.engine.kernels.cpu.shape import cat_along, stack_along


@pytest.fixture(autouse=True)
def _any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SMALLEST", 1)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("axis", [0, 1, 3, -1])
@pytest.mark.parametrize(
    "layouts",
    [("dense", "dense"), ("channels last", "channels last"), ("channels last", "dense", "cut"), ("reversed", "dense")],
)
def test_parts_follow_one_another(make: Any, axis: int, layouts: Any, dtype: Any) -> None:
    parts = []
    for number, layout in enumerate(layouts):
        shape = [2, 3, 4, 5]
        shape[axis] = 6 - 2 * number
        parts.append(make(tuple(shape), layout, dtype, seed=number))
    result = cat_along(*parts, axis=axis)
    assert np.array_equal(result, np.concatenate(parts, axis))
    if layouts[0] == "channels last":
        assert result.transpose(0, 2, 3, 1).flags.c_contiguous


def test_one_part_is_copied(make: Any) -> None:
    x = make((2, 3))
    result = cat_along(x, axis=0)
    assert np.array_equal(result, x)
    assert not np.shares_memory(result, x)


def test_mixed_parts_are_left_to_the_body(make: Any) -> None:
    assert cat_along(make((2, 3)), make((2, 3), dtype=np.float64), axis=0) is NotImplemented
    assert cat_along(make((2, 3)), make((2, 3, 4)), axis=0) is NotImplemented


def test_small_parts_are_left_to_numpy(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "SMALLEST", 1 << 16)
    assert cat_along(make((2, 3)), make((2, 3)), axis=0) is NotImplemented


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_arrays_lie_side_by_side(make: Any, axis: int) -> None:
    parts = [make((2, 3), seed=number) for number in range(3)]
    assert np.array_equal(stack_along(*parts, axis=axis), np.stack(parts, axis))


def test_mixed_arrays_are_stacked_by_the_body(make: Any) -> None:
    assert stack_along(make((2, 3)), make((2, 3), dtype=np.float64), axis=0) is NotImplemented
