"""Depthwise convolutions with gaps between the window's elements, for which oneDNN has fast code only in some forms.

It has it for the convolution itself where the border is narrow or none; so a wide border is laid around the images first.
The gradient by the images is, at strides of 1, such a convolution again: of the gradient, with the windows turned around.
The gradient by the weight is wrong in oneDNN 3.2 for some sizes where channels are apart or strides above 1 (and in narrow types
anywhere); here it is a sum, or a product, for each place of the window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...dtype import Dtype
from . import pool
from .copy import cast_always
from .direct import FORWARD_INFERENCE, Geometry, Shape
from .library import Library
from .memory import FLOAT32, Array
from .plans import Plan

__all__ = ["plan_bordered", "plan_input", "plan_weight", "without_needless_gaps"]

Kernel = Callable[..., "Plan | None"]


def without_needless_gaps(window: Shape, dilation: Shape) -> tuple[int, int]:
    """The steps inside a window, 1 where it has one element."""
    rows, columns = (step if size > 1 else 1 for size, step in zip(window, dilation, strict=True))
    return rows, columns


def _is_depthwise(weight: Array, groups: int) -> bool:
    """Whether each channel has windows of its own."""
    return groups > 1 and weight.ndim == 4 and weight.shape[1] == 1


def plan_bordered(
    library: Library, x: Array, weight: Array, out: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int, then: Kernel
) -> Plan | None:  # fmt: skip
    """The convolution of images with a border of zeros around them, by the plan `then` makes for those; None where that gains nothing."""
    if not _is_depthwise(weight, groups) or max(dilation) == 1 or max(padding) == 0:
        return None
    wide = (*x.shape[:2], *(size + 2 * border for size, border in zip(x.shape[2:], padding, strict=True)))
    none = (0,) * len(padding)
    settings = weight.shape, out, stride
    plain = Geometry.of(library, x.dtype, x.shape, *settings, padding, dilation, groups)
    bordered = Geometry.of(library, x.dtype, wide, *settings, none, dilation, groups)
    if plain is None or bordered is None or _is_fast(plain) or not _is_fast(bordered):
        return None
    found = then(_image(wide, x.dtype), none)
    if found is None:
        return None
    within = _inside(x.shape, padding)

    def compute(x: Array, weight: Array, bias: Array | None) -> Array:
        image = _image(wide, x.dtype)
        np.moveaxis(image, 1, -1)[...] = 0
        image[within] = x
        result: Array = found(image, weight, bias)
        return result

    return compute


def plan_input(
    weight: Array, shape: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int, then: Kernel
) -> Plan | None:
    """The gradient by the images of `shape` as a convolution; None where it is none, or has no gaps."""
    window = weight.shape[2:]
    around = tuple(step * (size - 1) - p for step, size, p in zip(dilation, window, padding, strict=True))
    if (
        weight.shape[0] != groups
        or not _is_depthwise(weight, groups)
        or max(stride) > 1
        or max(dilation) == 1
        or min(around) < 0
    ):
        return None
    found = then(_turned(weight), around)
    return None if found is None else lambda flow, weight: found(flow, _turned(weight), None)


def plan_weight(
    flow: Array, x: Array, shape: Shape, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Plan | None:
    """The gradient by the weight of `shape`; None where the windows have no gaps, and where oneDNN is right and fast."""
    apart = groups > 1 and shape[1] == 1
    if max(dilation) == 1 or not (apart or max(stride) > 1):
        return None
    places = [(row, column) for row in range(shape[2]) for column in range(shape[3])]
    wide = (*x.shape[:2], *(size + 2 * border for size, border in zip(x.shape[2:], padding, strict=True)))

    def compute(flow: Array, x: Array) -> Array:
        image = _image(wide, FLOAT32)
        seen, arrived = np.moveaxis(image, 1, -1), np.moveaxis(cast_always(flow, FLOAT32), 1, -1)
        seen[...] = 0
        image[_inside(x.shape, padding)] = x
        if apart and shape[0] > groups:
            seen = np.repeat(seen, shape[0] // groups, -1)
        result = np.empty(shape, FLOAT32)
        for place in places:
            met = seen[(slice(None), *(
                slice(start * step, start * step + pace * (count - 1) + 1, pace)
                for start, step, pace, count in zip(place, dilation, stride, flow.shape[2:], strict=True)
            ))]  # fmt: skip
            if apart:
                along = np.einsum("nhwc,nhwc->nhc", arrived, met)
                result[:, 0, place[0], place[1]] = along.sum((0, 1), dtype=np.float64)
            else:
                rows = (-1, groups, shape[0] // groups), (-1, groups, shape[1])
                left, right = (
                    array.reshape(form).swapaxes(0, 1) for array, form in zip((arrived, met), rows, strict=True)
                )
                result[:, :, place[0], place[1]] = (left.swapaxes(1, 2) @ right).reshape(shape[:2])
        return cast_always(result, flow.dtype)

    return compute


def _inside(shape: Shape, padding: Shape) -> tuple[Any, ...]:
    """Where an image of this shape lies inside its border."""
    return (..., *(slice(border, border + size) for size, border in zip(shape[2:], padding, strict=True)))


def _turned(weight: Array) -> Array:
    return np.ascontiguousarray(weight[:, :, ::-1, ::-1])


def _is_fast(geometry: Geometry) -> bool:
    description = geometry.forward(None, FORWARD_INFERENCE)
    return description is not None and "dw" in description.implementation


def _image(shape: Shape, dtype: Dtype) -> Array:
    """An image whose numbers are not yet set, channels last in memory."""
    return np.moveaxis(pool.empty((shape[0], *shape[2:], shape[1]), dtype), -1, 1)
