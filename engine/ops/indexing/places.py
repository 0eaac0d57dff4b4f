"""Elements of flat images picked by their number, and put back: what pooling with indices, unpooling and sampling at points share.

Images are (batch, channels, elements), numbers (batch, channels, picked), or (batch, 1, picked) where all channels share them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...dtype import Array, kind
from ...errors import DtypeError, ShapeError
from ...op import op
from ...tensor import Tensor
from .accumulation import added

__all__ = [
    "pick_places",
    "put_places",
    "spread_places",
]


def _pick_x(grad: Tensor, index: Tensor, x_shape: tuple[int, ...]) -> Tensor:
    return spread_places(grad, index, size=x_shape[2])


@op(x=_pick_x)
def pick_places(xp: Any, x: Array, index: Array) -> Array:
    """The elements that ``index`` numbers, of each channel."""
    check_places("pick_places", x, index, x.shape[2])
    if not index.size or not x.size:
        return xp.zeros((*x.shape[:2], index.shape[2]), x.dtype)
    if index.shape[1] == x.shape[1] and x.shape[1] != 1:
        return xp.take_along_axis(x, index, 2)
    # One image after the other: rows of channels where the memory is so, else each channel's line.
    if x.shape[1] > 1 and abs(x.strides[1]) < abs(x.strides[2]):
        out = xp.empty((x.shape[0], index.shape[2], x.shape[1]), x.dtype)
        for image, places, result in zip(x, index, out, strict=True):
            result[...] = xp.take(image.T, places[0], 0)
        return out.transpose(0, 2, 1)
    out = xp.empty((*x.shape[:2], index.shape[2]), x.dtype)
    for image, places, result in zip(x, index, out, strict=True):
        result[...] = xp.take(image, places[0], 1)
    return out


@op(flow=lambda grad, index: pick_places(grad, index))
def spread_places(xp: Any, flow: Array, index: Array, *, size: int) -> Array:
    """Zeros of ``size`` elements with ``flow`` added at the places that ``index`` numbers."""
    batch, channels = flow.shape[:2]
    line = xp.arange(batch * channels, dtype=index.dtype).reshape(batch, channels, 1) * size
    return added(xp, (line + index).reshape(-1), flow.reshape(-1), (batch, channels, size))


@op(x=lambda grad, index: pick_places(grad, index))
def put_places(xp: Any, x: Array, index: Array, *, size: int) -> Array:
    """Zeros of ``size`` elements with x written at the places that ``index`` numbers, each once."""
    check_places("put_places", x, index, size)
    out = xp.zeros(x.shape[0] * x.shape[1] * size, x.dtype)
    line = xp.arange(x.shape[0] * x.shape[1], dtype=index.dtype).reshape(*x.shape[:2], 1) * size
    out[(line + index).reshape(-1)] = x.reshape(-1)
    return out.reshape(*x.shape[:2], size)


def picked(xp: Any, x: Array, index: Array, axis: int) -> Array:
    """The slices along an axis whose numbers, known to lie within, ``index`` holds: NumPy is told not to look at each, CuPy never does."""
    return np.take(x, index, axis, None, "wrap") if xp is np else x.take(index, axis)


def check_places(name: str, x: Array, index: Array, size: int) -> None:
    """Refuse numbers that are none, or that lie outside."""
    if kind(index.dtype) != 1:
        raise DtypeError(f"{name}: indices must be integers, not {index.dtype}")
    if index.ndim != 3 or index.shape[0] != x.shape[0] or index.shape[1] not in (1, x.shape[1]):
        raise ShapeError(f"{name}: indices {tuple(index.shape)} do not fit images of {tuple(x.shape)}")
    sentence = f"{name}: indices must lie from 0 to {{2}}, the elements of one channel, but one is {{0}}"
    if left_to_gpu(index, 0, size - 1, sentence):
        return
    if index.size and not 0 <= int(index.min()) <= int(index.max()) < size:
        raise ShapeError(
            f"{name}: indices must lie from 0 to {size - 1}, the elements of one channel, but they go from {index.min()} to {index.max()}"
        )
