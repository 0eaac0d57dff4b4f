"""Resampling, sampling at points, shuffles, windows as columns and padding: what they refuse, and what is easily got wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from numzoo import engine
from numzoo.engine import nn
from numzoo.engine.errors import ArgumentError, DtypeError, SettingError, ShapeError
from numzoo.engine.nn import functional as F
from numzoo.engine.ops import resampling as taps


def t(*shape: int, dtype: str = "float32") -> engine.Tensor:
    return engine.ones(*shape).to(dtype=dtype)


X = (1, 2, 4, 5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: F.interpolate(t(*X)), ArgumentError, "either size or scale_factor"),
        (lambda: F.interpolate(t(*X), 2, 2.0), ArgumentError, "either size or scale_factor"),
        (lambda: F.interpolate(t(*X), 2, recompute_scale_factor=True), ArgumentError, "recompute_scale_factor"),
        (lambda: F.interpolate(t(*X), (2, 3, 4)), SettingError, "size must be a whole number or two"),
        (lambda: F.interpolate(t(*X), 0), ShapeError, "sizes must be at least 1"),
        (lambda: F.interpolate(t(1, 2, 0, 5), 3), ShapeError, "sizes must be at least 1"),
        (lambda: F.interpolate(t(*X), scale_factor=0.1), ShapeError, r"would become \(0, 0\)"),
        (lambda: F.interpolate(t(*X), scale_factor=-1), SettingError, "scale_factor must be a finite number above 0"),
        (lambda: F.interpolate(t(*X), scale_factor=(1, 2, 3)), SettingError, "scale_factor"),
        (lambda: F.interpolate(t(*X), 2, mode="cubic"), SettingError, "mode 'cubic' is not known.*bicubic"),
        (lambda: F.interpolate(t(*X), 2, mode="linear"), ShapeError, "mode 'linear' is for 3 axes"),
        (lambda: F.interpolate(t(4, 5), 2), ShapeError, "mode 'nearest' is for 3, 4, 5 axes"),
        (lambda: F.interpolate(t(*X), 2, align_corners=True), SettingError, "align_corners is for linear"),
        (lambda: F.interpolate(t(*X), 2, antialias=True), SettingError, "antialias is for"),
        (lambda: F.interpolate(t(*X, dtype="int64"), 2, mode="bilinear"), DtypeError, "floating-point or uint8"),
        (lambda: F.grid_sample(t(*X), t(1, 3, 3, 3)), ShapeError, r"grid_sample: wants.*grid \(batch, \*out, 2\)"),
        (lambda: F.grid_sample(t(*X), t(2, 3, 3, 2)), ShapeError, "grid_sample: wants"),
        (lambda: F.grid_sample(t(2, 4, 5), t(2, 3, 1)), ShapeError, "grid_sample: wants"),
        (lambda: F.grid_sample(t(*X), t(1, 3, 3, 2, dtype="float64")), DtypeError, "float32, float64"),
        (lambda: F.grid_sample(t(*X, dtype="int64"), t(1, 3, 3, 2, dtype="int64")), DtypeError, r"\.float\(\)"),
        (lambda: F.grid_sample(t(1, 2, 0, 5), t(1, 3, 3, 2)), ShapeError, "must hold something"),
        (lambda: F.grid_sample(t(*X), t(1, 3, 3, 2), mode="cubic"), SettingError, "mode 'cubic' must be one of"),
        (lambda: F.grid_sample(t(*X), t(1, 3, 3, 2), padding_mode="mirror"), SettingError, "'mirror' one of zeros"),
        (lambda: F.grid_sample(t(*X, 2), t(1, 3, 3, 2, 3), mode="bicubic"), SettingError, "is for images"),
        (lambda: engine.resample(t(*X), tables=(taps.linear_taps(4, 9), taps.linear_taps(4, 9))), ShapeError, r"\(4, 4\), not for x"),
        (lambda: engine.resample(t(4), tables=(None, None)), ShapeError, r"resample.*not for x \(4,\)"),
        (lambda: engine.sample(t(1, 2, 4), t(1, 1, 2), engine.tensor([[[0, 4]]])), ShapeError, "number the 4 elements.*to 4"),
        (lambda: engine.sample(t(1, 2, 4), t(1, 1, 2), t(1, 1, 2)), DtypeError, "index must hold integers"),
        (lambda: engine.sample(t(1, 2, 4), t(1, 2, 2), engine.tensor([[[0, 1]]])), ShapeError, r"wants index and weight"),
        (lambda: F.affine_grid(t(1, 2, 3), (2, 1, 3, 4)), ShapeError, "affine_grid: wants size"),
        (lambda: F.affine_grid(t(1, 2, 3), (1, 1, 0, 4)), ShapeError, "all at least 1"),
        (lambda: F.affine_grid(t(1, 2, 3, dtype="int64"), (1, 1, 3, 4)), DtypeError, "floating-point theta"),
        (lambda: F.pixel_shuffle(t(1, 6, 2, 2), 2), ShapeError, "6 channels.*multiple of upscale_factor"),
        (lambda: F.pixel_shuffle(t(4, 4), 2), ShapeError, "pixel_shuffle: wants"),
        (lambda: F.pixel_unshuffle(t(1, 6, 3, 2), 2), ShapeError, "multiples of downscale_factor 2"),
        (lambda: F.pixel_unshuffle(t(1, 6, 3, 2), 0), SettingError, "downscale_factor must be"),
        (lambda: F.channel_shuffle(t(1, 6, 3), 4), ShapeError, "groups=4 divides"),
        (lambda: F.channel_shuffle(t(1, 6, 3), 1.5), SettingError, "groups must be"),
        (lambda: F.unfold(t(1, 2, 2, 9), 3), ShapeError, "unfold: a window of.*does not fit"),
        (lambda: F.unfold(t(9, 9), 3), ShapeError, "unfold: wants"),
        (lambda: F.unfold(t(1, 2, 9, 9), 3, stride=0), SettingError, "unfold: stride"),
        (lambda: F.fold(t(1, 7, 4), 3, 2), ShapeError, r"channels \* 4"),
        (lambda: F.fold(t(1, 8, 5), 3, 2), ShapeError, r"fold: wants.* 4 windows\) for images of \(3, 3\)"),
        (lambda: F.fold(t(1, 8, 5), 1, 2), ShapeError, "fold: a window of"),
        (lambda: engine.columns_input(t(1, 8, 5), shape=(1, 2, 3, 3), kernel_size=(2, 2), stride=(1, 1), padding=(0, 0), dilation=(1, 1)),
         ShapeError, r"4 windows of \(2, 2\) make an image of \(1, 2, 3, 3\)"),
        (lambda: nn.Upsample(), SettingError, "Upsample: give either"),
        (lambda: nn.PixelShuffle(0), SettingError, "upscale_factor"),
        (lambda: nn.ZeroPad2d((1, 2)), SettingError, "padding must be a whole number or 4 of them"),
        (lambda: nn.ReflectionPad1d(4)(t(1, 2, 4)), ShapeError, "'reflect' can add up to 3"),
        (lambda: nn.ZeroPad3d(1)(t(4, 5)), ShapeError, r"ZeroPad3d: wants \(channels, \*sizes\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_way_out(call: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_memory_order_is_kept_and_changes_nothing() -> None:
    x = np.random.default_rng(0).standard_normal((2, 8, 9, 7)).astype(np.float32)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for settings in ({"mode": "bilinear"}, {"mode": "bicubic", "antialias": True}, {"mode": "nearest"}):
        straight = F.interpolate(engine.Tensor(x), (5, 12), **settings)
        turned = F.interpolate(engine.Tensor(last), (5, 12), **settings)
        np.testing.assert_allclose(turned.numpy(), straight.numpy(), rtol=1e-5, atol=1e-6)
        assert straight.array.flags.c_contiguous
        assert turned.array.transpose(0, 2, 3, 1).flags.c_contiguous


def test_a_table_turned_twice_is_itself_and_turning_transposes() -> None:
    table = taps.linear_taps(5, 9)
    assert table.turned.turned is table
    matrix = np.zeros((9, 5))
    np.add.at(matrix, (np.arange(9)[:, None], table.index), table.weight)
    back = np.zeros((5, 9))
    np.add.at(back, (np.arange(5)[:, None], table.turned.index), table.turned.weight)
    np.testing.assert_array_equal(back, matrix.T)


def test_images_of_bytes_are_rounded_and_stay_bytes() -> None:
    x = engine.Tensor(np.array([[[[0, 255], [10, 20]]]], np.uint8))
    out = F.interpolate(x, scale_factor=2, mode="bicubic")
    assert out.dtype == np.uint8
    exact = F.interpolate(x.float(), scale_factor=2, mode="bicubic").numpy()
    np.testing.assert_array_equal(out.numpy(), np.clip(np.rint(exact), 0, 255).astype(np.uint8))
    np.testing.assert_array_equal(F.interpolate(x, scale_factor=2).numpy(), x.numpy().repeat(2, 2).repeat(2, 3))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_points_at_nan_and_infinity_see_zeros(mode: str) -> None:
    points = np.full((1, 1, 3, 2), 0.0, np.float32)
    points[0, 0, 0, 0], points[0, 0, 1, 1] = np.nan, np.inf
    x, grid = engine.Tensor(np.ones((1, 1, 4, 4), np.float32)), engine.Tensor(points, requires_grad=True)
    out = F.grid_sample(x, grid, mode=mode)
    np.testing.assert_allclose(out.numpy().ravel(), [0, 0, 1], atol=1e-6)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_gradients_of_sampling_are_slopes_to_the_third_order(mode: str, padding_mode: str) -> None:
    generator = np.random.default_rng(1)
    x, grid = generator.standard_normal((2, 2, 4, 5)), generator.uniform(-1.4, 1.4, (2, 3, 2, 2))
    engine.check.gradients(
        lambda x, grid: F.grid_sample(x, grid, mode=mode, padding_mode=padding_mode), x, grid, order=3, tolerance=1e-4
    )


def test_sampling_takes_what_convolutions_give_in_a_narrow_precision() -> None:
    x, grid = engine.randn(1, 2, 6, 6), engine.rand(1, 3, 3, 2)
    convolution = nn.Conv2d(2, 3, 3)
    with engine.precision("bf16"):
        assert F.grid_sample(convolution(x), grid).dtype == engine.float32


def test_the_identity_grid_gives_the_image_back() -> None:
    x = engine.randn(2, 3, 5, 6)
    theta = engine.Tensor(np.tile(np.eye(2, 3, dtype=np.float32), (2, 1, 1)))
    for align in (False, True):
        grid = F.affine_grid(theta, (2, 3, 5, 6), align_corners=align)
        np.testing.assert_allclose(F.grid_sample(x, grid, align_corners=align).numpy(), x.numpy(), atol=1e-5)


def test_folding_what_was_unfolded_counts_each_pixel_as_often_as_it_is_seen() -> None:
    x = engine.randn(2, 3, 6, 7)
    settings: dict[str, Any] = {"kernel_size": (3, 2), "padding": 1, "stride": (2, 1)}
    seen = F.fold(F.unfold(engine.ones(2, 3, 6, 7), **settings), (6, 7), **settings)
    both = F.fold(F.unfold(x, **settings), (6, 7), **settings)
    np.testing.assert_allclose(both.numpy(), (x * seen).numpy(), rtol=1e-5)
