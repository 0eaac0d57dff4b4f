"""Pooling of images: the largest or the mean of each window. Arrays are (batch, channels, height, width)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...dtype import Array, accumulator, is_floating
from ...errors import SettingError, ShapeError
from ...op import op
from ...tensor import Tensor
from .convolution import AXES, Sizes, check_settings

__all__ = [
    "avg_pool2d",
    "avg_pool2d_input",
    "max_pool2d",
    "max_pool2d_input",
    "max_pool2d_pick",
]


def pooled_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows fit along an axis; with ``ceil_mode`` a last one may hang over, if it starts inside."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-span // stride) if ceil_mode else span // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def pooled_shape(
    name: str, x: Array, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> Sizes:
    """The sizes of the result; refuses windows that do not fit."""
    axes = len(kernel_size)
    check_settings(name, stride, padding, dilation)
    if x.ndim != axes + 2:
        raise ShapeError(
            f"{name}: wants (batch, channels, {AXES[axes]}), not {tuple(x.shape)}; add a batch axis with x.unsqueeze(0) if one is missing"
        )
    if min(kernel_size) < 1 or any(
        2 * p > d * (k - 1) + 1 for p, d, k in zip(padding, dilation, kernel_size, strict=True)
    ):
        raise SettingError(
            f"{name}: kernel_size {kernel_size} must be at least 1, and padding {padding} at most half of what it spans"
        )
    sizes = tuple(
        pooled_size(size, k, s, p, d, ceil_mode)
        for size, k, s, p, d in zip(x.shape[2:], kernel_size, stride, padding, dilation, strict=True)
    )
    if min(sizes) < 1:
        raise ShapeError(
            f"{name}: a window of {kernel_size} does not fit into an image of {tuple(x.shape[2:])} with padding {padding}; use a larger image"
        )
    return sizes


def _windows(
    kernel_size: Sizes, out: tuple[int, ...], stride: Sizes, dilation: Sizes
) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """The number of each place of the window, with the slices of the padded image that it meets."""
    for place in range(kernel_size[0] * kernel_size[1]):
        top, left = (place // kernel_size[1]) * dilation[0], (place % kernel_size[1]) * dilation[1]
        yield (
            place,
            (
                slice(top, top + stride[0] * (out[0] - 1) + 1, stride[0]),
                slice(left, left + stride[1] * (out[1] - 1) + 1, stride[1]),
            ),
        )


def _reach(
    shape: tuple[int, ...], kernel_size: Sizes, out: tuple[int, ...], stride: Sizes, padding: Sizes, dilation: Sizes
) -> Sizes:
    """Height and width of the padded image, with room for windows that hang over."""
    sizes = [
        max(shape[2 + i] + 2 * padding[i], (out[i] - 1) * stride[i] + dilation[i] * (kernel_size[i] - 1) + 1)
        for i in (0, 1)
    ]
    return tuple(sizes)


def _framed(xp: Any, x: Array, reach: Sizes, padding: Sizes, value: Any) -> Array:
    frame = xp.full((*x.shape[:2], *reach), value, x.dtype)
    frame[:, :, padding[0] : padding[0] + x.shape[2], padding[1] : padding[1] + x.shape[3]] = x
    return frame


def _cut(frame: Array, shape: tuple[int, ...], padding: Sizes) -> Array:
    return frame[:, :, padding[0] : padding[0] + shape[2], padding[1] : padding[1] + shape[3]]


def _max_pool2d_x(
    grad: Tensor,
    x_shape: tuple[int, ...],
    offset: Tensor,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
) -> Tensor:
    return max_pool2d_input(
        grad, offset, shape=x_shape, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation
    )


def _max_pool2d_input_flow(
    grad: Tensor, offset: Tensor, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Tensor:
    return max_pool2d_pick(grad, offset, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation)


@op(
    residuals=("offset",),
    x=_max_pool2d_x,
)
def max_pool2d(
    xp: Any, x: Array, *, kernel_size: Sizes, stride: Sizes, padding: Sizes = (0, 0), dilation: Sizes = (1, 1),
    ceil_mode: bool = False, keep: bool = True,
) -> tuple[Array, Array | None]:  # fmt: skip
    """The largest element of each window, the first of equal ones; NaN if one is NaN.

    Keeps the number of its place in the window (row by row) for the gradient.
    """
    out = pooled_shape("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)
    lowest = -xp.inf if is_floating(x.dtype) else xp.iinfo(x.dtype).min
    frame = _framed(xp, x, _reach(x.shape, kernel_size, out, stride, padding, dilation), padding, lowest)
    best = offset = None
    for place, (rows, columns) in _windows(kernel_size, out, stride, dilation):
        seen = frame[:, :, rows, columns]
        if best is None:
            best, offset = seen.copy(), xp.zeros(seen.shape, "int32")
            continue
        better = (seen > best) | ((seen != seen) & (best == best))
        best = xp.where(better, seen, best)
        offset = xp.where(better, xp.int32(place), offset)
    return best, offset


@op(flow=_max_pool2d_input_flow)
def max_pool2d_input(
    xp: Any, flow: Array, offset: Array, *,
    shape: tuple[int, ...], kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
) -> Array:  # fmt: skip
    """What flows back through max_pool2d, added at the places that were largest."""
    frame = xp.zeros((*shape[:2], *_reach(shape, kernel_size, flow.shape[2:], stride, padding, dilation)), flow.dtype)
    for place, (rows, columns) in _windows(kernel_size, flow.shape[2:], stride, dilation):
        frame[:, :, rows, columns] += flow * (offset == place)
    return _cut(frame, shape, padding)


@op(x=_max_pool2d_x)
def max_pool2d_pick(
    xp: Any, x: Array, offset: Array, *, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Array:
    """The element of each window at the place that ``offset`` names."""
    out = offset.shape[2:]
    frame = _framed(xp, x, _reach(x.shape, kernel_size, out, stride, padding, dilation), padding, 0)
    total = xp.zeros(offset.shape, x.dtype)
    for place, (rows, columns) in _windows(kernel_size, out, stride, dilation):
        total += frame[:, :, rows, columns] * (offset == place)
    return total


def window_counts(
    shape: Sizes, out: Sizes, kernel_size: Sizes, stride: Sizes, padding: Sizes, count_include_pad: bool
) -> Any:
    """How many elements each window's mean is taken over, by the sizes of the result."""
    counts: Any = np.ones(())
    for size, count, kernel, step, before in zip(shape[2:], out, kernel_size, stride, padding, strict=True):
        start = np.arange(count) * step - before
        stop = np.minimum(start + kernel, size + before)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, size)
        counts = counts[..., None] * (stop - start)
    return counts


def _avg_pool2d_x(
    grad: Tensor, x_shape: tuple[int, ...], kernel_size: Sizes, stride: Sizes, padding: Sizes, count_include_pad: bool
) -> Tensor:
    return avg_pool2d_input(
        grad,
        shape=x_shape,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        count_include_pad=count_include_pad,
    )


@op(x=_avg_pool2d_x)
def avg_pool2d(
    xp: Any, x: Array, *, kernel_size: Sizes, stride: Sizes, padding: Sizes = (0, 0),
    ceil_mode: bool = False, count_include_pad: bool = True,
) -> Array:  # fmt: skip
    """The mean of each window; padding counts as zeros unless ``count_include_pad`` is False."""
    out = pooled_shape("avg_pool2d", x, kernel_size, stride, padding, (1, 1), ceil_mode)
    wide = accumulator(x.dtype)
    frame = _framed(
        xp, x.astype(wide, copy=False), _reach(x.shape, kernel_size, out, stride, padding, (1, 1)), padding, 0
    )
    total = xp.zeros((*x.shape[:2], *out), wide)
    for _, (rows, columns) in _windows(kernel_size, out, stride, (1, 1)):
        total += frame[:, :, rows, columns]
    counts = window_counts(x.shape, out, kernel_size, stride, padding, count_include_pad)
    return (total / xp.asarray(counts.astype(wide))).astype(x.dtype, copy=False)


def _avg_pool2d_input_flow(
    grad: Tensor,
    flow_shape: tuple[int, ...],
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    count_include_pad: bool,
) -> Tensor:
    sizes = [pooled_size(grad.shape[2 + i], kernel_size[i], stride[i], padding[i], 1, False) for i in (0, 1)]
    ceil_mode = tuple(sizes) != tuple(flow_shape[2:])
    return avg_pool2d(
        grad,
        kernel_size=kernel_size,
        stride=stride,
        padding=padding,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )


@op(flow=_avg_pool2d_input_flow)
def avg_pool2d_input(
    xp: Any, flow: Array, *,
    shape: tuple[int, ...], kernel_size: Sizes, stride: Sizes, padding: Sizes, count_include_pad: bool,
) -> Array:  # fmt: skip
    """What flows back through avg_pool2d, shared equally over each window."""
    out = flow.shape[2:]
    wide = accumulator(flow.dtype)
    counts = window_counts(shape, out, kernel_size, stride, padding, count_include_pad)
    share = flow.astype(wide, copy=False) / xp.asarray(counts.astype(wide))
    frame = xp.zeros((*shape[:2], *_reach(shape, kernel_size, out, stride, padding, (1, 1))), wide)
    for _, (rows, columns) in _windows(kernel_size, out, stride, (1, 1)):
        frame[:, :, rows, columns] += share
    return _cut(frame, shape, padding).astype(flow.dtype, copy=False)
