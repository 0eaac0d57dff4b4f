"""Pooling functions and layers: what they refuse, and the cases that are easily got wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.errors import DtypeError, SettingError, ShapeError
from numzoo.engine.nn import functional as F


def t(*shape: int, dtype: str = "float32") -> engine.Tensor:
    return engine.ones(*shape).to(dtype=dtype)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.max_pool1d(t(9), 2), ShapeError, r"max_pool1d: wants \(batch, channels, length\).*unsqueeze"),
        (lambda: F.max_pool3d(t(1, 2, 2, 9, 9), 3), ShapeError, r"max_pool3d: a window of \(3, 3, 3\).*larger image"),
        (lambda: F.max_pool3d(t(1, 2, 9, 9, 9), (3, 3)), SettingError, "kernel_size must be a whole number or 3"),
        (lambda: F.max_pool1d(t(1, 2, 9), 2, padding=2), SettingError, "max_pool1d.*at most half"),
        (lambda: F.max_pool1d(t(1, 2, 9), 2, padding=2, return_indices=True), SettingError, "at most half"),
        (lambda: F.max_pool2d(t(1, 2, 9, 9), 2, stride=0, return_indices=True), SettingError, "stride"),
        (lambda: F.avg_pool1d(t(1, 2, 9), 2, stride=0), SettingError, "avg_pool1d: stride"),
        (lambda: F.avg_pool2d(t(1, 2, 9, 9), 2, divisor_override=0), SettingError, "divisor_override"),
        (lambda: F.avg_pool2d(t(1, 2, 9, 9), 2, divisor_override="2"), SettingError, "divisor_override.*'2'"),
        (lambda: F.avg_pool3d(t(1, 2, 9, 9, 9, dtype="int64"), 2), DtypeError, r"avg_pool3d.*int64.*\.float\(\)"),
        (lambda: F.lp_pool2d(t(1, 2, 9, 9), 0, 2), SettingError, "norm_type must be a finite number above 0"),
        (lambda: F.lp_pool1d(t(1, 2, 9), float("inf"), 2), SettingError, "norm_type"),
        (lambda: F.adaptive_avg_pool1d(t(1, 2, 9), 0), ShapeError, "sizes of at least 1"),
        (lambda: F.adaptive_avg_pool3d(t(1, 2, 9, 9), (1, 2)), SettingError, "output_size"),
        (lambda: F.adaptive_max_pool1d(t(9), 2), ShapeError, "adaptive_max_pool1d: wants"),
        (lambda: F.adaptive_max_pool2d(t(1, 2, 0, 9), 2), ShapeError, "hold something"),
        (lambda: F.max_unpool1d(t(1, 1, 2), engine.tensor([[[0, 9]]]), 2), ShapeError, "indices must lie from 0 to 3"),
        (lambda: F.max_unpool1d(t(1, 1, 2), t(1, 1, 2), 2), DtypeError, "indices must be integers"),
        (lambda: F.max_unpool1d(t(1, 1, 2), engine.tensor([[[0]]]), 2), ShapeError, "must have one shape"),
        (lambda: F.max_unpool1d(t(1, 1, 2), engine.tensor([[[0, 1]]]), 2, output_size=[9]), ShapeError, "within a stride"),
        (lambda: nn.AvgPool1d("3"), SettingError, "kernel_size"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_way_out(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_padding_never_wins_and_is_never_numbered() -> None:
    x = engine.Tensor(np.full((1, 1, 4, 4), -5.0))
    values, places = F.max_pool2d(x, 3, 2, 1, return_indices=True)
    np.testing.assert_array_equal(values.numpy(), -5.0)
    assert places.numpy().ravel().tolist() == [0, 1, 4, 5]


def test_of_equal_elements_the_first_is_numbered_and_nan_is_found() -> None:
    x = np.zeros((1, 1, 2, 2, 2))
    assert F.max_pool3d(engine.Tensor(x), 2, return_indices=True)[1].numpy().ravel().tolist() == [0]
    x[0, 0, 1, 0, 1] = np.nan
    values, places = F.max_pool3d(engine.Tensor(x), 2, return_indices=True)
    assert np.isnan(values.numpy()).all()
    assert places.numpy().ravel().tolist() == [5]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_values_are_the_same_with_indices_and_without(axes: int) -> None:
    x = engine.randn(2, 8, *(20,) * axes)
    for settings in (
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "dilation": 2, "ceil_mode": True},
    ):
        run = getattr(F, f"max_pool{axes}d")
        np.testing.assert_array_equal(run(x, **settings).numpy(), run(x, **settings, return_indices=True)[0].numpy())


def test_adaptive_pooling_to_one_is_global() -> None:
    x = engine.randn(2, 3, 4, 5, 6)
    np.testing.assert_allclose(
        F.adaptive_avg_pool3d(x, 1).numpy()[..., 0, 0, 0], x.numpy().mean((2, 3, 4)), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(F.adaptive_max_pool3d(x, 1).numpy()[..., 0, 0, 0], x.numpy().max((2, 3, 4)))
