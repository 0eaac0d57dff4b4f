"""Convolution of images, and its two gradients: each of the three is the gradient of another.

The bodies sum over the kernel's places: at each, one matrix product of a strided slice of the image. All arrays are
(batch, channels, height, width); weights are (out, in / groups, kernel height, kernel width).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..dtype import Array, accumulator
from ..errors import SettingError, ShapeError
from ..op import op
from ..tensor import Tensor
from .matrix import check_one_dtype

__all__ = [
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
]

Pair = tuple[int, int]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many places a kernel takes along an axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def check_settings(name: str, stride: Pair, padding: Pair, dilation: Pair, groups: int = 1) -> None:
    """Refuse strides, dilations and groups below 1 and padding below 0."""
    if min(stride) < 1 or min(dilation) < 1 or min(padding) < 0 or groups < 1:
        raise SettingError(
            f"{name}: stride {stride} and dilation {dilation} must be at least 1, padding {padding} at least 0, groups {groups} at least 1"
        )


def check_conv2d(
    x: Array, weight: Array, bias: Array | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> None:
    """Refuse what does not fit together, saying what would."""
    given = f"(x {tuple(x.shape)}, weight {tuple(weight.shape)})"
    check_one_dtype("conv2d", x, weight, bias)
    check_settings("conv2d", stride, padding, dilation, groups)
    if x.ndim != 4 or weight.ndim != 4:
        raise ShapeError(
            f"conv2d: wants x (batch, channels, height, width) and weight (out, in / groups, height, width) {given}; "
            "add a batch axis with x.unsqueeze(0) if one is missing"
        )
    if x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"conv2d: x has {x.shape[1]} channels but weight expects {weight.shape[1] * groups} {given}"
            + (f" with groups={groups}" if groups > 1 else "")
        )
    if weight.shape[0] % groups:
        raise ShapeError(f"conv2d: groups={groups} does not divide the {weight.shape[0]} output channels {given}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"conv2d: bias {tuple(bias.shape)} must have one number for each of the {weight.shape[0]} output channels {given}"
        )
    for axis in (0, 1):
        span = dilation[axis] * (weight.shape[2 + axis] - 1) + 1
        if x.shape[2 + axis] + 2 * padding[axis] < span:
            raise ShapeError(
                f"conv2d: the kernel spans {span} pixels but x has only {x.shape[2 + axis]} + 2 * {padding[axis]} "
                f"at axis {2 + axis} {given}; use a larger image or more padding"
            )


def _places(
    weight_shape: tuple[int, ...], out: tuple[int, int], stride: Pair, dilation: Pair
) -> Iterator[tuple[int, int, tuple[slice, slice]]]:
    """Each place (row, column) of the kernel, with the slices of the padded image that it meets."""
    for row in range(weight_shape[2]):
        for column in range(weight_shape[3]):
            top, left = row * dilation[0], column * dilation[1]
            yield (
                row,
                column,
                (
                    slice(top, top + stride[0] * (out[0] - 1) + 1, stride[0]),
                    slice(left, left + stride[1] * (out[1] - 1) + 1, stride[1]),
                ),
            )


def _pad(xp: Any, x: Array, padding: Pair) -> Array:
    return xp.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2)) if any(padding) else x


# The rules of conv2d are the two operations below it, whose rules are conv2d and one another.


def _conv2d_x(
    grad: Tensor, weight: Tensor, x_shape: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    return conv2d_input(grad, weight, shape=x_shape, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _conv2d_w(
    grad: Tensor, x: Tensor, weight_shape: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    return conv2d_weight(grad, x, shape=weight_shape, stride=stride, padding=padding, dilation=dilation, groups=groups)


def _conv2d_input_w(
    grad: Tensor, flow: Tensor, weight_shape: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Tensor:
    return conv2d_weight(
        flow, grad, shape=weight_shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


@op(
    narrows=True,
    x=_conv2d_x,
    weight=_conv2d_w,
    bias=lambda grad: grad.sum((0, 2, 3)),
)
def conv2d(
    xp: Any, x: Array, weight: Array, bias: Array | None = None, *,
    stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1), groups: int = 1,
) -> Array:  # fmt: skip
    """The cross-correlation of images with a kernel, as in every convolutional network."""
    check_conv2d(x, weight, bias, stride, padding, dilation, groups)
    batch, channels = x.shape[:2]
    outs, kernel = weight.shape[0], weight.shape[2:]
    height, width = (output_size(x.shape[2 + i], kernel[i], stride[i], padding[i], dilation[i]) for i in (0, 1))
    wide = accumulator(x.dtype)
    image = _pad(xp, x.astype(wide, copy=False), padding)
    grouped = weight.astype(wide, copy=False).reshape(groups, outs // groups, channels // groups, *kernel)
    total = xp.zeros((batch, groups, outs // groups, height * width), wide)
    for row, column, (rows, columns) in _places(weight.shape, (height, width), stride, dilation):
        seen = image[:, :, rows, columns].reshape(batch, groups, channels // groups, height * width)
        total += xp.matmul(grouped[..., row, column], seen)
    total = total.reshape(batch, outs, height, width)
    return (total if bias is None else total + bias.astype(wide)[:, None, None]).astype(x.dtype, copy=False)


@op(
    narrows=True,
    flow=lambda grad, weight, stride, padding, dilation, groups: conv2d(
        grad, weight, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    weight=_conv2d_input_w,
)
def conv2d_input(
    xp: Any, flow: Array, weight: Array, *,
    shape: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int,
) -> Array:  # fmt: skip
    """The gradient of conv2d for its image of ``shape``; also the transposed convolution of ``flow``."""
    check_one_dtype("conv2d_input", flow, weight)
    batch, channels = shape[:2]
    outs, kernel = weight.shape[0], weight.shape[2:]
    height, width = flow.shape[2:]
    wide = accumulator(flow.dtype)
    grouped = weight.astype(wide, copy=False).reshape(groups, outs // groups, channels // groups, *kernel)
    arrived = flow.astype(wide, copy=False).reshape(batch, groups, outs // groups, height * width)
    image = xp.zeros((batch, channels, shape[2] + 2 * padding[0], shape[3] + 2 * padding[1]), wide)
    for row, column, (rows, columns) in _places(weight.shape, (height, width), stride, dilation):
        part = xp.matmul(grouped[..., row, column].swapaxes(-1, -2), arrived)
        image[:, :, rows, columns] += part.reshape(batch, channels, height, width)
    return image[:, :, padding[0] : padding[0] + shape[2], padding[1] : padding[1] + shape[3]].astype(
        flow.dtype, copy=False
    )


@op(
    narrows=True,
    flow=lambda grad, x, stride, padding, dilation, groups: conv2d(
        x, grad, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
    x=lambda grad, flow, x_shape, stride, padding, dilation, groups: conv2d_input(
        flow, grad, shape=x_shape, stride=stride, padding=padding, dilation=dilation, groups=groups
    ),
)
def conv2d_weight(
    xp: Any, flow: Array, x: Array, *,
    shape: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair, groups: int,
) -> Array:  # fmt: skip
    """The gradient of conv2d for its weight of ``shape``."""
    check_one_dtype("conv2d_weight", flow, x)
    batch, channels = x.shape[:2]
    outs = shape[0]
    height, width = flow.shape[2:]
    wide = accumulator(x.dtype)
    image = _pad(xp, x.astype(wide, copy=False), padding)
    # (groups, outs of a group, batch * places): one product over all images and places.
    places = height * width
    arrived = flow.astype(wide, copy=False).reshape(batch, groups, outs // groups, places)
    arrived = arrived.transpose(1, 2, 0, 3).reshape(groups, outs // groups, batch * places)
    total = xp.empty((groups, outs // groups, channels // groups, *shape[2:]), wide)
    for row, column, (rows, columns) in _places(shape, (height, width), stride, dilation):
        seen = image[:, :, rows, columns].reshape(batch, groups, channels // groups, places)
        seen = seen.transpose(1, 0, 3, 2).reshape(groups, batch * places, channels // groups)
        total[..., row, column] = xp.matmul(arrived, seen)
    return total.reshape(shape).astype(x.dtype, copy=False)
