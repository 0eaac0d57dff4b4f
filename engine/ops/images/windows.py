"""Pooling over one, two or three axes. Windows are separable: a volume's are pooled slice by slice as images, then along the depth.

Arrays are (batch, channels, *sizes); a setting has a number for each axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...device import namespace
from ...dtype import Array, accumulator
from ...errors import SettingError, ShapeError
from ...op import op
from ...tensor import Tensor, tensor_like, tensor_of
from ..indexing.places import check_places, pick_places, picked, put_places
from ..shapes.shape import permute, reshape, squeeze, unsqueeze
from .convolution import AXES, Sizes
from .pooling import avg_pool2d, max_pool2d, pooled_shape, window_counts
from .resampling import check_floating, cover, mean_taps, resample

__all__ = [
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "avg_pool",
    "largest_places",
    "max_pool",
    "max_pool_with_indices",
    "max_unpool",
]

Part = Callable[[Sizes, int], Sizes]
Windows = tuple[Any, ...]
"""For each axis a table (windows, elements) of places; a place may come again where a window is smaller than others."""


def max_pool(
    x: Tensor, *, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool = False
) -> Tensor:
    """The largest element of each window."""
    name = f"max_pool{len(kernel_size)}d"
    x = tensor_like(name, x)
    if len(kernel_size) == 2:
        return max_pool2d(
            x, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
        )
    pooled_shape(name, x.array, kernel_size, stride, padding, dilation, ceil_mode)

    def run(image: Tensor, of: Part) -> Tensor:
        return max_pool2d(
            image, kernel_size=of(kernel_size, 1), stride=of(stride, 1), padding=of(padding, 0), dilation=of(dilation, 1),
            ceil_mode=ceil_mode,
        )  # fmt: skip

    return _as_images(x, run)


def avg_pool(
    x: Tensor, *, kernel_size: Sizes, stride: Sizes, padding: Sizes, ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window; padding counts as zeros unless ``count_include_pad`` is False; ``divisor_override`` divides the sum."""
    axes = len(kernel_size)
    name = f"avg_pool{axes}d"
    x = tensor_like(name, x)
    check_floating(name, x.dtype)
    out = pooled_shape(name, x.array, kernel_size, stride, padding, (1,) * axes, ceil_mode)
    if divisor_override is not None and (
        isinstance(divisor_override, bool) or not isinstance(divisor_override, int) or divisor_override < 1
    ):
        raise SettingError(
            f"{name}: divisor_override must be a whole number of at least 1, not {divisor_override!r:.60}"
        )
    counted = count_include_pad or divisor_override is not None

    def run(image: Tensor, of: Part) -> Tensor:
        return avg_pool2d(
            image, kernel_size=of(kernel_size, 1), stride=of(stride, 1), padding=of(padding, 0), ceil_mode=ceil_mode,
            count_include_pad=counted,
        )  # fmt: skip

    narrow = x.dtype
    wide = accumulator(narrow) if axes == 3 or divisor_override is not None else narrow
    pooled = _as_images(x.to(dtype=wide), run)
    if divisor_override is not None:
        counts = window_counts(x.shape, out, kernel_size, stride, padding, True)
        pooled = pooled * tensor_of(namespace(x.array).asarray((counts / divisor_override).astype(wide)))
    return pooled.to(dtype=narrow)


def _as_images(x: Tensor, run: Callable[[Tensor, Part], Tensor]) -> Tensor:
    """Pool lines as images of height 1, and volumes as the images in them and then along their depth.

    ``run(image, of)`` pools an image; ``of(setting, none)`` is the image's part of a setting, with ``none`` where it is not to pool.
    """
    axes = x.ndim - 2
    if axes == 2:
        return run(x, lambda setting, _: setting)
    if axes == 1:
        return squeeze(run(unsqueeze(x, 2), lambda setting, none: (none, *setting)), 2)
    batch, channels, depth = x.shape[:3]
    images = reshape(permute(x, (0, 2, 1, 3, 4)), (batch * depth, channels, *x.shape[3:]))
    flat = run(images, lambda setting, _: setting[1:])
    sizes = flat.shape[2:]
    deep = permute(reshape(flat, (batch, depth, channels, math.prod(sizes))), (0, 2, 1, 3))
    out = run(deep, lambda setting, none: (setting[0], none))
    return reshape(out, (*out.shape[:3], *sizes))


@op()
def largest_places(xp: Any, x: Array, *, windows: Windows) -> Array:
    """The number of the largest element of each window, in its channel row by row; the first of equals, NaN before all."""
    lead = x.ndim - len(windows)
    best = x.astype(accumulator(x.dtype), copy=False)
    numbers: Any = xp.zeros((1,) * x.ndim, "int64")
    # From the last axis to the first, so that of equals the first in row order is found.
    for axis in range(x.ndim - 1, lead - 1, -1):
        steps = math.prod(x.shape[axis + 1 :])
        across = (-1, *(1 for _ in range(x.ndim - axis - 1)))
        largest: Any = None
        chosen: Any = None
        for places in windows[axis - lead].T:
            seen = picked(xp, best, xp.asarray(places), axis)
            number = xp.asarray((places * steps).reshape(across))
            number = number + (numbers if axis == x.ndim - 1 else picked(xp, numbers, xp.asarray(places), axis))
            if largest is None:
                largest, chosen = seen, xp.broadcast_to(number, seen.shape)
                continue
            better = (seen > largest) | ((seen != seen) & (largest == largest))
            largest, chosen = xp.where(better, seen, largest), xp.where(better, number, chosen)
        best, numbers = largest, chosen
    return xp.ascontiguousarray(numbers)


def max_pool_with_indices(
    x: Tensor, *, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool = False
) -> tuple[Tensor, Tensor]:
    """The largest element of each window, and its number in its channel, counted row by row."""
    name = f"max_pool{len(kernel_size)}d"
    x = tensor_like(name, x)
    out = pooled_shape(name, x.array, kernel_size, stride, padding, dilation, ceil_mode)
    windows = []
    for size, count, kernel, step, before, spread in zip(
        x.shape[2:], out, kernel_size, stride, padding, dilation, strict=True
    ):
        start = (np.arange(count) * step - before)[:, None]
        places = start + np.arange(kernel) * spread
        # Places in the padding stand for the window's nearest one inside, which changes no maximum.
        low = np.where(start < 0, start + -(start // spread) * spread, start)
        high = start + (size - 1 - start) // spread * spread
        windows.append(np.clip(np.clip(places, low, high), 0, size - 1))
    return _picked(x, tuple(windows))


def adaptive_max_pool(x: Tensor, output_size: Sizes) -> tuple[Tensor, Tensor]:
    """The largest element of windows that cover each axis evenly, and its number in its channel, counted row by row."""
    x = check_adaptive(f"adaptive_max_pool{len(output_size)}d", x, output_size)
    windows = []
    for size, parts in zip(x.shape[2:], output_size, strict=True):
        start, stop = cover(size, parts)
        windows.append(np.minimum(start[:, None] + np.arange((stop - start).max()), stop[:, None] - 1))
    return _picked(x, tuple(windows))


def _picked(x: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
    numbers = largest_places(x, windows=windows)
    sizes = numbers.shape[2:]
    flat = reshape(numbers, (*x.shape[:2], math.prod(sizes)))
    values = pick_places(reshape(x, (*x.shape[:2], math.prod(x.shape[2:]))), flat)
    return reshape(values, numbers.shape), numbers


def adaptive_avg_pool(x: Tensor, output_size: Sizes) -> Tensor:
    """The mean of windows that cover each axis evenly: of ``parts`` windows, number i spans floor(i size / parts) to ceil((i + 1) size / parts)."""
    name = f"adaptive_avg_pool{len(output_size)}d"
    x = check_adaptive(name, x, output_size)
    check_floating(name, x.dtype)
    sizes = x.shape[2:]
    if set(output_size) == {1}:
        return x.mean(tuple(range(2, x.ndim)), True)
    if sizes == output_size:
        return x
    if all(size % parts == 0 for size, parts in zip(sizes, output_size, strict=True)):
        window = tuple(size // parts for size, parts in zip(sizes, output_size, strict=True))
        return avg_pool(x, kernel_size=window, stride=window, padding=(0,) * len(window))
    tables = tuple(
        None if size == parts else mean_taps(size, parts) for size, parts in zip(sizes, output_size, strict=True)
    )
    return resample(x, tables=tables)


def check_adaptive(name: str, x: Tensor, output_size: Any) -> Tensor:
    """Refuse what has not these axes, and sizes below 1."""
    x = tensor_like(name, x)
    axes = len(output_size)
    if x.ndim != axes + 2 or min(output_size) < 1 or 0 in x.shape[2:]:
        raise ShapeError(
            f"{name}: wants (batch, channels, {AXES[axes]}) that hold something and sizes of at least 1, not {tuple(x.shape)} and {output_size}"
        )
    return x


def max_unpool(x: Tensor, indices: Tensor, sizes: Sizes) -> Tensor:
    """Zeros of ``sizes`` with x at the places that max_pool_with_indices numbered."""
    name = f"max_unpool{len(sizes)}d"
    x, indices = tensor_like(name, x), tensor_like(name, indices)
    if x.shape != indices.shape or x.ndim != len(sizes) + 2:
        raise ShapeError(
            f"{name}: x {tuple(x.shape)} and indices {tuple(indices.shape)} must have one shape, (batch, channels, {AXES[len(sizes)]})"
        )
    flat = (*x.shape[:2], math.prod(x.shape[2:]))
    x, indices = reshape(x, flat), reshape(indices, flat)
    check_places(name, x.array, indices.array, math.prod(sizes))
    out = put_places(x, indices, size=math.prod(sizes))
    return reshape(out, (*flat[:2], *sizes))
