"""COCO's masks: the same pixels as COCO's own tools give, and nothing else taken for a mask."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numzoo.vision.datasets.masks import from_polygon, mask_of, unpack_runs
from numzoo.vision.errors import DatasetError

# Made with pycocotools: polygons, and the runs that it gives for them.
POLYGONS: list[Any] = [
    ([2.0, 1.0, 6.0, 1.0, 6.0, 4.0, 2.0, 4.0], 9, 12, [19, 3, 6, 3, 6, 3, 6, 3, 59], 'c03600000e1'),
    ([0.5, 0.5, 11.2, 3.3, 4.1, 8.7], 9, 12, [10, 2, 7, 4, 5, 6, 4, 6, 3, 6, 3, 5, 4, 4, 6, 2, 7, 2, 7, 1, 14], ':272N2O0O00O1O2N100O7'),
    ([-3.0, -2.0, 15.0, 4.5, 3.0, 14.0], 9, 12, [0, 7, 2, 27, 1, 8, 1, 8, 2, 7, 2, 7, 2, 7, 3, 6, 3, 5, 4, 4, 2], '072d0O]O001O00001O0O1ON'),
    ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 5, 5, [25], 'i0'),
    ([9.25, 19.48, -0.22, 11.36, 6.28, 15.64, 1.84, 17.18, 9.97, 17.85], 17, 4, [29, 1, 38], 'm01V1'),
    ([7.47, 15.36, 19.65, 6.13, 19.32, 18.44, 1.91, 11.39], 8, 13, [104], 'X3'),
    ([12.64, 0.93, 8.95, 8.86, 9.0, 19.09, 5.7, 2.92], 17, 6, [102], 'V3'),
    ([12.11, 18.66, 10.8, 3.89, 18.46, 8.82, 12.87, 8.47, 2.77, 13.24], 6, 14, [70, 2, 5, 1, 6], 'V225O1'),
]  # fmt: skip


@pytest.mark.parametrize(("polygon", "height", "width", "runs", "packed"), POLYGONS)
def test_polygons_and_packed_runs_are_those_of_cocos_own_tools(
    polygon: list[float], height: int, width: int, runs: list[int], packed: str
) -> None:
    wanted = mask_of({"size": [height, width], "counts": runs}, height, width)
    assert (from_polygon(polygon, height, width) == wanted).all()
    assert unpack_runs(packed) == runs
    assert (mask_of({"size": [height, width], "counts": packed}, height, width) == wanted).all()
    assert (mask_of([polygon], height, width) == wanted).all()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(-9, 40), min_size=6, max_size=20).filter(lambda each: len(each) % 2 == 0),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_any_polygon_gives_a_mask_and_agrees_with_pycocotools_where_that_is(
    polygon: list[float], height: int, width: int
) -> None:
    mask = from_polygon(polygon, height, width)
    assert mask.shape == (height, width)
    assert set(np.unique(mask)) <= {0, 1}
    try:
        from pycocotools import mask as reference
    except ImportError:
        return
    (runs,) = reference.frPyObjects([polygon], height, width)
    assert (mask_of({"size": [height, width], "counts": runs["counts"].decode()}, height, width) == mask).all()


WRONG: list[Any] = [
    "text", 5, None, [[1, 2]], [[1, 2, 3, 4, 5]], [["a"] * 6], [[1, 2, 3, 4, 1e300, 1]], [[float("nan")] * 6],
    [[0, 0, 1e7, 0, 1e7, 1e7] * 3],
    {"size": [5, 4], "counts": [20]}, {"size": [4, 5], "counts": [19]}, {"size": [4, 5], "counts": [21]},
    {"size": [4, 5], "counts": [-1, 21]}, {"size": [4, 5], "counts": [1.5, 18.5]}, {"size": [4, 5], "counts": [True, 19]},
    {"size": [4, 5], "counts": None}, {"size": [4, 5]}, {"counts": [20]},
    {"size": [4, 5], "counts": "\x00"}, {"size": [4, 5], "counts": "P" * 20}, {"size": [4, 5], "counts": "o" * 50},
    {"size": [4, 5], "counts": "~"}, {"size": [4, 5], "counts": ""},
]  # fmt: skip


@pytest.mark.parametrize("segmentation", WRONG, ids=lambda each: str(each)[:30])
def test_what_is_no_mask_is_refused(segmentation: Any) -> None:
    with pytest.raises(DatasetError):
        mask_of(segmentation, 4, 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [("\x00", "too long"), ("~0", "too long"), ("P" * 20 + "0", "too long"), ("0P", "within a number")],
)
def test_packed_runs_that_are_none_say_why(text: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        unpack_runs(text)


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, -1), (1 << 20, 1 << 20)])
def test_a_mask_of_impossible_size_is_refused(height: int, width: int) -> None:
    with pytest.raises(DatasetError, match="cannot be made"):
        mask_of([], height, width)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=30))
def test_packed_runs_of_any_text_are_numbers_or_a_typed_error(text: str) -> None:
    with contextlib.suppress(DatasetError):
        assert all(type(run) is int for run in unpack_runs(text))
