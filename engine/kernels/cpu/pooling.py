"""Pooling of images by oneDNN. Interface (N, C, H, W); results lie in memory as (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .library import Library
from .memory import BFLOAT16, BYTE, FLOAT32, FLOATS, Array, Layout, Result, address, channels_last_strides, vector
from .plans import PLANS, Plan, plan
from .primitive import (
    DESTINATION,
    DESTINATION_GRADIENT,
    SOURCE,
    SOURCE_GRADIENT,
    WORKSPACE,
    Description,
    Primitive,
    describe,
)
from .reorder import as_channels_last, as_layout, channels_last_allocator

MAXIMUM = 0x1FF
AVERAGE_WITH_PADDING = 0x2FF
AVERAGE = 0x3FF
FORWARD_INFERENCE = 96
FORWARD_TRAINING = 64
FEWEST = 1 << 12
LARGEST_WINDOW = 255  # so many places fit into the bytes that oneDNN keeps of each window

Pair = tuple[int, int]
Shape = tuple[int, ...]


def _wide_nan(x: Array) -> bool:
    return bool(np.isnan(x.max()))


def _wide_lowest(x: Array) -> bool:
    return bool(x.min() == np.finfo(np.float32).min)


# NumPy compares bfloat16 one by one; as integers, with or without a sign, the bits of NaN lie beyond those of infinity.
def _narrow_nan(x: Array) -> bool:
    return bool(x.view(np.int16).max() > 0x7F80 or x.view(np.uint16).max() > 0xFF80)


def _narrow_lowest(x: Array) -> bool:
    return bool(x.view(np.uint16).max() >= 0xFF7F)


# The types served by the largest of windows: whether there is NaN among them, and whether the lowest number.
KINDS: dict[Any, tuple[Callable[[Array], bool], Callable[[Array], bool]]] = {
    FLOAT32: (_wide_nan, _wide_lowest),
    BFLOAT16: (_narrow_nan, _narrow_lowest),
}


def max_pool2d(
    x: Array, *, kernel_size: Pair, stride: Pair, padding: Pair = (0, 0), dilation: Pair = (1, 1),
    ceil_mode: bool = False, keep: bool = True,
) -> Result:  # fmt: skip
    """The largest element of each window, and with `keep` its place in the window (row by row, the first of equals)."""
    key = (max_pool2d, x.shape, x.strides, x.dtype, kernel_size, stride, padding, dilation, ceil_mode, keep)
    found = PLANS.get(key) or plan(key, _plan_maximum, x, kernel_size, stride, padding, dilation, ceil_mode, keep)
    return found(x)


def max_pool2d_input(
    flow: Array, offset: Array, *, shape: Shape, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Result:
    """What flows back through max_pool2d, added at the places that `offset` names."""
    key = (
        max_pool2d_input, flow.shape, flow.strides, flow.dtype, offset.shape, offset.strides, offset.dtype,
        shape, kernel_size, stride, padding, dilation,
    )  # fmt: skip
    found = PLANS.get(key) or plan(
        key, _plan_maximum_input, flow, offset, shape, kernel_size, stride, padding, dilation
    )
    return found(flow, offset)


def avg_pool2d(
    x: Array, *, kernel_size: Pair, stride: Pair, padding: Pair = (0, 0), ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Result:  # fmt: skip
    """The mean of each window."""
    key = (avg_pool2d, x.shape, x.strides, x.dtype, kernel_size, stride, padding, ceil_mode, count_include_pad)
    found = PLANS.get(key) or plan(key, _plan_average, x, kernel_size, stride, padding, ceil_mode, count_include_pad)
    return found(x)


def avg_pool2d_input(
    flow: Array, *, shape: Shape, kernel_size: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> Result:
    """What flows back through avg_pool2d, shared over each window."""
    key = (
        avg_pool2d_input, flow.shape, flow.strides, flow.dtype, shape, kernel_size, stride, padding, count_include_pad,
    )  # fmt: skip
    found = PLANS.get(key) or plan(
        key, _plan_average_input, flow, shape, kernel_size, stride, padding, count_include_pad
    )
    return found(flow)


def global_avg_pool2d(x: Array) -> Result:
    """The mean of each image's channel: (N, C, H, W) -> (N, C, 1, 1)."""
    if x.ndim != 4:
        return NotImplemented
    window = x.shape[2:]
    return avg_pool2d(x, kernel_size=window, stride=window)


def _length(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """How many windows an axis has; with ceil_mode a last one may hang over, if it starts inside."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-span // stride) if ceil_mode else span // stride) + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= size + padding else count


def _describe(
    library: Library, algorithm: int, propagation: int, dtype: np.dtype[np.generic], x: Shape, out: Shape,
    kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, *, backward: bool = False,
) -> Description | None:  # fmt: skip
    """The pooling of channels-last images, or its gradient; None where the windows do not fit."""
    if dtype not in FLOATS or len(x) != 4 or min(x) < 1 or min(out) < 1 or min(*kernel_size, *stride) < 1:
        return None
    if min(padding) < 0 or any(2 * pad > kernel for pad, kernel in zip(padding, kernel_size, strict=True)):
        return None
    x_layout = Layout(library, x, dtype, channels_last_strides(x))
    out_layout = Layout(library, out, dtype, channels_last_strides(out))
    # The right side is padded as far as the last window reaches; oneDNN wants it said exactly.
    reach = tuple(
        max(
            0,
            (out[axis + 2] - 1) * stride[axis]
            + dilation[axis] * (kernel_size[axis] - 1)
            + 1
            - x[axis + 2]
            - padding[axis],
        )
        for axis in (0, 1)
    )
    settings = tuple(map(vector, (stride, kernel_size, tuple(step - 1 for step in dilation), padding, reach)))
    hint = describe(library, "pooling_forward", propagation, algorithm, x_layout, out_layout, *settings)
    if hint is None or not backward:
        return hint
    return describe(library, "pooling_backward", algorithm, x_layout, out_layout, *settings, hint)


def _pooled(x: Shape, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool) -> Shape:
    sides = (
        _length(x[axis + 2], kernel_size[axis], stride[axis], padding[axis], dilation[axis], ceil_mode)
        for axis in (0, 1)
    )
    return (*x[:2], *sides)


def _plan_maximum(
    library: Library,
    x: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
    keep: bool,
) -> Plan | None:
    if x.ndim != 4 or x.size < FEWEST or x.dtype not in KINDS or kernel_size[0] * kernel_size[1] > LARGEST_WINDOW:
        return None
    out = _pooled(x.shape, kernel_size, stride, padding, dilation, ceil_mode)
    description = _describe(
        library, MAXIMUM, FORWARD_TRAINING if keep else FORWARD_INFERENCE, x.dtype, x.shape, out,
        kernel_size, stride, padding, dilation,
    )  # fmt: skip
    if description is None or not description.implementation.startswith("jit"):
        return None
    if keep and description.layout_bytes(WORKSPACE) != int(np.prod(out)):
        return None
    names = (SOURCE, DESTINATION, WORKSPACE) if keep else (SOURCE, DESTINATION)
    run = Primitive(description, names).run
    fetch, allocate = as_channels_last(library, x), channels_last_allocator(out, x.dtype)
    allocate_offset = channels_last_allocator(out, BYTE)
    has_nan, has_lowest = KINDS[x.dtype]

    def compute(x: Array) -> Result:
        source, result = fetch(x), allocate()
        # oneDNN passes NaN over, and calls a window of -inf alone the lowest finite number: the body does these.
        if has_nan(source):
            return NotImplemented
        if keep:
            offset = allocate_offset()
            run(address(source), address(result), address(offset))
        else:
            offset = None
            run(address(source), address(result))
        return NotImplemented if has_lowest(result) else (result, offset)

    return compute


def _plan_maximum_input(
    library: Library,
    flow: Array,
    offset: Array,
    shape: Shape,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> Plan | None:
    if flow.ndim != 4 or flow.dtype not in KINDS or offset.shape != flow.shape or offset.dtype != BYTE:
        return None
    if kernel_size[0] * kernel_size[1] > LARGEST_WINDOW or int(np.prod(shape)) < FEWEST:
        return None
    description = _describe(
        library, MAXIMUM, FORWARD_TRAINING, flow.dtype, shape, flow.shape, kernel_size, stride, padding, dilation,
        backward=True,
    )  # fmt: skip
    if description is None or not description.implementation.startswith("jit"):
        return None
    run = Primitive(description, (DESTINATION_GRADIENT, WORKSPACE, SOURCE_GRADIENT)).run
    fetch, allocate = as_channels_last(library, flow), channels_last_allocator(shape, flow.dtype)
    fetch_offset = as_layout(library, offset, channels_last_strides(offset.shape))

    def compute(flow: Array, offset: Array) -> Array:
        upstream, places, result = fetch(flow), fetch_offset(offset), allocate()
        run(address(upstream), address(places), address(result))
        return result

    return compute


def _average_algorithm(
    x: Shape, out: Shape, kernel_size: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> int | None:
    """How oneDNN is to divide; None where a window hangs over the padding, which counts for it and must not."""
    if not any(padding) or not count_include_pad:
        return AVERAGE
    hangs = any(
        (out[axis + 2] - 1) * stride[axis] + kernel_size[axis] > x[axis + 2] + 2 * padding[axis] for axis in (0, 1)
    )
    return None if hangs else AVERAGE_WITH_PADDING


def _plan_average(
    library: Library, x: Array, kernel_size: Pair, stride: Pair, padding: Pair, ceil_mode: bool, count_include_pad: bool
) -> Plan | None:
    if x.ndim != 4 or x.size < FEWEST:
        return None
    out = _pooled(x.shape, kernel_size, stride, padding, (1, 1), ceil_mode)
    algorithm = _average_algorithm(x.shape, out, kernel_size, stride, padding, count_include_pad)
    if algorithm is None:
        return None
    description = _describe(
        library, algorithm, FORWARD_INFERENCE, x.dtype, x.shape, out, kernel_size, stride, padding, (1, 1)
    )
    if description is None:
        return None
    run = Primitive(description, (SOURCE, DESTINATION)).run
    fetch, allocate = as_channels_last(library, x), channels_last_allocator(out, x.dtype)

    def compute(x: Array) -> Array:
        source, result = fetch(x), allocate()
        run(address(source), address(result))
        return result

    return compute


def _plan_average_input(
    library: Library, flow: Array, shape: Shape, kernel_size: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> Plan | None:
    if flow.ndim != 4 or len(shape) != 4 or int(np.prod(shape)) < FEWEST:
        return None
    algorithm = _average_algorithm(shape, flow.shape, kernel_size, stride, padding, count_include_pad)
    if algorithm is None:
        return None
    description = _describe(
        library, algorithm, FORWARD_TRAINING, flow.dtype, shape, flow.shape, kernel_size, stride, padding, (1, 1),
        backward=True,
    )  # fmt: skip
    if description is None:
        return None
    run = Primitive(description, (DESTINATION_GRADIENT, SOURCE_GRADIENT)).run
    fetch, allocate = as_channels_last(library, flow), channels_last_allocator(shape, flow.dtype)

    def compute(flow: Array) -> Array:
        upstream, result = fetch(flow), allocate()
        run(address(upstream), address(result))
        return result

    return compute
