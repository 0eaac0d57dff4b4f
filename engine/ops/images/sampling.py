"""Images sampled at points: at each, the weighted sum of a few elements, which grid_sample finds for points anywhere.

Images are (batch, channels, elements), weights and the elements' numbers (batch, taps, points), results (batch, channels, points).
The sum is linear in the image and in the weights, so, as with convolution, three operations are one another's gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...device import namespace
from ...dtype import Array, accumulator, is_floating, kind, result_type
from ...errors import DtypeError, SettingError, ShapeError
from ...modes import is_narrowing
from ...op import op
from ...tensor import Tensor, tensor_like, tensor_of
from ..algebra.matrix import check_one_dtype, matmul
from ..elementwise.arithmetic import clip, where
from ..indexing.accumulation import added
from ..indexing.places import picked
from ..shapes.shape import cat, reshape
from .convolution import AXES
from .resampling import BLOCK, cubic_weights

FEWEST_CHANNELS = 8
FEWEST_POINTS = 1 << 12  # counting bins channel by channel pays from so many on

__all__ = [
    "affine_grid",
    "grid_sample",
    "sample",
    "sample_input",
    "sample_weight",
]


def _sample_x(grad: Tensor, weight: Tensor, index: Tensor, x_shape: tuple[int, ...]) -> Tensor:
    return sample_input(grad, weight, index, size=x_shape[2])


def _sample_weight(grad: Tensor, x: Tensor, index: Tensor) -> Tensor:
    return sample_weight(grad, x, index)


@op(x=_sample_x, weight=_sample_weight)
def sample(xp: Any, x: Array, weight: Array, index: Array) -> Array:
    """The sum over the taps of ``weight`` times the element that ``index`` numbers, for each channel and point."""
    _check_index("sample", index, weight.shape, x.shape, x.shape[2])
    batch, channels = x.shape[:2]
    # Many channels are picked as rows, one copy of memory each; of a few each has a line of elements.
    rows = channels >= FEWEST_CHANNELS
    out = xp.empty((batch, index.shape[2], channels) if rows else (batch, channels, index.shape[2]), x.dtype)
    for image, much, numbers, result in zip(x, weight, index, out, strict=True):
        source = xp.ascontiguousarray(image.T) if rows else image
        for points in _blocks(xp, channels, index.shape[2]):
            total: Any = 0
            for tap, place in zip(much, numbers, strict=True):
                part = picked(xp, source, place[points], 0 if rows else 1)
                part *= tap[points, None] if rows else tap[points]
                total = part if isinstance(total, int) else xp.add(total, part, total)
            if rows:
                result[points] = total
            else:
                result[:, points] = total
    return out.transpose(0, 2, 1) if rows else out


def _input_flow(grad: Tensor, weight: Tensor, index: Tensor) -> Tensor:
    return sample(grad, weight, index)


def _input_weight(grad: Tensor, flow: Tensor, index: Tensor) -> Tensor:
    return sample_weight(flow, grad, index)


@op(flow=_input_flow, weight=_input_weight)
def sample_input(xp: Any, flow: Array, weight: Array, index: Array, *, size: int) -> Array:
    """The gradient of sample for its image of ``size`` elements: what flows back, added where it came from."""
    _check_index("sample_input", index, weight.shape, flow.shape, size)
    batch, channels = flow.shape[:2]
    if xp is np and index.shape[1] * index.shape[2] >= FEWEST_POINTS:
        out = xp.empty((batch, channels, size), flow.dtype)
        for came, much, numbers, result in zip(flow, weight, index, out, strict=True):
            where_to = numbers.ravel()
            for line, channel in zip(came, result, strict=True):
                channel[...] = np.bincount(where_to, (much * line).ravel(), size)
        return out
    lines = (xp.arange(batch * channels) * size).reshape(batch, channels, 1, 1)
    flat = (lines + index[:, None]).reshape(-1)
    return added(xp, flat, (flow[:, :, None] * weight[:, None]).reshape(-1), (batch, channels, size))


def _weight_flow(grad: Tensor, x: Tensor, index: Tensor) -> Tensor:
    return sample(x, grad, index)


def _weight_x(grad: Tensor, flow: Tensor, index: Tensor, x_shape: tuple[int, ...]) -> Tensor:
    return sample_input(flow, grad, index, size=x_shape[2])


@op(flow=_weight_flow, x=_weight_x)
def sample_weight(xp: Any, flow: Array, x: Array, index: Array) -> Array:
    """The gradient of sample for its weights: what flows back times the elements, over all channels."""
    _check_index("sample_weight", index, index.shape, x.shape, x.shape[2])
    out = xp.empty(index.shape, x.dtype)
    rows = x.shape[1] >= FEWEST_CHANNELS
    for image, came, numbers, result in zip(x, flow, index, out, strict=True):
        source, arrived = (xp.ascontiguousarray(image.T), xp.ascontiguousarray(came.T)) if rows else (image, came)
        for points in _blocks(xp, len(image), index.shape[2]):
            for tap, place in enumerate(numbers):
                seen = picked(xp, source, place[points], 0 if rows else 1)
                if rows:
                    result[tap, points] = xp.einsum("pc,pc->p", seen, arrived[points])
                else:
                    result[tap, points] = (seen * arrived[:, points]).sum(0)
    return out


def _blocks(xp: Any, channels: int, points: int) -> Iterator[slice]:
    """Points in blocks that stay in the cache; all at once elsewhere than on a CPU."""
    step = max(BLOCK // max(channels, 1), 64) if xp is np else max(points, 1)
    return (slice(start, start + step) for start in range(0, points, step))


def _check_index(name: str, index: Array, weight: tuple[int, ...], images: tuple[int, ...], size: int) -> None:
    """Refuse numbers that are none, or that lie outside: picking wraps around in silence."""
    if kind(index.dtype) != 1:
        raise DtypeError(f"{name}: index must hold integers, not {index.dtype}; convert it with .long()")
    if index.ndim != 3 or index.shape != weight or index.shape[0] != images[0]:
        raise ShapeError(
            f"{name}: wants index and weight (batch, taps, points), not {tuple(index.shape)} and {tuple(weight)}, for images {tuple(images)}"
        )
    if left_to_gpu(index, 0, size - 1, f"{name}: index must number the {{1}} elements of an image, but holds {{0}}"):
        return
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < size:
        raise ShapeError(
            f"{name}: index must number the {size} elements of an image, but goes from {index.min()} to {index.max()}"
        )


MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def grid_sample(
    x: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Tensor:
    """Images at the points of a grid: x (batch, channels, *sizes), grid (batch, *out, axes) to (batch, channels, *out).

    A point's numbers count from the last axis (x, y, z); -1 and 1 are the edges of the image, or with ``align_corners`` the middles
    of its outermost elements. What lies outside is "zeros", the "border", or a "reflection". Gradients of any order, for both.
    """
    x, grid = tensor_like("grid_sample", x), tensor_like("grid_sample", grid)
    if is_narrowing() and x.dtype != grid.dtype:  # what convolutions gave is narrow there
        x, grid = (t.to(dtype=result_type(x.array, grid.array)) for t in (x, grid))
    _check_grid(x, grid, mode, padding_mode)
    align, xp = bool(align_corners), namespace(x.array)
    narrow, wide = x.dtype, accumulator(x.dtype)
    axes, sizes, out = x.ndim - 2, x.shape[2:], grid.shape[1:-1]
    batch, points = x.shape[0], math.prod(out)
    steady = reshape(grid.to(dtype=wide), (batch, 1, points, axes))
    taps = []
    for axis, size in enumerate(sizes):
        place = steady[..., axes - 1 - axis] + 1.0
        place = place * ((size - 1) / 2) if align else (place * float(size) - 1.0) * 0.5
        taps.append(_taps(xp, place if mode == "bicubic" else _bounded(xp, place, size, padding_mode, align), mode))
    weights, numbers = [], []
    for corner in product(*(range(len(elements)) for elements, _ in taps)):
        weight, number, inside = None, 0, True
        for (elements, shares), k, size in zip(taps, corner, sizes, strict=True):
            element: Any = elements[k]
            if mode == "bicubic":
                element = _bounded_numbers(xp, element, size, padding_mode, align)
            within = (element >= 0) & (element < size)
            inside = inside & within
            number = number * size + xp.where(within, element, 0).astype("int64")
            weight = shares[k] if weight is None else weight * shares[k]
        numbers.append(number)
        # Chosen, not multiplied by 0: the weight of a point at infinity is no number.
        weights.append(where(tensor_of(inside), weight, 0.0))
    image = reshape(x.to(dtype=wide), (batch, x.shape[1], math.prod(sizes)))
    picked = sample(image, cat(weights, 1), tensor_of(xp.concatenate(numbers, 1)))
    return reshape(picked, (batch, x.shape[1], *out)).to(dtype=narrow)


def _taps(xp: Any, place: Tensor, mode: str) -> tuple[list[Any], list[Tensor]]:
    """Along one axis, the elements that a point is made of, and the share of each."""
    if mode == "nearest":
        element = xp.rint(place.array)
        return [element], [tensor_of(xp.ones_like(element))]
    first = xp.floor(place.array)
    part = place - tensor_of(first)
    if mode == "bilinear":
        return [first, first + 1], [1.0 - part, part]
    return [first + k for k in range(-1, 3)], cubic_weights(part)


def _bounded(xp: Any, place: Tensor, size: int, padding_mode: str, align: bool) -> Tensor:
    """Places outside brought inside, unless zeros lie there."""
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align else (-0.5, float(size))
        if span == 0:
            return clip(place, low=0.0, high=0.0)
        away = abs(place - low)
        turns = xp.floor(away.array / span)
        rest = away - tensor_of(turns * span)
        place = where(tensor_of(turns % 2 == 0), rest, span - rest) + low
    return place if padding_mode == "zeros" else clip(place, low=0.0, high=size - 1.0)


def _bounded_numbers(xp: Any, element: Any, size: int, padding_mode: str, align: bool) -> Any:
    """Likewise for numbers of elements, which need no gradient."""
    return _bounded(xp, tensor_of(element), size, padding_mode, align).array


def _check_grid(x: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    given = f"(x {tuple(x.shape)}, grid {tuple(grid.shape)})"
    axes = x.ndim - 2
    if mode not in MODES or padding_mode not in PADDINGS:
        raise SettingError(
            f"grid_sample: mode {mode!r:.40} must be one of {', '.join(MODES)}, padding_mode {padding_mode!r:.40} one of {', '.join(PADDINGS)}"
        )
    check_one_dtype("grid_sample", x, grid)
    if not is_floating(x.dtype):
        raise DtypeError(f"grid_sample: wants floating-point tensors, not {x.dtype}; convert them with .float()")
    if axes not in (2, 3) or grid.ndim != x.ndim or grid.shape[-1] != axes or grid.shape[0] != x.shape[0]:
        raise ShapeError(
            f"grid_sample: wants x (batch, channels, {AXES.get(axes, AXES[2])}) and, for each image, points of as many numbers as it has axes, "
            f"grid (batch, *out, {axes if axes in (2, 3) else 2}) {given}"
        )
    if 0 in x.shape[1:]:
        raise ShapeError(f"grid_sample: the images must hold something {given}")
    if mode == "bicubic" and axes != 2:
        raise SettingError(f"grid_sample: 'bicubic' is for images, not for volumes {given}; use 'bilinear'")


def affine_grid(theta: Tensor, size: tuple[int, ...], align_corners: bool | None = None) -> Tensor:
    """The points at which grid_sample turns, shifts and scales images of ``size`` (batch, channels, *sizes).

    theta (batch, axes, axes + 1) maps (x, y, 1), or (x, y, z, 1), of each place of the result to a place of the image.
    """
    theta = tensor_like("affine_grid", theta)
    axes = len(size) - 2
    if not is_floating(theta.dtype):
        raise DtypeError(f"affine_grid: wants a floating-point theta, not {theta.dtype}; convert it with .float()")
    if axes not in (2, 3) or min(size) < 1 or theta.shape != (size[0], axes, axes + 1):
        raise ShapeError(
            f"affine_grid: wants size (batch, channels, height, width) or (batch, channels, depth, height, width), all at least 1, and theta "
            f"(batch, axes, axes + 1), not {tuple(size)} and {tuple(theta.shape)}"
        )
    sizes = size[2:]
    lines = []
    for count in sizes:
        line = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
        lines.append(line if align_corners or count == 1 else line * ((count - 1) / count))
    points = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(sizes)], -1)
    xp = namespace(theta.array)
    base = tensor_of(xp.asarray(points.reshape(1, -1, axes + 1).astype(accumulator(theta.dtype))))
    grid = matmul(base, theta.to(dtype=base.dtype).mT)
    return reshape(grid, (size[0], *sizes, axes)).to(dtype=theta.dtype)
