"""Pooling against windows gathered one by one in float64."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from numzoo.engine.kernels.cpu.pooling import (
    avg_pool2d,
    avg_pool2d_input,
    global_avg_pool2d,
    max_pool2d,
    max_pool2d_input,
)

LAYOUTS = ["dense", "channels last", "cut", "reversed"]
CASES = [
    # shape, kernel_size, stride, padding, ceil_mode
    ((1, 16, 12, 12), (3, 3), (2, 2), (1, 1), False),
    ((2, 5, 7, 8), (2, 2), (2, 2), (0, 0), False),
    ((2, 5, 7, 8), (2, 2), (2, 2), (0, 0), True),
    ((1, 3, 6, 6), (3, 3), (1, 1), (1, 1), False),
    ((1, 3, 7, 7), (3, 3), (2, 2), (0, 0), True),
    ((1, 20, 9, 5), (3, 2), (2, 3), (1, 1), False),
    ((1, 4, 8, 8), (3, 3), (2, 2), (1, 1), True),
    ((2, 17, 5, 5), (5, 5), (5, 5), (0, 0), False),
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0), False),
]


def length(size: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    count = 0
    while True:
        start = count * stride - padding
        fits = start + kernel <= size + padding
        hangs = ceil_mode and start < size + padding - kernel + stride and start < size
        if not (fits or hangs):
            return count
        count += 1


def gather(x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool) -> Any:
    """For each window: where it is in the result, and the rows and columns of the padded image it covers."""
    sides = [length(x.shape[2 + i], kernel[i], stride[i], padding[i], ceil_mode) for i in (0, 1)]
    places = [
        (row, column, row * stride[0] - padding[0], column * stride[1] - padding[1])
        for row in range(sides[0])
        for column in range(sides[1])
    ]
    return sides, places


def inside(x: Any, top: int, left: int, kernel: Any) -> tuple[slice, slice]:
    return slice(max(top, 0), min(top + kernel[0], x.shape[2])), slice(max(left, 0), min(left + kernel[1], x.shape[3]))


def largest(x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool) -> Any:
    sides, places = gather(x, kernel, stride, padding, ceil_mode)
    best, offset = np.empty((*x.shape[:2], *sides)), np.empty((*x.shape[:2], *sides), int)
    for row, column, top, left in places:
        rows, columns = inside(x, top, left, kernel)
        window = np.full((*x.shape[:2], *kernel), -np.inf)
        window[:, :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = x[
            :, :, rows, columns
        ]
        flat = window.reshape(*x.shape[:2], -1)
        best[:, :, row, column], offset[:, :, row, column] = flat.max(-1), flat.argmax(-1)
    return best, offset


def divisor(x: Any, top: int, left: int, kernel: Any, padding: Any, count_include_pad: bool) -> int:
    if count_include_pad:
        return (min(top + kernel[0], x.shape[2] + padding[0]) - top) * (
            min(left + kernel[1], x.shape[3] + padding[1]) - left
        )
    rows, columns = inside(x, top, left, kernel)
    return (rows.stop - rows.start) * (columns.stop - columns.start)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_largest_of_each_window_and_its_place(
    make: Any, assert_close: Any, case: Any, layout: str, dtype: Any
) -> None:
    shape, kernel, stride, padding, ceil_mode = case
    x = make(shape, layout, dtype)
    x[...] = np.round(x * dtype(2))  # many equal elements: the first one counts
    form = {"kernel_size": kernel, "stride": stride, "padding": padding}
    best, places = largest(x, kernel, stride, padding, ceil_mode)
    out, offset = max_pool2d(x, **form, ceil_mode=ceil_mode)
    assert np.array_equal(out, best)
    assert np.array_equal(offset, places)
    alone, nothing = max_pool2d(x, **form, ceil_mode=ceil_mode, keep=False)
    assert np.array_equal(alone, best)
    assert nothing is None

    flow, expected = make(best.shape, dtype=dtype, seed=1), np.zeros(shape)
    for row, column, top, left in gather(x, kernel, stride, padding, ceil_mode)[1]:
        for image in range(shape[0]):
            for channel in range(shape[1]):
                place = places[image, channel, row, column]
                expected[image, channel, top + place // kernel[1], left + place % kernel[1]] += flow[
                    image, channel, row, column
                ]
    for kept in (offset, np.ascontiguousarray(offset)):
        assert_close(max_pool2d_input(flow, kept, shape=shape, dilation=(1, 1), **form), expected)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_mean_of_each_window(
    make: Any, assert_close: Any, case: Any, layout: str, count_include_pad: bool, dtype: Any
) -> None:
    shape, kernel, stride, padding, ceil_mode = case
    x, form = make(shape, layout, dtype), {"kernel_size": kernel, "stride": stride, "padding": padding}
    sides, windows = gather(x, kernel, stride, padding, ceil_mode)
    expected, gradient = np.empty((*shape[:2], *sides)), np.zeros(shape)
    flow = make(expected.shape, dtype=dtype, seed=1)
    for row, column, top, left in windows:
        rows, columns = inside(x, top, left, kernel)
        count = divisor(x, top, left, kernel, padding, count_include_pad)
        expected[:, :, row, column] = x[:, :, rows, columns].astype(np.float64).sum((2, 3)) / count
        gradient[:, :, rows, columns] += (flow[:, :, row, column].astype(np.float64) / count)[:, :, None, None]
    result = avg_pool2d(x, **form, ceil_mode=ceil_mode, count_include_pad=count_include_pad)
    back = avg_pool2d_input(flow, shape=shape, **form, count_include_pad=count_include_pad)
    if result is NotImplemented:  # oneDNN would count what hangs over the padding
        assert (ceil_mode, count_include_pad, any(padding)) == (True, True, True)
        assert back is NotImplemented
        return
    assert_close(result, expected)
    assert_close(back, gradient)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_windows_agree(make: Any, data: st.DataObject) -> None:
    size, pair = st.integers(1, 9), st.tuples(st.integers(1, 4), st.integers(1, 4))
    shape = (data.draw(st.integers(1, 2)), data.draw(st.integers(1, 40)), data.draw(size), data.draw(size))
    kernel, stride, ceil_mode = data.draw(pair), data.draw(pair), data.draw(st.booleans())
    padding = tuple(data.draw(st.integers(0, side // 2)) for side in kernel)
    x = make(shape, data.draw(st.sampled_from(LAYOUTS)))
    sides, _ = gather(x, kernel, stride, padding, ceil_mode)
    assume(min(sides) > 0)
    out, offset = max_pool2d(x, kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode)
    best, places = largest(x, kernel, stride, padding, ceil_mode)
    assert np.array_equal(out, best.astype(np.float32))
    assert np.array_equal(offset, places)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_mean_of_whole_images(make: Any, assert_close: Any, layout: str) -> None:
    x = make((2, 20, 7, 5), layout)
    assert_close(global_avg_pool2d(x), x.astype(np.float64).mean((2, 3), keepdims=True))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("value", [np.nan, -np.nan, -np.inf])
def test_windows_of_nan_or_nothing_are_left_to_the_body(value: float, dtype: Any) -> None:
    x = np.zeros((1, 4, 8, 8), dtype)
    x[0, 1, :4, :4] = value
    assert max_pool2d(x, kernel_size=(2, 2), stride=(2, 2)) is NotImplemented


REFUSED = {
    "double precision": (np.ones((1, 4, 8, 8)), {"kernel_size": (2, 2), "stride": (2, 2)}),
    "three axes": (np.ones((4, 8, 8), np.float32), {"kernel_size": (2, 2), "stride": (2, 2)}),
    "a window larger than the image": (np.ones((1, 4, 2, 2), np.float32), {"kernel_size": (3, 3), "stride": (2, 2)}),
    "too much padding": (
        np.ones((1, 4, 8, 8), np.float32),
        {"kernel_size": (2, 2), "stride": (2, 2), "padding": (2, 2)},
    ),
    "no images": (np.ones((0, 4, 8, 8), np.float32), {"kernel_size": (2, 2), "stride": (2, 2)}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_left_to_the_body(name: str) -> None:
    x, form = REFUSED[name]
    assert max_pool2d(x, **form) is NotImplemented
    assert avg_pool2d(x, **form) is NotImplemented


def test_windows_of_more_than_255_places_are_left_to_the_body() -> None:
    assert max_pool2d(np.ones((1, 4, 20, 20), np.float32), kernel_size=(16, 16), stride=(1, 1)) is NotImplemented
