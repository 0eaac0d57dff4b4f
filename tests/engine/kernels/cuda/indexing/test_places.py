"""What several numbers make together at places of an array: their product, the largest, the smallest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo.engine.kernels.cuda.indexing import places
from numzoo.engine.op import TABLE

RNG = np.random.default_rng(4)


@pytest.mark.parametrize(
    ("name", "dtype", "index_dtype"),
    [
        ("product_along", "float32", "int64"),
        ("largest_along", "float16", "int32"),
        ("smallest_along", "int64", "int64"),
    ],
)
def test_places_are_combined_as_the_body_does_it(one_order: Any, name: str, dtype: str, index_dtype: str) -> None:
    for axis, steps in ((0, 1), (1, 2), (2, -1)):
        x = (RNG.standard_normal((4, 6, 5)) * 3).astype(dtype)[:, ::-1]
        shape = [3, 4, 4]
        shape[axis] = 9
        src = (RNG.standard_normal((3, 4 * 2, 9)) * 3).astype(dtype)
        src = np.ascontiguousarray(np.resize(src, [n * 2 for n in shape]))[tuple(slice(0, None, 2) for _ in shape)]
        if dtype != "int64":
            src[0, 0, 0] = np.nan
        index = RNG.integers(-x.shape[axis], x.shape[axis], shape).astype(index_dtype)[..., ::steps][..., : shape[2]]
        index = np.resize(index, shape)
        with np.errstate(invalid="ignore"):
            wanted = TABLE[name].body(np, x, src, index, axis=axis)
        given = one_order.put(x), one_order.put(src), one_order.put(index)
        found = getattr(places, name)(*given, axis=axis)
        assert found.dtype == x.dtype
        np.testing.assert_allclose(
            found.get().astype(float), wanted.astype(float), rtol=2e-3 if dtype == "float16" else 1e-5
        )
    assert one_order.launched[-1] == "combine_along"


def test_too_many_to_compare_are_left_to_the_body(one_order: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(places, "MOST_COMPARED", 10)
    x, index = one_order.put(np.zeros((3, 7))), one_order.put(np.zeros((3, 7), np.int64))
    assert places.largest_along(x, x, index, axis=0) is NotImplemented


@pytest.mark.parametrize("name", ["largest_along", "smallest_along"])
def test_the_ends_of_whole_numbers_are_numbers_like_others(one_order: Any, name: str) -> None:
    ends = np.array([[2**63 - 1, -(2**63), 0]])
    given = np.zeros((1, 3), np.int64), ends, np.array([[0, 0, 0]])
    wanted = TABLE[name].body(np, *given, axis=1)
    assert getattr(places, name)(*map(one_order.put, given), axis=1).get().tolist() == wanted.tolist()
