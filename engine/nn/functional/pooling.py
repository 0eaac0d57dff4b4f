"""Pooling of lines, images and volumes, with PyTorch's settings.

x is (batch, channels, *sizes), or one example without the batch axis. A setting is one number for every axis, or one for each;
``stride`` is the kernel's size unless given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ... import ops
from ...errors import SettingError, ShapeError
from ...ops.images.resampling import check_floating
from ...tensor import Tensor, tensor_like
from ..settings import Size, sizes

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]

LARGEST_WINDOW = 64  # up to so many elements, windows that all have one size are pooled by the faster way
Wanted = Size | Sequence[int | None] | None


def max_pool1d(
    x: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of a line, and with ``return_indices`` its place."""
    return largest(1, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    x: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of an image, and with ``return_indices`` its number in the channel, row by row."""
    return largest(2, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    x: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest element of each window of a volume, and with ``return_indices`` its number in the channel, row by row."""
    return largest(3, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def largest(
    axes: int, x: Tensor, kernel_size: Size, stride: Size | None, padding: Size, dilation: Size, ceil_mode: bool, return_indices: bool
) -> Any:  # fmt: skip
    """Max pooling over the last ``axes`` axes."""
    window = sizes("kernel_size", kernel_size, axes)
    settings = {
        "kernel_size": window,
        "stride": window if stride is None else sizes("stride", stride, axes),
        "padding": sizes("padding", padding, axes),
        "dilation": sizes("dilation", dilation, axes),
    }
    pool: Callable[..., Any] = ops.max_pool_with_indices if return_indices else ops.max_pool
    return _batched(f"max_pool{axes}d", axes, x, lambda x: pool(x, **settings, ceil_mode=ceil_mode))


def avg_pool1d(
    x: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window of a line; padding counts as zeros unless ``count_include_pad`` is False."""
    return averaged(1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    x: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of an image; ``divisor_override`` divides the sum instead of the number of elements."""
    return averaged(2, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def avg_pool3d(
    x: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window of a volume; ``divisor_override`` divides the sum instead of the number of elements."""
    return averaged(3, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def averaged(
    axes: int, x: Tensor, kernel_size: Size, stride: Size | None, padding: Size, ceil_mode: bool, count_include_pad: bool,
    divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """Average pooling over the last ``axes`` axes."""
    window = sizes("kernel_size", kernel_size, axes)
    step = window if stride is None else sizes("stride", stride, axes)
    around = sizes("padding", padding, axes)

    def pool(x: Tensor) -> Tensor:
        return ops.avg_pool(
            x, kernel_size=window, stride=step, padding=around, ceil_mode=ceil_mode, count_include_pad=count_include_pad,
            divisor_override=divisor_override,
        )  # fmt: skip

    return _batched(f"avg_pool{axes}d", axes, x, pool)


def lp_pool1d(
    x: Tensor, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """(the sum of x^p over each window of a line)^(1/p), p being ``norm_type``."""
    return powered(1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: Tensor, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """(the sum of x^p over each window of an image)^(1/p), p being ``norm_type``."""
    return powered(2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: Tensor, norm_type: float, kernel_size: Size, stride: Size | None = None, ceil_mode: bool = False
) -> Tensor:
    """(the sum of x^p over each window of a volume)^(1/p), p being ``norm_type``."""
    return powered(3, x, norm_type, kernel_size, stride, ceil_mode)


def powered(axes: int, x: Tensor, norm_type: float, kernel_size: Size, stride: Size | None, ceil_mode: bool) -> Tensor:
    """Power-average pooling over the last ``axes`` axes; a window that hangs over counts as a whole one."""
    name = f"lp_pool{axes}d"
    if isinstance(norm_type, bool) or not isinstance(norm_type, (int, float)) or not 0 < norm_type < math.inf:
        raise SettingError(f"{name}: norm_type must be a finite number above 0, not {norm_type!r:.60}")
    x = tensor_like(name, x)
    check_floating(name, x.dtype)
    mean = averaged(axes, x**norm_type, kernel_size, stride, 0, ceil_mode, True)
    out: Tensor = (mean * float(math.prod(sizes("kernel_size", kernel_size, axes)))) ** (1.0 / norm_type)
    return out


def adaptive_avg_pool1d(x: Tensor, output_size: Wanted) -> Tensor:
    """The means of ``output_size`` windows that cover the line evenly."""
    return adapted_mean(1, x, output_size)


def adaptive_avg_pool2d(x: Tensor, output_size: Wanted) -> Tensor:
    """The means of windows that cover the image evenly; None keeps a size."""
    return adapted_mean(2, x, output_size)


def adaptive_avg_pool3d(x: Tensor, output_size: Wanted) -> Tensor:
    """The means of windows that cover the volume evenly; None keeps a size."""
    return adapted_mean(3, x, output_size)


def adapted_mean(axes: int, x: Tensor, output_size: Wanted) -> Tensor:
    """Adaptive average pooling over the last ``axes`` axes."""
    name = f"adaptive_avg_pool{axes}d"
    return _batched(name, axes, x, lambda x: ops.adaptive_avg_pool(x, _kept(x, output_size, axes)))


def adaptive_max_pool1d(x: Tensor, output_size: Wanted, return_indices: bool = False) -> Any:
    """The largest elements of windows that cover the line evenly, and with ``return_indices`` their places."""
    return adapted_largest(1, x, output_size, return_indices)


def adaptive_max_pool2d(x: Tensor, output_size: Wanted, return_indices: bool = False) -> Any:
    """The largest elements of windows that cover the image evenly, and with ``return_indices`` their numbers, row by row."""
    return adapted_largest(2, x, output_size, return_indices)


def adaptive_max_pool3d(x: Tensor, output_size: Wanted, return_indices: bool = False) -> Any:
    """The largest elements of windows that cover the volume evenly, and with ``return_indices`` their numbers, row by row."""
    return adapted_largest(3, x, output_size, return_indices)


def adapted_largest(axes: int, x: Tensor, output_size: Wanted, return_indices: bool) -> Any:
    """Adaptive max pooling over the last ``axes`` axes."""
    name = f"adaptive_max_pool{axes}d"

    def pool(x: Tensor) -> Any:
        wanted = _kept(x, output_size, axes)
        if not return_indices and x.ndim == axes + 2 and min(wanted) > 0:
            window = tuple(size // parts for size, parts in zip(x.shape[2:], wanted, strict=True))
            whole = all(size % parts == 0 for size, parts in zip(x.shape[2:], wanted, strict=True))
            if whole and 0 < math.prod(window) <= LARGEST_WINDOW:
                one, none = (1,) * axes, (0,) * axes
                return ops.max_pool(x, kernel_size=window, stride=window, padding=none, dilation=one)
        return ops.adaptive_max_pool(x, wanted)

    found = _batched(name, axes, x, pool)
    return found if return_indices or not isinstance(found, tuple) else found[0]


def max_unpool1d(
    x: Tensor, indices: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, output_size: Sequence[int] | None = None
) -> Tensor:  # fmt: skip
    """Zeros with x at the places that max_pool1d gave with ``return_indices``."""
    return unpooled(1, x, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    x: Tensor, indices: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, output_size: Sequence[int] | None = None
) -> Tensor:  # fmt: skip
    """Zeros with x at the places that max_pool2d gave with ``return_indices``."""
    return unpooled(2, x, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    x: Tensor, indices: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, output_size: Sequence[int] | None = None
) -> Tensor:  # fmt: skip
    """Zeros with x at the places that max_pool3d gave with ``return_indices``."""
    return unpooled(3, x, indices, kernel_size, stride, padding, output_size)


def unpooled(
    axes: int, x: Tensor, indices: Tensor, kernel_size: Size, stride: Size | None, padding: Size, output_size: Sequence[int] | None
) -> Tensor:  # fmt: skip
    """Unpooling over the last ``axes`` axes."""
    name = f"max_unpool{axes}d"
    x, indices = tensor_like(name, x), tensor_like(name, indices)
    window = sizes("kernel_size", kernel_size, axes)
    step = window if stride is None else sizes("stride", stride, axes)
    around = sizes("padding", padding, axes)
    usual = tuple(
        (size - 1) * s - 2 * p + k for size, s, p, k in zip(x.shape[-axes:], step, around, window, strict=False)
    )
    wanted = usual if output_size is None else sizes("output_size", tuple(output_size)[-axes:], axes)
    if any(not abs(given - size) < s for given, size, s in zip(wanted, usual, step, strict=False)):
        raise ShapeError(
            f"{name}: output_size {wanted} must lie within a stride {step} of {usual}, for x {tuple(x.shape)}"
        )
    places = indices.unsqueeze(0) if indices.ndim == axes + 1 else indices
    return _batched(name, axes, x, lambda x: ops.max_unpool(x, places, wanted))


def _batched(name: str, axes: int, x: Tensor, pool: Callable[[Tensor], Any]) -> Any:
    """What ``pool`` gives for a batch, also of one example that comes without the batch axis."""
    x = tensor_like(name, x)
    if x.ndim != axes + 1:
        return pool(x)
    out = pool(x.unsqueeze(0))
    return tuple(part.squeeze(0) for part in out) if isinstance(out, tuple) else out.squeeze(0)


def _kept(x: Tensor, output_size: Wanted, axes: int) -> tuple[int, ...]:
    """The sizes that are asked for, None standing for those of x."""
    wanted: Any = (output_size,) * axes if output_size is None else output_size
    if isinstance(wanted, Sequence) and not isinstance(wanted, str) and len(wanted) == axes and x.ndim == axes + 2:
        wanted = tuple(own if size is None else size for size, own in zip(wanted, x.shape[2:], strict=True))
    return sizes("output_size", wanted, axes)
