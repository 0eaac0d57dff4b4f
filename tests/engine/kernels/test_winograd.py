"""Winograd's convolution against sums over the window in float64, at the sizes that cut tiles and blocks."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from numzoo.engine import enable_grad, no_grad
from numzoo.engine.kernels.cpu import onednn, packs, plans, winograd, winograd_tiles
from numzoo.engine.kernels.cpu.convolution import conv2d, conv2d_input, conv2d_weight

PLAIN = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
LAYOUTS = ["dense", "channels last", "cut", "every other", "transposed"]


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Winograd for any number of channels and tiles, in blocks of a few tiles."""
    monkeypatch.setattr(winograd, "FEWEST_CHANNELS", 1)
    monkeypatch.setattr(winograd, "FEWEST_PAIRS", 1)
    monkeypatch.setattr(winograd, "FEWEST_TILES", 1)
    monkeypatch.setattr(winograd_tiles, "BLOCK_BYTES", 0)
    monkeypatch.setattr(winograd_tiles, "CHANNELS_PER_TILE", 4)
    monkeypatch.setattr(winograd, "FEWEST_TILES_FRESH", 10**9)
    plans.clear()
    with no_grad():
        yield
    plans.clear()


def convolved(x: Any, weight: Any, bias: Any = None, padding: Any = (1, 1)) -> Any:
    frame = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    height, width = frame.shape[2] - 2, frame.shape[3] - 2
    total = np.zeros((x.shape[0], weight.shape[0], height, width))
    for row, column in itertools.product(range(3), range(3)):
        seen = frame[:, :, row : row + height, column : column + width]
        total += np.einsum("nchw,kc->nkhw", seen, weight[:, :, row, column].astype(np.float64))
    return total if bias is None else total + bias.astype(np.float64)[:, None, None]


def assert_near(result: Any, expected: Any) -> None:
    assert result is not NotImplemented
    assert result.shape == expected.shape
    assert result.transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_allclose(result, expected, rtol=0, atol=8e-6 * np.abs(expected).max())


def transformed() -> bool:
    return winograd.kept_bytes() > 0


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (4, 4), (5, 7), (8, 12), (9, 6), (14, 14), (31, 2), (2, 33)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 2), (0, 2), (2, 1)])
@pytest.mark.parametrize("batch", [1, 3])
def test_every_size_gives_the_sums_over_windows(make: Any, size: Any, padding: Any, batch: int) -> None:
    if min(n + 2 * p for n, p in zip(size, padding, strict=True)) < 3:
        size = (size[0] + 2, size[1] + 2)
    x, weight, bias = make((batch, 8, *size), "channels last"), make((12, 8, 3, 3), seed=1), make((12,), seed=2)
    form = {**PLAIN, "padding": padding}
    expected = convolved(x, weight, None, padding)
    assert_near(conv2d(x, weight, **form), expected)
    assert transformed()
    assert_near(conv2d(x, weight, bias, **form), expected + bias[:, None, None])


@pytest.mark.parametrize("block", [0, 1, 3, 17, 1000])
@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("biased", [False, True])
def test_the_size_of_the_blocks_does_not_show(
    make: Any, monkeypatch: pytest.MonkeyPatch, block: int, batch: int, biased: bool
) -> None:
    monkeypatch.setattr(winograd_tiles, "BLOCK_BYTES", block * winograd_tiles.FLOATS_OF_TILE * 2 * (8 + 20))
    monkeypatch.setattr(winograd_tiles, "CHANNELS_PER_TILE", 28)
    x, weight, bias = make((batch, 8, 19, 13)), make((20, 8, 3, 3), seed=1), make((20,), seed=2) if biased else None
    assert_near(conv2d(x, weight, bias, **PLAIN), convolved(x, weight, bias))
    assert transformed()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weight_layout", LAYOUTS)
def test_any_memory_layout_gives_the_same(make: Any, layout: str, weight_layout: str) -> None:
    x, weight = make((2, 8, 9, 10), layout), make((6, 8, 3, 3), weight_layout, seed=1)
    assert_near(conv2d(x, weight, **PLAIN), convolved(x, weight))
    assert transformed()


def test_an_image_that_runs_backwards_is_left_to_the_direct_sums(make: Any) -> None:
    x, weight = make((2, 8, 9, 10), "reversed"), make((6, 8, 3, 3), seed=1)
    assert_near(conv2d(x, weight, **PLAIN), convolved(x, weight))


@pytest.mark.parametrize("mean", [0.0, 1.0, 100.0])
@pytest.mark.parametrize("channels", [64, 512])
def test_the_error_stays_within_a_few_millionths_of_the_largest_result(mean: float, channels: int) -> None:
    generator = np.random.default_rng(3)
    x = (generator.standard_normal((1, channels, 12, 12)) + mean).astype(np.float32)
    weight = generator.standard_normal((16, channels, 3, 3)).astype(np.float32)
    expected = convolved(x, weight)
    error = np.abs(conv2d(x, weight, **PLAIN) - expected).max() / np.abs(expected).max()
    assert error < 5e-6
    assert transformed()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("biased", [False, True])
def test_what_is_not_finite_reaches_only_the_results_that_see_it(make: Any, value: float, biased: bool) -> None:
    x, weight, bias = make((2, 8, 11, 9)), make((6, 8, 3, 3), seed=1), make((6,), seed=2) if biased else None
    x[1, 3, 5, 4] = value
    result = conv2d(x, weight, bias, **PLAIN)
    expected = convolved(x, weight, bias)
    seeing = np.zeros(result.shape, bool)
    seeing[1, :, 4:7, 3:6] = True
    np.testing.assert_array_equal(np.isfinite(result), ~seeing)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(result[seeing], expected[seeing].astype(np.float32))
    np.testing.assert_allclose(result[~seeing], expected[~seeing], atol=1e-4)


def test_results_that_fit_are_right_where_the_way_to_them_overflows(make: Any) -> None:
    x, weight = make((1, 8, 9, 9)), make((6, 8, 3, 3), seed=1)
    x *= np.float32(2e36)
    expected = convolved(x, weight)
    assert np.abs(expected).max() < np.finfo(np.float32).max
    np.testing.assert_allclose(conv2d(x, weight, **PLAIN), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_weights_are_transformed_once_and_anew_when_they_changed(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = make((1, 8, 9, 9)), make((6, 8, 3, 3), seed=1)
    first = conv2d(x, weight, **PLAIN).copy()
    weight *= 2
    np.testing.assert_array_equal(conv2d(x, weight, **PLAIN), first)  # nobody said that it changed
    onednn.forget(weight)
    assert not transformed()
    assert_near(conv2d(x, weight, **PLAIN), convolved(x, weight))


def test_weights_that_may_be_trained_are_transformed_from_the_second_time_on(make: Any) -> None:
    x, weight = make((1, 8, 9, 9)), make((6, 8, 3, 3), seed=1)
    with enable_grad():
        assert_near(conv2d(x, weight, **PLAIN), convolved(x, weight))
        assert not transformed()
        assert_near(conv2d(x, weight, **PLAIN), convolved(x, weight))
        assert transformed()


def test_many_tiles_pay_for_weights_that_serve_once(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "FEWEST_TILES_FRESH", 1)
    made = []
    monkeypatch.setattr(packs, "worth_keeping", lambda *_: made.append(1))
    x, weight = make((1, 8, 9, 9)), make((6, 8, 3, 3), seed=1)
    direct = convolved(x, weight)
    result = conv2d(x, weight, **PLAIN)
    assert_near(result, direct)
    assert made
    assert not transformed()
    assert np.abs(result - direct).max() > 0


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 2), (0, 2), (2, 1)])
@pytest.mark.parametrize("size", [(3, 3), (5, 7), (8, 12), (14, 14), (2, 33)])
@pytest.mark.parametrize("layout", ["channels last", "dense", "cut"])
def test_the_gradient_for_the_image_is_a_convolution_with_the_turned_kernel(
    make: Any, monkeypatch: pytest.MonkeyPatch, padding: Any, size: Any, layout: str
) -> None:
    if min(n + 2 * p for n, p in zip(size, padding, strict=True)) < 3:
        size = (size[0] + 2, size[1])
    shape, form = (2, 8, *size), {**PLAIN, "padding": padding}
    weight = make((12, 8, 3, 3), layout, seed=1)
    flow = make((2, 12, size[0] + 2 * padding[0] - 2, size[1] + 2 * padding[1] - 2), layout, seed=2)
    direct = conv2d_input(flow, weight, shape=shape, **form)
    plans.clear()
    monkeypatch.setattr(winograd, "FEWEST_TILES_FRESH", 1)
    result = conv2d_input(flow, weight, shape=shape, **form)
    turned = weight[:, :, ::-1, ::-1].swapaxes(0, 1)
    assert_near(result, convolved(flow, turned, None, (2 - padding[0], 2 - padding[1])))
    assert (result != direct).any()
    assert not transformed()


def test_what_is_not_finite_stays_where_it_is_on_the_way_back(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "FEWEST_TILES_FRESH", 1)
    flow, weight = make((2, 6, 11, 9)), make((6, 8, 3, 3), seed=1)
    flow[1, 3, 5, 4] = np.nan
    result = conv2d_input(flow, weight, shape=(2, 8, 11, 9), **PLAIN)
    seeing = np.zeros(result.shape, bool)
    seeing[1, :, 4:7, 3:6] = True
    np.testing.assert_array_equal(np.isfinite(result), ~seeing)


def test_transformed_weights_die_with_the_weights(make: Any) -> None:
    weight = make((6, 8, 3, 3), seed=1)
    conv2d(make((1, 8, 9, 9)), weight, **PLAIN)
    assert transformed()
    del weight
    assert not transformed()


def test_weights_beyond_the_bound_are_convolved_directly(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights = make((1, 8, 9, 9)), [make((6, 8, 3, 3), seed=seed) for seed in range(4)]
    conv2d(x, weights[0], **PLAIN)
    monkeypatch.setattr(winograd, "MOST_KEPT_BYTES", 2 * winograd.kept_bytes())
    for weight in weights * 2:
        assert_near(conv2d(x, weight, **PLAIN), convolved(x, weight))
        assert winograd.kept_bytes() <= winograd.MOST_KEPT_BYTES


FORMS = {
    "a step of two": ((1, 8, 9, 9), (8, 8, 3, 3), {**PLAIN, "stride": (2, 1)}),
    "dilation": ((1, 8, 9, 9), (8, 8, 3, 3), {**PLAIN, "dilation": (1, 2)}),
    "groups": ((1, 8, 9, 9), (8, 4, 3, 3), {**PLAIN, "groups": 2}),
    "another window": ((1, 8, 9, 9), (8, 8, 3, 5), PLAIN),
    "wide padding": ((1, 8, 9, 9), (8, 8, 3, 3), {**PLAIN, "padding": (3, 0)}),
}


@pytest.mark.parametrize("name", FORMS)
def test_other_convolutions_stay_direct(make: Any, name: str) -> None:
    shape, kernel, form = FORMS[name]
    assert conv2d(make(shape), make(kernel, seed=1), **form) is not NotImplemented
    assert not transformed()


def test_gradients_fit_the_result(make: Any) -> None:
    """The sum of grad * conv2d(x, w) is linear in x and in w, so each gradient gives it back."""
    x, weight, grad = make((2, 8, 9, 10)), make((6, 8, 3, 3), seed=1), make((2, 6, 9, 10), seed=2)
    value = np.vdot(grad.astype(np.float64), conv2d(x, weight, **PLAIN))
    by_input = np.vdot(x.astype(np.float64), conv2d_input(grad, weight, shape=x.shape, **PLAIN))
    by_weight = np.vdot(weight.astype(np.float64), conv2d_weight(grad, x, shape=weight.shape, **PLAIN))
    np.testing.assert_allclose([by_input, by_weight], value, rtol=1e-5)


def test_threads_at_once_get_what_one_gets(make: Any) -> None:
    weight, inputs = make((16, 16, 3, 3)), [make((1, 16, 20, 20), seed=seed) for seed in range(3)]
    expected = [conv2d(x, weight, **PLAIN).copy() for x in inputs]
    wrong: list[int] = []

    def serve(number: int) -> None:
        for _ in range(30):
            if not np.array_equal(conv2d(inputs[number], weight, **PLAIN), expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_packs_count_transformed_weights(make: Any) -> None:
    conv2d(make((1, 8, 9, 9)), make((6, 8, 3, 3), seed=1), **PLAIN)
    assert packs.kept_bytes() >= winograd.kept_bytes()


def weight_gradient(flow: Any, x: Any, padding: Any) -> Any:
    frame = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    height, width = flow.shape[2:]
    result = np.empty((flow.shape[1], x.shape[1], 3, 3))
    for row, column in itertools.product(range(3), range(3)):
        seen = frame[:, :, row : row + height, column : column + width]
        result[:, :, row, column] = np.einsum("nkhw,nchw->kc", flow.astype(np.float64), seen)
    return result


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 2), (0, 2), (2, 1)])
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (5, 7), (8, 12), (14, 14), (31, 2), (2, 33)])
@pytest.mark.parametrize("block", [0, 3, 1000])
def test_the_gradient_for_the_weight_is_a_sum_over_tiles(
    make: Any, monkeypatch: pytest.MonkeyPatch, padding: Any, size: Any, block: int
) -> None:
    if min(n + 2 * p for n, p in zip(size, padding, strict=True)) < 3:
        size = (size[0] + 2, size[1] + 2)
    x, shape = make((3, 8, *size), "channels last"), (12, 8, 3, 3)
    flow = make((3, 12, size[0] + 2 * padding[0] - 2, size[1] + 2 * padding[1] - 2), "channels last", seed=2)
    form = {**PLAIN, "padding": padding}
    direct = conv2d_weight(flow, x, shape=shape, **form)
    plans.clear()
    monkeypatch.setattr(winograd, "FEWEST_TILES_FRESH", 1)
    monkeypatch.setattr(winograd_tiles, "BLOCK_BYTES", block * winograd_tiles.FLOATS_OF_TILE * 2 * 20)
    result = conv2d_weight(flow, x, shape=shape, **form)
    expected = weight_gradient(flow, x, padding)
    np.testing.assert_allclose(result, expected, rtol=0, atol=8e-6 * np.abs(expected).max())
    assert result.flags.c_contiguous
    assert (result != direct).any()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("flow_layout", LAYOUTS)
def test_the_gradient_for_the_weight_takes_any_layout(
    make: Any, monkeypatch: pytest.MonkeyPatch, layout: str, flow_layout: str
) -> None:
    monkeypatch.setattr(winograd, "FEWEST_TILES_FRESH", 1)
    x, flow = make((2, 8, 9, 10), layout), make((2, 6, 9, 10), flow_layout, seed=1)
    expected = weight_gradient(flow, x, (1, 1))
    result = conv2d_weight(flow, x, shape=(6, 8, 3, 3), **PLAIN)
    np.testing.assert_allclose(result, expected, rtol=0, atol=8e-6 * np.abs(expected).max())


def test_what_is_not_finite_does_not_spread_in_the_gradient_for_the_weight(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, flow = make((2, 8, 9, 10)), make((2, 6, 9, 10), seed=1)
    x[0, 3, 2, 2], flow[1, 4, 5, 5] = np.inf, np.nan
    direct = conv2d_weight(flow, x, shape=(6, 8, 3, 3), **PLAIN)
    plans.clear()
    monkeypatch.setattr(winograd, "FEWEST_TILES_FRESH", 1)
    np.testing.assert_array_equal(conv2d_weight(flow, x, shape=(6, 8, 3, 3), **PLAIN), direct)
    assert np.isfinite(direct[:4, :3]).all()


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_the_error_of_a_weight_gradient_stays_within_a_few_millionths(
    monkeypatch: pytest.MonkeyPatch, mean: float
) -> None:
    monkeypatch.setattr(winograd, "FEWEST_TILES_FRESH", 1)
    generator = np.random.default_rng(3)
    x = (generator.standard_normal((4, 64, 28, 28)) + mean).astype(np.float32)
    flow = generator.standard_normal((4, 32, 28, 28)).astype(np.float32)
    expected = weight_gradient(flow, x, (1, 1))
    result = conv2d_weight(flow, x, shape=(32, 64, 3, 3), **PLAIN)
    assert np.abs(result - expected).max() / np.abs(expected).max() < 5e-6
