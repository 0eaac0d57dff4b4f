"""Convolution and its gradients, against sums over the window in float64."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numzoo.engine.kernels.cpu.convolution import conv2d, conv2d_input, conv2d_weight, output_shape

CASES = [
    # x, weight, stride, padding, dilation, groups
    ((1, 3, 32, 32), (16, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    ((2, 16, 9, 9), (32, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((2, 16, 8, 8), (32, 16, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 16, 9, 8), (32, 16, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    ((1, 24, 7, 7), (24, 1, 3, 3), (1, 1), (1, 1), (1, 1), 24),
    ((2, 24, 10, 10), (24, 1, 5, 5), (2, 2), (2, 2), (1, 1), 24),
    ((2, 5, 7, 6), (5, 1, 3, 3), (1, 1), (1, 1), (1, 1), 5),
    ((2, 8, 7, 7), (16, 1, 3, 3), (1, 1), (1, 1), (1, 1), 8),
    ((1, 32, 8, 8), (64, 8, 3, 3), (1, 1), (1, 1), (1, 1), 4),
    ((1, 6, 8, 8), (9, 2, 3, 3), (1, 2), (0, 1), (1, 1), 3),
    ((1, 8, 12, 12), (8, 8, 3, 3), (1, 1), (2, 2), (2, 2), 1),
    ((1, 8, 12, 11), (8, 8, 3, 2), (2, 1), (3, 0), (3, 2), 1),
    ((1, 4, 5, 5), (7, 4, 5, 5), (1, 1), (0, 0), (1, 1), 1),
    ((3, 1, 1, 1), (2, 1, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 8, 4, 4), (8, 8, 3, 3), (1, 1), (4, 4), (1, 1), 1),
    ((1, 64, 1, 1), (16, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((2, 64, 5, 4), (72, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((1, 80, 3, 3), (64, 80, 1, 1), (1, 1), (0, 0), (2, 2), 1),
    ((2, 32, 9, 10), (48, 32, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    ((2, 48, 9, 10), (32, 48, 1, 1), (3, 2), (0, 0), (1, 1), 1),
    ((2, 32, 9, 9), (32, 1, 3, 3), (2, 2), (1, 1), (1, 1), 32),
    # Sizes at which oneDNN 3.2 gives wrong gradients by the weight.
    ((2, 48, 30, 37), (20, 24, 5, 1), (1, 1), (4, 0), (4, 12), 2),
    ((1, 24, 13, 41), (20, 24, 2, 3), (1, 1), (2, 1), (3, 1), 1),
    ((2, 8, 27, 34), (20, 4, 4, 4), (1, 2), (0, 24), (3, 8), 2),
    ((1, 48, 2, 1), (16, 48, 3, 4), (1, 2), (1, 3), (1, 1), 1),
    ((1, 32, 4, 42), (32, 1, 1, 3), (1, 2), (0, 25), (3, 14), 32),
    ((1, 5, 8, 43), (5, 1, 1, 1), (1, 1), (0, 0), (4, 3), 5),
    ((2, 16, 1, 90), (16, 1, 1, 3), (1, 1), (0, 8), (1, 8), 16),
    ((1, 32, 1, 70), (32, 1, 1, 3), (1, 1), (0, 16), (1, 16), 32),
    ((1, 16, 20, 40), (16, 1, 3, 3), (1, 1), (9, 17), (9, 17), 16),
    ((2, 16, 24, 23), (16, 1, 2, 3), (1, 1), (3, 12), (4, 8), 16),
    ((1, 16, 21, 30), (16, 1, 3, 3), (2, 1), (8, 8), (8, 8), 16),
    ((1, 16, 1, 60), (32, 1, 1, 3), (1, 1), (0, 16), (1, 16), 16),
    ((4, 16, 33, 32), (24, 16, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((3, 32, 37, 37), (16, 32, 1, 1), (1, 1), (0, 0), (1, 1), 1),
]
LAYOUTS = ["dense", "channels last", "cut", "every other", "transposed", "reversed"]


def windows(x: Any, kernel: Any, out: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """Yields each place of the window with the slice of the padded x (as a view) that it meets."""
    for row, column in itertools.product(range(kernel[0]), range(kernel[1])):
        top, left = row * dilation[0], column * dilation[1]
        rows = slice(top, top + stride[0] * (out[0] - 1) + 1, stride[0])
        columns = slice(left, left + stride[1] * (out[1] - 1) + 1, stride[1])
        yield row, column, x[:, :, rows, columns]


def padded(x: Any, padding: Any) -> Any:
    return np.pad(x.astype(np.float64), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))


def split(groups: int, *arrays: Any) -> Any:
    return zip(*(np.split(a, groups, axis) for a, axis in arrays), strict=True)


def forward(x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    out = output_shape(x.shape, weight.shape, stride, padding, dilation)
    parts = []
    for image, kernel in split(groups, (padded(x, padding), 1), (weight.astype(np.float64), 0)):
        total = np.zeros((x.shape[0], kernel.shape[0], *out[2:]))
        for row, column, seen in windows(image, weight.shape[2:], out[2:], stride, padding, dilation):
            total += np.einsum("nchw,kc->nkhw", seen, kernel[:, :, row, column])
        parts.append(total)
    return np.concatenate(parts, 1)


def backward(grad: Any, x: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    frame, images, kernels = padded(x, padding), [], []
    for image, kernel, flow in split(groups, (frame, 1), (weight.astype(np.float64), 0), (grad.astype(np.float64), 1)):
        dx, dw = np.zeros_like(image), np.zeros_like(kernel)
        out = grad.shape[2:]
        for row, column, view in windows(dx, weight.shape[2:], out, stride, padding, dilation):
            view += np.einsum("nkhw,kc->nchw", flow, kernel[:, :, row, column])
        for row, column, seen in windows(image, weight.shape[2:], out, stride, padding, dilation):
            dw[:, :, row, column] = np.einsum("nkhw,nchw->kc", flow, seen)
        images.append(dx)
        kernels.append(dw)
    dx = np.concatenate(images, 1)
    dx = dx[:, :, padding[0] : padding[0] + x.shape[2], padding[1] : padding[1] + x.shape[3]]
    return dx, np.concatenate(kernels, 0)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_convolution_and_its_gradients_are_the_sums_over_windows(
    make: Any, assert_close: Any, case: Any, dtype: Any
) -> None:
    shape, kernel, *rest = case
    stride, padding, dilation, groups = rest
    form = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, weight, bias = (
        make(shape, "channels last", dtype),
        make(kernel, dtype=dtype, seed=1),
        make(kernel[:1], dtype=dtype),
    )
    expected = forward(x, weight, *rest)
    assert_close(conv2d(x, weight, **form), expected)
    with_bias = conv2d(x, weight, bias, **form)
    assert_close(with_bias, expected + bias.astype(np.float64)[:, None, None])
    assert with_bias.transpose(0, 2, 3, 1).flags.c_contiguous

    grad = make(expected.shape, "channels last", dtype, seed=2)
    dx, dw = backward(grad, x, weight, *rest)
    assert_close(conv2d_input(grad, weight, shape=shape, **form), dx)
    result = conv2d_weight(grad, x, shape=kernel, **form)
    assert_close(result, dw)
    assert result.flags.c_contiguous


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weight_layout", LAYOUTS)
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_any_memory_layout_gives_the_same(
    make: Any, assert_close: Any, layout: str, weight_layout: str, groups: int
) -> None:
    rest = ((1, 2), (1, 0), (1, 1), groups)
    form = {"stride": (1, 2), "padding": (1, 0), "dilation": (1, 1), "groups": groups}
    x, weight = make((2, 8, 6, 7), layout), make((16, 8 // groups, 3, 2), weight_layout, seed=1)
    expected = forward(x, weight, *rest)
    result = conv2d(x, weight, **form)
    if weight_layout != "reversed":
        assert_close(result, expected)
    else:
        assert result is NotImplemented
    grad = make(expected.shape, layout, seed=2)
    dx, dw = backward(grad, x, weight, *rest)
    if weight_layout != "reversed":
        assert_close(conv2d_input(grad, weight, shape=x.shape, **form), dx)
    assert_close(conv2d_weight(grad, x, shape=weight.shape, **form), dw)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weight_layout", LAYOUTS[:-1])
def test_gradients_as_products_take_any_layout(make: Any, assert_close: Any, layout: str, weight_layout: str) -> None:
    x, weight = make((2, 64, 3, 5), layout), make((65, 64, 1, 1), weight_layout, seed=1)
    grad = make((2, 65, 3, 5), layout, seed=2)
    form = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    dx, dw = backward(grad, x, weight, *form.values())
    assert_close(conv2d_input(grad, weight, shape=x.shape, **form), dx)
    assert_close(conv2d_weight(grad, x, shape=weight.shape, **form), dw)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_geometries_agree_with_the_sums(make: Any, assert_close: Any, data: st.DataObject) -> None:
    small, pair = st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3))
    groups = data.draw(small)
    shape = (
        data.draw(small),
        groups * data.draw(st.integers(1, 9)),
        *data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12))),
    )
    kernel = (groups * data.draw(st.integers(1, 9)), shape[1] // groups, *data.draw(pair))
    stride, dilation, padding = (
        data.draw(pair),
        data.draw(pair),
        data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3))),
    )
    form = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, weight = make(shape, data.draw(st.sampled_from(LAYOUTS))), make(kernel, seed=1)
    out = output_shape(shape, kernel, stride, padding, dilation)
    result = conv2d(x, weight, **form)
    if min(out) < 1:
        assert result is NotImplemented
        return
    assert_close(result, forward(x, weight, stride, padding, dilation, groups))
    grad = make(out, seed=2)
    dx, dw = backward(grad, x, weight, stride, padding, dilation, groups)
    assert_close(conv2d_input(grad, weight, shape=shape, **form), dx)
    assert_close(conv2d_weight(grad, x, shape=kernel, **form), dw)


FORM = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
REFUSED = {
    "double precision": ((1, 4, 5, 5), (4, 4, 3, 3), np.float64, FORM),
    "integers": ((1, 4, 5, 5), (4, 4, 3, 3), np.int32, FORM),
    "no images": ((0, 4, 5, 5), (4, 4, 3, 3), np.float32, FORM),
    "no channels": ((1, 0, 5, 5), (4, 0, 3, 3), np.float32, FORM),
    "channels that do not fit": ((1, 4, 5, 5), (4, 3, 3, 3), np.float32, FORM),
    "a window larger than the image": ((1, 4, 2, 2), (4, 4, 3, 3), np.float32, FORM),
    "groups that do not divide": ((1, 4, 5, 5), (5, 2, 3, 3), np.float32, {**FORM, "groups": 2}),
    "negative padding": ((1, 4, 5, 5), (4, 4, 3, 3), np.float32, {**FORM, "padding": (-1, 0)}),
    "three axes": ((4, 5, 5), (4, 4, 3, 3), np.float32, FORM),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_served_is_left_to_the_body(name: str) -> None:
    shape, kernel, dtype, form = REFUSED[name]
    assert conv2d(np.ones(shape, dtype), np.ones(kernel, dtype), **form) is NotImplemented


def test_mixed_types_are_left_to_the_body() -> None:
    x, weight = np.ones((1, 4, 5, 5), np.float32), np.ones((4, 4, 3, 3), ml_dtypes.bfloat16)
    assert conv2d(x, weight, **FORM) is NotImplemented


def test_foreign_byte_order_is_left_to_the_body() -> None:
    x, weight = np.ones((1, 4, 5, 5), ">f4"), np.ones((4, 4, 3, 3), ">f4")
    assert conv2d(x, weight, **FORM) is NotImplemented


def test_four_threads_at_once_get_what_one_gets(make: Any) -> None:
    form = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    weights = [make((16, 16, 3, 3), seed=seed) for seed in range(2)]
    inputs = [make((1, 16, 20, 20), "channels last", seed=seed) for seed in range(4)]
    expected = [[conv2d(x, weight, **form).copy() for weight in weights] for x in inputs]
    wrong: list[int] = []

    def serve(number: int) -> None:
        for turn in range(60):
            which = turn % 2
            if not np.array_equal(conv2d(inputs[number], weights[which], **form), expected[number][which]):
                wrong.append(number)

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("channels", [(16, 24), (24, 16), (32, 32), (17, 32)], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_product_over_very_many_pixels_adds_up_its_parts(make: Any, channels: Any, stride: int) -> None:
    outs, ins = channels
    x, grad = (
        make((4, ins, 128 * stride, 80), "channels last"),
        make((4, outs, 128, 80 // stride), "channels last", seed=1),
    )
    form: dict[str, Any] = {"stride": (stride, stride), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    expected = np.einsum("nkhw,nchw->kc", grad.astype(np.float64), x[..., ::stride, ::stride].astype(np.float64))
    result = conv2d_weight(grad, x, shape=(outs, ins, 1, 1), **form)[..., 0, 0]
    np.testing.assert_allclose(result, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
