"""The windows of an image as columns of a matrix, and columns added up to an image again: each is the gradient of the other."""

from __future__ import annotations

import math
from typing import Any

from ...dtype import Array, accumulator
from ...errors import ShapeError
from ...op import op
from ...tensor import Tensor
from .convolution import AXES, Sizes, check_settings, output_size, places, surrounded, within

__all__ = [
    "columns",
    "columns_input",
]


def _columns_x(
    grad: Tensor, x_shape: Sizes, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Tensor:
    return columns_input(
        grad, shape=x_shape, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation
    )


@op(x=_columns_x)
def columns(
    xp: Any, x: Array, *, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Array:  # fmt: skip
    """The elements of every window: x (batch, channels, *sizes) to (batch, channels * elements of a window, windows)."""
    out = windows_of("columns", x.shape, kernel_size, stride, padding, dilation)
    image = surrounded(xp, x, padding)
    result = xp.empty((*x.shape[:2], math.prod(kernel_size), *out), x.dtype)
    for number, (_, met) in enumerate(places(kernel_size, out, stride, dilation)):
        result[:, :, number] = image[met]
    return result.reshape(x.shape[0], x.shape[1] * math.prod(kernel_size), math.prod(out))


@op(
    flow=lambda grad, kernel_size, stride, padding, dilation: columns(
        grad, kernel_size=kernel_size, stride=stride, padding=padding, dilation=dilation
    )
)
def columns_input(
    xp: Any, flow: Array, *, shape: Sizes, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Array:
    """The gradient of columns for its image of ``shape``: each window's elements added where they came from."""
    out = windows_of("columns_input", shape, kernel_size, stride, padding, dilation)
    wanted = (shape[0], shape[1] * math.prod(kernel_size), math.prod(out))
    if flow.shape != wanted:
        raise ShapeError(
            f"columns_input: {math.prod(out)} windows of {kernel_size} make an image of {tuple(shape)}, from {wanted}, not {tuple(flow.shape)}"
        )
    wide = accumulator(flow.dtype)
    arrived = flow.reshape(*shape[:2], math.prod(kernel_size), *out)
    image = xp.zeros((*shape[:2], *(size + 2 * p for size, p in zip(shape[2:], padding, strict=True))), wide)
    for number, (_, met) in enumerate(places(kernel_size, out, stride, dilation)):
        image[met] += arrived[:, :, number]
    return image[within(shape, padding)].astype(flow.dtype, copy=False)


def windows_of(
    name: str, shape: Sizes, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Sizes:  # fmt: skip
    """How many windows there are along each axis; refuses what does not fit."""
    axes = len(kernel_size)
    check_settings(name, stride, padding, dilation)
    if len(shape) != axes + 2 or min(kernel_size) < 1:
        raise ShapeError(
            f"{name}: wants (batch, channels, {AXES[axes]}) and a kernel_size of at least 1, not {tuple(shape)} and {kernel_size}"
        )
    out = tuple(map(output_size, shape[2:], kernel_size, stride, padding, dilation))
    if min(out) < 1:
        raise ShapeError(
            f"{name}: a window of {kernel_size} with dilation {dilation} does not fit into {tuple(shape[2:])} with padding {padding}; "
            "use a larger image or more padding"
        )
    return out
