"""Images made larger and smaller, windows as columns, with PyTorch's settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ... import ops
from ...dtype import is_floating, uint8
from ...errors import ArgumentError, DtypeError, SettingError, ShapeError
from ...ops import affine_grid, channel_shuffle, grid_sample, pixel_shuffle, pixel_unshuffle, resampling
from ...ops.images.unfolding import windows_of
from ...tensor import Tensor, tensor_like
from ..settings import Size, sizes

__all__ = [
    "affine_grid",
    "channel_shuffle",
    "fold",
    "grid_sample",
    "interpolate",
    "pixel_shuffle",
    "pixel_unshuffle",
    "unfold",
]

AXES = {
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2, 3), "linear": (1,), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,),
}  # fmt: skip
Factor = float | Sequence[float]


def interpolate(
    x: Tensor, size: Size | None = None, scale_factor: Factor | None = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    """x (batch, channels, *sizes) resampled to ``size``, or to floor(size * scale_factor).

    ``mode`` is "nearest", "nearest-exact", "area" (means), "linear", "bilinear", "trilinear" (by the number of axes) or "bicubic".
    ``align_corners`` keeps the outermost elements where they are; ``antialias`` averages when shrinking. Of ``scale_factor`` the places
    are computed with it, or from the sizes with ``recompute_scale_factor``. uint8 images are rounded.
    """
    x = tensor_like("interpolate", x)
    axes = x.ndim - 2
    scales: tuple[float | None, ...]
    _check_mode(x, mode, align_corners, antialias)
    if (size is None) == (scale_factor is None):
        raise ArgumentError("interpolate: give either size or scale_factor")
    if size is not None:
        if recompute_scale_factor:
            raise ArgumentError("interpolate: recompute_scale_factor needs a scale_factor, not a size")
        wanted, scales = sizes("size", size, axes), (None,) * axes
    else:
        factors = _factors(scale_factor, axes)
        wanted = tuple(math.floor(float(own) * factor) for own, factor in zip(x.shape[2:], factors, strict=True))
        scales = (None,) * axes if recompute_scale_factor else factors
    if min(wanted) < 1 or 0 in x.shape[1:]:
        raise ShapeError(f"interpolate: sizes must be at least 1, but {tuple(x.shape)} would become {wanted}")
    if mode == "area":
        return ops.adaptive_avg_pool(x, wanted)
    make = _maker(mode, bool(align_corners), antialias)
    tables = tuple(
        None if own == size and (antialias or scale in (None, 1.0)) else make(own, size, scale)
        for own, size, scale in zip(x.shape[2:], wanted, scales, strict=True)
    )
    if is_floating(x.dtype) or mode.startswith("nearest"):
        return ops.resample(x, tables=tables)
    if x.dtype != uint8:
        raise DtypeError(f"interpolate: mode {mode!r} wants floating-point or uint8 images, not {x.dtype}")
    return ops.clip(ops.round(ops.resample(x.float(), tables=tables)), low=0.0, high=255.0).to(dtype=uint8)


def _check_mode(x: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in AXES:
        raise SettingError(f"interpolate: mode {mode!r:.40} is not known; give one of {', '.join(AXES)}")
    if x.ndim - 2 not in AXES[mode]:
        counts = ", ".join(str(2 + axes) for axes in AXES[mode])
        raise ShapeError(
            f"interpolate: mode {mode!r} is for {counts} axes (batch, channels, *sizes), not for {tuple(x.shape)}"
        )
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise SettingError(f"interpolate: align_corners is for linear and cubic modes, not for {mode!r}; leave it out")
    if antialias and mode not in ("bilinear", "bicubic"):
        raise SettingError(f"interpolate: antialias is for 'bilinear' and 'bicubic', not for {mode!r}")


def _factors(given: Any, axes: int) -> tuple[float, ...]:
    factors = tuple(given) if isinstance(given, (tuple, list)) else (given,) * axes
    if len(factors) != axes or any(
        isinstance(f, bool) or not isinstance(f, (int, float, np.number)) or not 0 < f < math.inf for f in factors
    ):
        raise SettingError(
            f"interpolate: scale_factor must be a finite number above 0, or one for each of {axes} axes, not {given!r:.60}"
        )
    return tuple(float(f) for f in factors)


def _maker(mode: str, align: bool, antialias: bool) -> Callable[..., resampling.Taps]:
    if mode.startswith("nearest"):
        return partial(resampling.nearest_taps, exact=mode == "nearest-exact")
    if antialias:
        return partial(resampling.smooth_taps, align=align, cubic=mode == "bicubic")
    return partial(resampling.cubic_taps if mode == "bicubic" else resampling.linear_taps, align=align)


def unfold(x: Tensor, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1) -> Tensor:
    """The windows of images as columns: x (batch, channels, height, width) to (batch, channels * kernel, windows)."""
    x = tensor_like("unfold", x)
    alone = x.ndim == 3
    x = x.unsqueeze(0) if alone else x
    settings = _windows(kernel_size, dilation, padding, stride)
    windows_of("unfold", x.shape, **settings)
    out = ops.columns(x, **settings)
    return out.squeeze(0) if alone else out


def fold(
    x: Tensor, output_size: Size, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Tensor:
    """Columns added up to images of ``output_size``: x (batch, channels * kernel, windows) to (batch, channels, *output_size)."""
    x = tensor_like("fold", x)
    alone = x.ndim == 2
    x = x.unsqueeze(0) if alone else x
    settings = _windows(kernel_size, dilation, padding, stride)
    size, elements = sizes("output_size", output_size, 2), math.prod(settings["kernel_size"])
    counts = windows_of("fold", (1, 1, *size), **settings)
    if x.ndim != 3 or x.shape[1] % elements or x.shape[2] != math.prod(counts):
        raise ShapeError(
            f"fold: wants (batch, channels * {elements} elements of a window, {math.prod(counts)} windows) for images of {size}, "
            f"not {tuple(x.shape)}"
        )
    out = ops.columns_input(x, shape=(x.shape[0], x.shape[1] // elements, *size), **settings)
    return out.squeeze(0) if alone else out


def _windows(kernel_size: Size, dilation: Size, padding: Size, stride: Size) -> dict[str, tuple[int, ...]]:
    return {
        "kernel_size": sizes("kernel_size", kernel_size, 2),
        "stride": sizes("stride", stride, 2),
        "padding": sizes("padding", padding, 2),
        "dilation": sizes("dilation", dilation, 2),
    }
