"""Conversions between floating types, bit for bit as NumPy's."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from numzoo.engine.kernels.cpu import packs
from numzoo.engine.kernels.cpu.copy import cast, cast_weight

BFLOAT16, FLOAT32, FLOAT16 = np.dtype(ml_dtypes.bfloat16), np.dtype(np.float32), np.dtype(np.float16)
EDGES = [
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    3.4e38,
    -3.4e38,
    1.00390625,
    1.01171875,
    65504.0,
    65519.0,
    65520.0,
    6e-8,
    1e-3,
]


@pytest.mark.parametrize("layout", ["dense", "channels last", "transposed"])
@pytest.mark.parametrize(
    ("source", "target"), [(FLOAT32, BFLOAT16), (BFLOAT16, FLOAT32), (FLOAT32, FLOAT16), (FLOAT16, FLOAT32)], ids=str
)
def test_a_cast_rounds_as_numpy_does(make: Any, layout: str, source: Any, target: Any) -> None:
    x = make((3, 5, 7), layout, source)
    with np.errstate(over="ignore"):
        x.T[0, 0, :2] = np.array(EDGES[:2]).astype(source)
        x.T[:, 1, 0] = np.array(EDGES[2:9]).astype(source)
        x.T[:5, 2, 0] = np.array(EDGES[9:]).astype(source)
        expected = x.astype(target)
    result = cast(x, dtype=target)
    assert result.dtype == target
    assert result.strides == expected.strides
    np.testing.assert_array_equal(result.astype(np.float64), expected.astype(np.float64))


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (np.ones(8, np.float32), np.float32),
        (np.ones(8, np.float32), np.int32),
        (np.ones(8, np.int32), np.float32),
        (np.ones(8), np.float32),
        (np.broadcast_to(np.ones(8, np.float32), (8, 8)), BFLOAT16),
        (np.ones(0, np.float32), BFLOAT16),
    ],
)
def test_other_casts_are_left_to_the_body(x: Any, dtype: Any) -> None:
    assert cast(x, dtype=np.dtype(dtype)) is NotImplemented


@pytest.mark.parametrize(
    "view", [lambda x: x[:, :, 0], lambda x: x.transpose(2, 0, 3, 1)[1], lambda x: x[1:3, :2, 1:, ::2]]
)
def test_a_view_with_gaps_is_cast_as_numpy_casts_it(view: Any) -> None:
    x = view(np.random.default_rng(0).standard_normal((4, 5, 3, 6)).astype(np.float32))
    given, wanted = cast(x, dtype=BFLOAT16), x.astype(BFLOAT16)
    assert given.strides == wanted.strides
    np.testing.assert_array_equal(given.astype(np.float32), wanted.astype(np.float32))


@pytest.mark.parametrize("layout", ["dense", "cut"])
def test_a_weight_is_cast_once_until_it_changes(make: Any, layout: str) -> None:
    weight = make((6, 5), layout)
    first = cast_weight(weight, BFLOAT16)
    assert cast_weight(weight, BFLOAT16) is first
    weight += 1
    packs.forget(weight)
    again = cast_weight(weight, BFLOAT16)
    assert again is not first
    np.testing.assert_array_equal(again.astype(np.float32), weight.astype(BFLOAT16).astype(np.float32))
