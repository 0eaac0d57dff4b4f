"""Rows times a weight: however the weight lies, packed or not, in a narrower type."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine.kernels.cpu import linear as module
from numzoo.engine.kernels.cpu import packs
from numzoo.engine.kernels.cpu.linear import linear, linear_narrowed

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
LAYOUTS = ["dense", "cut", "every other", "transposed", "reversed"]


def double(array: Any) -> Any:
    return array.astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("lead", [(), (1,), (5,), (2, 3), (2, 1, 4)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("biased", [False, True])
def test_linear_is_a_product_with_the_transposed_weight(
    make: Any, assert_close: Any, lead: Any, layout: str, dtype: Any, biased: bool
) -> None:
    x, weight, bias = (
        make((*lead, 12), layout, dtype),
        make((7, 12), dtype=dtype, seed=1),
        make((7,), dtype=dtype, seed=2),
    )
    expected = double(x) @ double(weight).T + (double(bias) if biased else 0)
    for _ in range(3):  # plain, then packed, then from the kept pack
        assert_close(linear(x, weight, bias if biased else None), expected)


def test_linear_takes_weights_stored_the_other_way(make: Any, assert_close: Any) -> None:
    x, weight = make((4, 12)), make((12, 7), seed=1).T
    for _ in range(3):
        assert_close(linear(x, weight), double(x) @ double(weight).T)


def test_linear_packs_weights_at_their_second_use(make: Any) -> None:
    x, weight = make((4, 12)), make((7, 12), seed=1)
    linear(x, weight)
    assert packs.kept_bytes() == 0
    linear(x, weight)
    assert packs.kept_bytes() > 0
    packs.forget(weight)
    assert packs.kept_bytes() == 0


def test_a_few_rows_pack_weights_once_they_come_often(make: Any, assert_close: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "OFTEN", 3)
    x, weight = make((4, 12)), make((7, 12), seed=1)
    for _ in range(3):
        assert_close(linear(x, weight), double(x) @ double(weight).T)
        assert packs.kept_bytes() == 0
    assert_close(linear(x, weight), double(x) @ double(weight).T)
    assert packs.kept_bytes() > 0


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("layout", ["dense", "cut", "transposed"])
@pytest.mark.parametrize("biased", [False, True])
def test_one_row_is_multiplied_by_the_weight_as_it_lies(
    make: Any, assert_close: Any, monkeypatch: Any, dtype: Any, layout: str, biased: bool
) -> None:
    monkeypatch.setattr(module, "OFTEN", 3)
    x, weight, bias = make((1, 1, 70), dtype=dtype), make((33, 70), layout, dtype, 1), make((33,), dtype=dtype, seed=2)
    expected = double(x) @ double(weight).T + (double(bias) if biased else 0)
    for time in range(5):
        result = linear(x, weight, bias if biased else None)
        assert_close(result, expected)
        assert result.dtype == dtype
        # As fast as packed is only one of the ways in which it may lie.
        assert (packs.kept_bytes() > 0) == (time >= 3 and not (dtype is not np.float32 and layout != "transposed"))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_one_row_takes_the_pack_that_several_rows_have_made(make: Any, assert_close: Any, dtype: Any) -> None:
    several, row, weight = (
        make((12, 20), dtype=dtype),
        make((1, 20), dtype=dtype, seed=1),
        make((7, 20), "dense", dtype, 2),
    )
    for _ in range(2):
        linear(several, weight)
    kept = packs.kept_bytes()
    assert kept > 0
    assert_close(linear(row, weight), double(row) @ double(weight).T)
    assert packs.kept_bytes() == kept


def test_where_single_rows_read_a_weight_as_it_lies_several_pack_it_only_if_they_come_often_in_between(
    make: Any, assert_close: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "OFTEN", 3)
    several, row = make((12, 20), dtype=BFLOAT16), make((1, 20), dtype=BFLOAT16, seed=1)
    weight = make((7, 20), dtype=BFLOAT16, seed=2)
    for _ in range(4):
        linear(several, weight)
        assert_close(linear(row, weight), double(row) @ double(weight).T)
        assert packs.kept_bytes() == 0
    for _ in range(4):
        assert packs.kept_bytes() == 0
        assert_close(linear(several, weight), double(several) @ double(weight).T)
    assert packs.kept_bytes() > 0


def test_one_row_sees_changed_weights(make: Any, assert_close: Any) -> None:
    row, weight = make((1, 20)), make((7, 20), seed=2)
    for _ in range(3):
        weight += 1
        packs.forget(weight)
        assert_close(linear(row, weight), double(row) @ double(weight).T)


@pytest.mark.parametrize("rows", [(), (1, 1), (3,), (2, 9)])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_rounded_operands_give_float32(
    make: Any, assert_close: Any, rows: tuple[int, ...], transposed: bool, biased: bool
) -> None:
    x, weight, bias = make((*rows, 70)), make((33, 70), "transposed" if transposed else "dense", seed=1), make((33,))
    rounded = double(x.astype(BFLOAT16)) @ double(weight.astype(BFLOAT16)).T + (double(bias) if biased else 0)
    for _ in range(2):
        result = linear_narrowed(x, weight, bias if biased else None, dtype=BFLOAT16)
        assert result.dtype == np.float32
        assert_close(result, rounded, 1e-5)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("order", [(1, 64, 1, 64), (64, 64, 64, 1, 1, 64), (1, 1, 1, 5, 5, 1)])
def test_rounded_weights_are_kept_once_for_any_number_of_rows_until_they_change(
    make: Any, assert_close: Any, order: tuple[int, ...], transposed: bool
) -> None:
    weight = make((64, 64), "transposed" if transposed else "dense", seed=1)
    for rows in order:
        linear_narrowed(make((rows, 64)), weight, dtype=BFLOAT16)
        assert packs.kept_bytes() == weight.nbytes // 2
    weight *= 2
    packs.forget(weight)
    assert packs.kept_bytes() == 0
    x = make((1, 64))
    expected = double(x.astype(BFLOAT16)) @ double(weight.astype(BFLOAT16)).T
    assert_close(linear_narrowed(x, weight, dtype=BFLOAT16), expected, 1e-5)


def test_doubles_are_left_to_the_body() -> None:
    x, weight = np.ones((1, 70)), np.ones((33, 70))
    assert linear(x, weight) is NotImplemented
    assert linear_narrowed(x, weight, dtype=BFLOAT16) is NotImplemented


@pytest.mark.parametrize("rows", [1, 12])
def test_without_room_weights_serve_unpacked(make: Any, assert_close: Any, monkeypatch: Any, rows: int) -> None:
    monkeypatch.setattr(packs, "MOST", 100)
    monkeypatch.setattr(module, "UNTIL_NEXT", 3)
    x, weight = make((rows, 20)), make((7, 20), seed=2)
    for _ in range(4):
        assert_close(linear(x, weight), double(x) @ double(weight).T)
        assert packs.kept_bytes() == 0
    monkeypatch.setattr(packs, "MOST", 1 << 20)  # others were dropped
    for _ in range(6):
        assert_close(linear(x, weight), double(x) @ double(weight).T)
    assert packs.kept_bytes() > 0
