"""Convolution over one, two or three spatial axes, and its two gradients: each of the three is the gradient of another.

The bodies sum over the kernel's places: at each, one matrix product of a strided slice of the image. Arrays are (batch,
channels, *sizes); weights are (out, in / groups, *kernel). A line is an image of height 1, and a transposed convolution is the
gradient for the image, run forward.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...device import gpu_kernels, product
from ...dtype import Array, accumulator
from ...errors import SettingError, ShapeError
from ...modes import is_narrowing
from ...narrowing import given_arrays
from ...node import Node
from ...op import op
from ...tensor import Tensor, tensor_like
from ..algebra.matrix import check_one_dtype
from ..indexing.index import getitem
from ..reductions.reduction import sum as total
from ..shapes.shape import squeeze, unsqueeze

__all__ = [
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "conv3d",
    "conv3d_input",
    "conv3d_weight",
    "convolve",
    "convolve_transposed",
]

Pair = tuple[int, int]
Sizes = tuple[int, ...]
AXES = {1: "length", 2: "height, width", 3: "depth, height, width"}


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many places a kernel takes along an axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def check_settings(name: str, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int = 1) -> None:
    """Refuse strides, dilations and groups below 1 and padding below 0."""
    if min(stride) < 1 or min(dilation) < 1 or min(padding) < 0 or groups < 1:
        raise SettingError(
            f"{name}: stride {stride} and dilation {dilation} must be at least 1, padding {padding} at least 0, groups {groups} at least 1"
        )


def check_convolution(
    name: str, x: Array, weight: Array, bias: Array | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> None:
    """Refuse what does not fit together, saying what would."""
    axes = len(stride)
    given = f"(x {tuple(x.shape)}, weight {tuple(weight.shape)})"
    check_settings(name, stride, padding, dilation, groups)
    if x.ndim != axes + 2 or weight.ndim != axes + 2:
        raise ShapeError(
            f"{name}: wants x (batch, channels, {AXES[axes]}) and weight (out, in / groups, {AXES[axes]}) {given}; "
            "add a batch axis with x.unsqueeze(0) if one is missing"
        )
    if x.shape[1] != weight.shape[1] * groups:
        raise ShapeError(
            f"{name}: x has {x.shape[1]} channels but weight expects {weight.shape[1] * groups} {given}"
            + (f" with groups={groups}" if groups > 1 else "")
        )
    if weight.shape[0] % groups:
        raise ShapeError(f"{name}: groups={groups} does not divide the {weight.shape[0]} output channels {given}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"{name}: bias {tuple(bias.shape)} must have one number for each of the {weight.shape[0]} output channels {given}"
        )
    for axis in range(axes):
        span = dilation[axis] * (weight.shape[2 + axis] - 1) + 1
        if x.shape[2 + axis] + 2 * padding[axis] < span or weight.shape[2 + axis] < 1:
            raise ShapeError(
                f"{name}: the kernel spans {span} pixels but x has only {x.shape[2 + axis]} + 2 * {padding[axis]} "
                f"at axis {2 + axis} {given}; use a larger image or more padding"
            )


def places(kernel: Sizes, out: Sizes, stride: Sizes, dilation: Sizes) -> Iterator[tuple[Sizes, tuple[Any, ...]]]:
    """Each place of the kernel, row by row, with the index of the elements of the padded image that it meets."""
    for place in itertools.product(*map(range, kernel)):
        first = (at * step for at, step in zip(place, dilation, strict=True))
        yield (
            place,
            (..., *(slice(a, a + s * (count - 1) + 1, s) for a, s, count in zip(first, stride, out, strict=True))),
        )


def surrounded(xp: Any, x: Array, padding: Sizes) -> Array:
    """The image with zeros around it."""
    return xp.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding))) if any(padding) else x


def within(shape: Sizes, padding: Sizes) -> tuple[Any, ...]:
    """The index of the image of ``shape`` inside its padding."""
    return (..., *(slice(p, p + size) for p, size in zip(padding, shape[2:], strict=True)))


def _forward(
    xp: Any, name: str, x: Array, weight: Array, bias: Array | None, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Array:  # fmt: skip
    check_one_dtype(name, x, weight, bias)
    check_convolution(name, x, weight, bias, stride, padding, dilation, groups)
    batch, channels = x.shape[:2]
    outs, kernel = weight.shape[0], weight.shape[2:]
    out = tuple(map(output_size, x.shape[2:], kernel, stride, padding, dilation))
    wide = accumulator(x.dtype)
    image = surrounded(xp, x.astype(wide, copy=False), padding)
    grouped = weight.astype(wide, copy=False).reshape(groups, outs // groups, channels // groups, *kernel)
    total = xp.zeros((batch, groups, outs // groups, math.prod(out)), wide)
    for place, met in places(kernel, out, stride, dilation):
        seen = image[met].reshape(batch, groups, channels // groups, math.prod(out))
        total += product(xp, grouped[(..., *place)], seen)
    total = total.reshape(batch, outs, *out)
    if bias is not None:
        total += bias.astype(wide).reshape(-1, *(1 for _ in out))
    return total.astype(x.dtype, copy=False)


def _to_input(
    xp: Any, name: str, flow: Array, weight: Array, shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Array:  # fmt: skip
    check_one_dtype(name, flow, weight)
    batch, channels = shape[:2]
    outs, kernel, out = weight.shape[0], weight.shape[2:], flow.shape[2:]
    wide = accumulator(flow.dtype)
    grouped = weight.astype(wide, copy=False).reshape(groups, outs // groups, channels // groups, *kernel)
    arrived = flow.astype(wide, copy=False).reshape(batch, groups, outs // groups, math.prod(out))
    image = xp.zeros((batch, channels, *(size + 2 * p for size, p in zip(shape[2:], padding, strict=True))), wide)
    for place, met in places(kernel, out, stride, dilation):
        part = product(xp, grouped[(..., *place)].swapaxes(-1, -2), arrived)
        image[met] += part.reshape(batch, channels, *out)
    return image[within(shape, padding)].astype(flow.dtype, copy=False)


def _to_weight(
    xp: Any, name: str, flow: Array, x: Array, shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Array:  # fmt: skip
    check_one_dtype(name, flow, x)
    batch, channels = x.shape[:2]
    outs, out = shape[0], flow.shape[2:]
    wide = accumulator(x.dtype)
    image = surrounded(xp, x.astype(wide, copy=False), padding)
    # (groups, outs of a group, batch * places): one product over all images and places.
    count = math.prod(out)
    arrived = flow.astype(wide, copy=False).reshape(batch, groups, outs // groups, count)
    arrived = arrived.transpose(1, 2, 0, 3).reshape(groups, outs // groups, batch * count)
    total = xp.empty((groups, outs // groups, channels // groups, *shape[2:]), wide)
    for place, met in places(shape[2:], out, stride, dilation):
        seen = image[met].reshape(batch, groups, channels // groups, count)
        seen = seen.transpose(1, 0, 3, 2).reshape(groups, batch * count, channels // groups)
        total[(..., *place)] = product(xp, arrived, seen)
    return total.reshape(shape).astype(x.dtype, copy=False)


# The rules: the three operations of one number of axes are one another's gradients.


def _forwards(x: Tensor, weight: Tensor, wanted: Sizes, stride: Sizes, **settings: Any) -> Tensor:
    """The convolution; of a result larger than ``wanted`` (output_padding of a stride or more) what was computed from."""
    run: Any = conv3d if len(stride) == 3 else conv2d
    out: Tensor = run(x, weight, stride=stride, **settings)
    return out if out.shape == wanted else getitem(out, tuple(map(slice, wanted)))


def _to_x(
    grad: Tensor, weight: Tensor, x_shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Tensor:
    operation: Any = conv3d_input if len(stride) == 3 else conv2d_input
    settings = {"shape": x_shape, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return operation.run((grad, weight), settings)  # type: ignore[no-any-return]


def _to_w(
    grad: Tensor, x: Tensor, weight_shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Tensor:
    operation: Any = conv3d_weight if len(stride) == 3 else conv2d_weight
    settings = {"shape": weight_shape, "stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return operation.run((grad, x), settings)  # type: ignore[no-any-return]


def _input_flow(
    grad: Tensor, weight: Tensor, flow_shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Tensor:
    return _forwards(grad, weight, flow_shape, stride, padding=padding, dilation=dilation, groups=groups)


def _input_weight(
    grad: Tensor, flow: Tensor, weight_shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Tensor:
    return _to_w(flow, grad, weight_shape, stride, padding, dilation, groups)


def _weight_flow(
    grad: Tensor, x: Tensor, flow_shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Tensor:
    return _forwards(x, grad, flow_shape, stride, padding=padding, dilation=dilation, groups=groups)


def _weight_x(
    grad: Tensor, flow: Tensor, x_shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Tensor:
    return _to_x(flow, grad, x_shape, stride, padding, dilation, groups)


@op(narrows=True, widens=False, x=_to_x, weight=_to_w, bias=lambda grad: grad.sum((0, 2, 3)))
def conv2d(
    xp: Any, x: Array, weight: Array, bias: Array | None = None, *,
    stride: Pair = (1, 1), padding: Pair = (0, 0), dilation: Pair = (1, 1), groups: int = 1,
) -> Array:  # fmt: skip
    """The cross-correlation of images with a kernel, as in every convolutional network."""
    return _forward(xp, "conv2d", x, weight, bias, stride, padding, dilation, groups)


@op(narrows=True, widens=False, flow=_input_flow, weight=_input_weight)
def conv2d_input(
    xp: Any, flow: Array, weight: Array, *,
    shape: Sizes, stride: Pair, padding: Pair, dilation: Pair, groups: int,
) -> Array:  # fmt: skip
    """The gradient of conv2d for its image of ``shape``; also the transposed convolution of ``flow``."""
    return _to_input(xp, "conv2d_input", flow, weight, shape, stride, padding, dilation, groups)


@op(narrows=True, flow=_weight_flow, x=_weight_x)
def conv2d_weight(
    xp: Any, flow: Array, x: Array, *,
    shape: Sizes, stride: Pair, padding: Pair, dilation: Pair, groups: int,
) -> Array:  # fmt: skip
    """The gradient of conv2d for its weight of ``shape``."""
    return _to_weight(xp, "conv2d_weight", flow, x, shape, stride, padding, dilation, groups)


@op(narrows=True, widens=False, x=_to_x, weight=_to_w, bias=lambda grad: grad.sum((0, 2, 3, 4)))
def conv3d(
    xp: Any, x: Array, weight: Array, bias: Array | None = None, *,
    stride: Sizes = (1, 1, 1), padding: Sizes = (0, 0, 0), dilation: Sizes = (1, 1, 1), groups: int = 1,
) -> Array:  # fmt: skip
    """The cross-correlation of volumes with a kernel."""
    return _forward(xp, "conv3d", x, weight, bias, stride, padding, dilation, groups)


@op(narrows=True, widens=False, flow=_input_flow, weight=_input_weight)
def conv3d_input(
    xp: Any, flow: Array, weight: Array, *,
    shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
) -> Array:  # fmt: skip
    """The gradient of conv3d for its volume of ``shape``; also the transposed convolution of ``flow``."""
    return _to_input(xp, "conv3d_input", flow, weight, shape, stride, padding, dilation, groups)


@op(narrows=True, flow=_weight_flow, x=_weight_x)
def conv3d_weight(
    xp: Any, flow: Array, x: Array, *,
    shape: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int,
) -> Array:  # fmt: skip
    """The gradient of conv3d for its weight of ``shape``."""
    return _to_weight(xp, "conv3d_weight", flow, x, shape, stride, padding, dilation, groups)


@conv3d.directly
@conv2d.directly
def _convolution_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    flow, edges = arrived.array, node.edges
    to_x, to_weight, to_bias = edges[0] is not None, edges[1] is not None, len(edges) == 3 and edges[2] is not None
    kept: Any = node.saved if to_x or to_weight else ()
    x, weight = kept[0] if to_weight else None, kept[to_weight] if to_x else None
    operands = given_arrays(node.precision, arrived, x, weight)
    if operands is None:
        return None
    narrow, x, weight = operands
    found: list[Any] = [None] * len(edges)
    volumes, both = flow.ndim == 5, NotImplemented
    if to_x and to_weight and type(flow) is not np.ndarray:
        both = gpu_kernels("images.convolution").both_gradients(narrow, x, weight, **node.settings)
    if both is not NotImplemented:
        found[:2] = both
    else:
        # The shapes of x and of the weight are kept behind both.
        if to_x:
            to_image = conv3d_input if volumes else conv2d_input
            found[0] = to_image.compute(narrow, weight, shape=kept[-1 - to_weight], **node.settings)
        if to_weight:
            to_kernel = conv3d_weight if volumes else conv2d_weight
            found[1] = to_kernel.compute(narrow, x, shape=kept[-1], **node.settings)
    if to_bias:
        found[2] = total.compute(flow, axis=(0, *range(2, flow.ndim)), keepdim=False, dtype=None)
    return found


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *,
    stride: Sizes, padding: Sizes, dilation: Sizes, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The cross-correlation with a kernel over as many axes as ``stride`` has numbers: x (batch, in, *sizes), weight (out, in / groups, *kernel)."""
    if len(stride) == 1:
        x, weight = tensor_like("conv1d", x), tensor_like("conv1d", weight)
        bias = None if bias is None else tensor_like("conv1d", bias)
        if not is_narrowing():  # which brings operands to one dtype itself
            check_one_dtype("conv1d", x, weight, bias)
        check_convolution("conv1d", x, weight, bias, stride, padding, dilation, groups)
        # fmt: off
        out = conv2d(
            unsqueeze(x, 2), unsqueeze(weight, 2), bias,
            stride=(1, *stride), padding=(0, *padding), dilation=(1, *dilation), groups=groups,  # type: ignore[arg-type]
        )
        # fmt: on
        return squeeze(out, 2)
    run: Any = conv3d if len(stride) == 3 else conv2d
    return run(x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups)  # type: ignore[no-any-return]


def convolve_transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *,
    stride: Sizes, padding: Sizes, output_padding: Sizes, dilation: Sizes, groups: int = 1,
) -> Tensor:  # fmt: skip
    """The gradient of a convolution for its image, run forward: x (batch, in, *sizes), weight (in, out / groups, *kernel).

    A size becomes (size - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    """
    axes = len(stride)
    name = f"conv_transpose{axes}d"
    x, weight = tensor_like(name, x), tensor_like(name, weight)
    bias = None if bias is None else tensor_like(name, bias)
    _check_transposed(name, x, weight, bias, stride, padding, output_padding, dilation, groups)
    sizes = tuple(
        (size - 1) * s - 2 * p + d * (k - 1) + more + 1
        for size, s, p, d, k, more in zip(
            x.shape[2:], stride, padding, dilation, weight.shape[2:], output_padding, strict=True
        )
    )
    if min(sizes) < 1:
        raise ShapeError(
            f"{name}: nothing would be left, sizes {sizes} of x {tuple(x.shape)} with weight {tuple(weight.shape)} and padding {padding}; "
            "use a larger image or less padding"
        )
    shape = (x.shape[0], weight.shape[1] * groups, *sizes)
    if axes == 1:
        x, weight, shape = unsqueeze(x, 2), unsqueeze(weight, 2), (*shape[:2], 1, *sizes)
        stride, padding, dilation = (1, *stride), (0, *padding), (1, *dilation)
    run: Any = conv3d_input if axes == 3 else conv2d_input
    out = run(x, weight, shape=shape, stride=stride, padding=padding, dilation=dilation, groups=groups)
    out = squeeze(out, 2) if axes == 1 else out
    return out if bias is None else out + bias.to(dtype=out.dtype).reshape(-1, *(1 for _ in sizes))


def _check_transposed(
    name: str, x: Tensor, weight: Tensor, bias: Tensor | None, stride: Sizes, padding: Sizes, output_padding: Sizes,
    dilation: Sizes, groups: int,
) -> None:  # fmt: skip
    axes = len(stride)
    given = f"(x {tuple(x.shape)}, weight {tuple(weight.shape)})"
    if not is_narrowing():
        check_one_dtype(name, *(t for t in (x, weight, bias) if t is not None))
    check_settings(name, stride, padding, dilation, groups)
    if min(output_padding) < 0 or any(
        more >= max(s, d) for more, s, d in zip(output_padding, stride, dilation, strict=True)
    ):
        raise SettingError(
            f"{name}: output_padding {output_padding} must be at least 0, and smaller than stride {stride} or dilation {dilation}"
        )
    if x.ndim != axes + 2 or weight.ndim != axes + 2 or 0 in weight.shape[2:]:
        raise ShapeError(
            f"{name}: wants x (batch, channels, {AXES[axes]}) and weight (in, out / groups, {AXES[axes]}) {given}; "
            "add a batch axis with x.unsqueeze(0) if one is missing"
        )
    if x.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise ShapeError(
            f"{name}: x has {x.shape[1]} channels but weight takes {weight.shape[0]} {given}, which groups={groups} must divide"
        )
    if bias is not None and bias.shape != (weight.shape[1] * groups,):
        raise ShapeError(
            f"{name}: bias {tuple(bias.shape)} must have one number for each of the {weight.shape[1] * groups} output channels {given}"
        )
