"""The kernels of softmax and of cross-entropy against their bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from held_to_bodies import assert_kernel_is_body, memory_orders

from numzoo import engine
from numzoo.engine import ops
from numzoo.engine.dtype import accumulator, as_dtype
from numzoo.engine.kernels.cuda.layers import softmax
from numzoo.engine.kernels.cuda.losses import entropy

SMALL = ((4, 1), (16, 1), (32, 2), (64, 2), (64, 0))
NAMES = ["softmax", "log_softmax"]


@pytest.fixture(autouse=True)
def small(monkeypatch: Any) -> None:
    monkeypatch.setattr(softmax, "TEAMS", SMALL)
    monkeypatch.setattr(softmax, "NARROW", SMALL)
    monkeypatch.setattr(softmax, "BACKWARD", SMALL)
    softmax.PLANS.clear()
    entropy.PLANS.clear()


def drawn(shape: tuple[int, ...], dtype: Any = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(as_dtype(dtype))


def check(gpu: Any, name: str, x: Any, axis: int) -> None:
    (out,) = assert_kernel_is_body(gpu, getattr(softmax, name), name, x, axis=axis)
    flow = drawn(x.shape, x.dtype, 1)
    assert_kernel_is_body(gpu, getattr(softmax, f"{name}_input"), f"{name}_input", flow, out, axis=axis, scale=10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [1, 7, 96, 200, 300, 1001])
def test_rows_of_every_width(gpu: Any, name: str, width: int) -> None:
    check(gpu, name, drawn((2, 3, width)), -1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_every_dtype(gpu: Any, name: str, dtype: str) -> None:
    check(gpu, name, drawn((5, 30), dtype), 1)


@pytest.mark.parametrize("name", NAMES)
def test_every_axis_in_every_memory_order(gpu: Any, name: str) -> None:
    for x in memory_orders(drawn((3, 4, 5))):
        for axis in range(3):
            check(gpu, name, x, axis)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [40, 1001])
def test_infinities_and_nan_are_the_bodys(gpu: Any, name: str, width: int) -> None:
    x = drawn((6, width))
    x[0], x[1, 3], x[2, 5], x[3, :20], x[4] = -np.inf, np.inf, np.nan, -np.inf, 1e30
    assert_kernel_is_body(gpu, getattr(softmax, name), name, x)


def loss_and_slope(device: str, x: Any, target: Any, weight: Any = None, **settings: Any) -> list[Any]:
    logits = engine.Tensor(x).to(device=device)
    logits.requires_grad_(True)
    if weight is not None:
        weight = engine.Tensor(weight).to(device=device)
    loss = ops.cross_entropy(logits, engine.Tensor(target).to(device=device), weight, **settings)
    loss.sum().backward()
    return [loss.numpy(), logits.grad.numpy()]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize(("rows", "classes"), [(1, 1), (5, 10), (40, 1300)])
def test_cross_entropy_is_the_cpus(gpu: Any, dtype: str, rows: int, classes: int) -> None:
    x, target = drawn((rows, classes), dtype), np.random.default_rng(3).integers(0, classes, rows)
    weight = np.linspace(0.5, 2, classes).astype(accumulator(x.dtype))
    if rows > 1:
        target[1] = -100
    for given, reduction in ((None, "mean"), (weight, "mean"), (weight, "sum")):
        there, here = (loss_and_slope(device, x, target, given, reduction=reduction) for device in ("cuda", "cpu"))
        for a, b in zip(there, here, strict=True):
            assert a.dtype == b.dtype
            tolerance = {2: 2e-2, 4: 2e-5, 8: 1e-11}[x.dtype.itemsize]
            np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=tolerance, atol=tolerance)
    assert {"class_counts", "entropy_rows", "entropy_rows_backward"} <= set(gpu.launched)


def test_cross_entropy_of_images_of_small_labels_and_smoothed(gpu: Any) -> None:
    x = drawn((2, 5, 3, 4))
    for kind in (np.uint8, np.int32):
        target = np.random.default_rng(3).integers(0, 5, (2, 3, 4)).astype(kind)
        for settings in ({}, {"label_smoothing": 0.1}, {"reduction": "none"}, {"ignore_index": 2}):
            for a, b in zip(*(loss_and_slope(d, x, target, **settings) for d in ("cuda", "cpu")), strict=True):
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_nothing_that_counts_gives_nan_and_no_gradient(gpu: Any) -> None:
    loss, slope = loss_and_slope("cuda", drawn((3, 4)), np.full(3, -100))
    assert np.isnan(loss)
    assert not slope.any()


@pytest.mark.parametrize("wrong", [7, -3])
def test_a_target_that_is_no_class_is_an_error_when_the_loss_is_read(gpu: Any, wrong: int) -> None:
    target = engine.Tensor(np.array([0, wrong, 1])).to(device="cuda")
    loss = ops.cross_entropy(engine.Tensor(drawn((3, 4))).to(device="cuda"), target)
    with pytest.raises(engine.errors.ShapeError, match=f"target {wrong} is no class: there are 4"):
        loss.item()
    assert np.isnan(loss.item())  # it was said once


def test_many_rows_are_added_up_in_parts(gpu: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(entropy, "SUM", 64)
    monkeypatch.setattr(entropy, "PARTS", 3)
    x, target = drawn((5000, 4)), np.random.default_rng(3).integers(0, 4, 5000)
    for a, b in zip(*(loss_and_slope(d, x, target) for d in ("cuda", "cpu")), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_an_axis_that_only_equals_a_whole_number_is_refused_each_time(one_order: Any) -> None:
    x = engine.tensor(drawn((3, 8))).to("cuda")
    for _ in range(2):
        ops.softmax(x, axis=1)
        with pytest.raises(engine.ShapeError, match="whole number"):
            ops.softmax(x, axis=1.0)


def test_settings_that_are_no_numbers_are_told_of(one_order: Any) -> None:
    x = engine.tensor(drawn((3, 8))).to("cuda")
    with pytest.raises(engine.DtypeError, match="layer_norm: a setting does not fit"):
        ops.layer_norm(x, None, None, epsilon="a", axes=1)  # type: ignore[arg-type]
