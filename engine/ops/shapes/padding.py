"""Elements added around a tensor, or cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...dtype import Array, accumulator
from ...errors import SettingError, ShapeError
from ...op import op
from ...tensor import Tensor, tensor_like
from .shape import whole

__all__ = [
    "pad",
]

Widths = tuple[tuple[int, int], ...]


def _padded_x(grad: Tensor, widths: Widths) -> Tensor:
    return unpadded(grad, widths)


@op(x=_padded_x)
def padded(xp: Any, x: Array, widths: Widths, value: float = 0.0) -> Array:
    """``widths`` = (before, after) elements of ``value`` around each axis; memory order is kept."""
    shape = tuple(size + before + after for size, (before, after) in zip(x.shape, widths, strict=True))
    out = xp.full_like(x, value, shape=shape)
    out[tuple(slice(before, before + size) for size, (before, _) in zip(x.shape, widths, strict=True))] = x
    return out


def _unpadded_x(grad: Tensor, widths: Widths) -> Tensor:
    return padded(grad, widths)


@op(x=_unpadded_x)
def unpadded(xp: Any, x: Array, widths: Widths) -> Array:
    """``widths`` elements cut off around each axis."""
    return x[tuple(slice(before, size - after) for size, (before, after) in zip(x.shape, widths, strict=True))]


def pad(x: Tensor, pads: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Elements around the last axes: ``pads`` = (before, after) of the last axis, then of the one before it, and so on.

    ``mode`` is "constant" (``value``, 0 unless given), "reflect" (mirrored without the border itself), "replicate" (the border again) or
    "circular" (from the other end). Negative widths cut.
    """
    x = tensor_like("pad", x)
    sizes = whole("pad", pads)
    sizes = (sizes,) if isinstance(sizes, int) else sizes
    if len(sizes) % 2 or len(sizes) > 2 * x.ndim:
        raise ShapeError(
            f"pad: wants (before, after) for up to {x.ndim} axes of shape {tuple(x.shape)}, but was given {tuple(sizes)}"
        )
    widths = [(0, 0)] * (x.ndim - len(sizes) // 2) + [(sizes[i], sizes[i + 1]) for i in range(len(sizes) - 2, -1, -2)]
    if any(before + after + size < 0 for size, (before, after) in zip(x.shape, widths, strict=True)):
        raise ShapeError(f"pad: {tuple(sizes)} cuts off more than shape {tuple(x.shape)} has")
    if mode == "constant":
        cut = tuple((max(-before, 0), max(-after, 0)) for before, after in widths)
        grow = tuple((max(before, 0), max(after, 0)) for before, after in widths)
        x = unpadded(x, cut) if any(map(any, cut)) else x
        return padded(x, grow, 0.0 if value is None else value) if any(map(any, grow)) else x
    if mode not in ("reflect", "replicate", "circular"):
        raise SettingError(f"pad: mode {mode!r} is not known; give 'constant', 'reflect', 'replicate' or 'circular'")
    if value:
        raise SettingError(f"pad: mode {mode!r} takes its elements from the tensor; leave out value={value!r}")
    grow = tuple((max(before, 0), max(after, 0)) for before, after in widths)
    cut = tuple((max(-before, 0), max(-after, 0)) for before, after in widths)
    # What wraps around is what is left after cutting; mirrors and borders stand where they stood.
    if mode == "circular" and any(map(any, cut)):
        x, cut = unpadded(x, cut), ()
    for axis, (size, (before, after)) in enumerate(zip(x.shape, grow, strict=True)):
        limit = {"reflect": size - 1, "circular": size}.get(mode, before + after)
        if (before or after) and (size == 0 or max(before, after) > limit):
            raise ShapeError(
                f"pad: mode {mode!r} can add up to {max(limit, 0)} elements at axis {axis} of shape {tuple(x.shape)}, not {(before, after)}"
            )
    x = bordered(x, grow, mode) if any(map(any, grow)) else x
    return unpadded(x, cut) if any(map(any, cut)) else x


def _strips(size: int, before: int, after: int, mode: str) -> list[tuple[slice, slice]]:
    """The borders of an axis that has grown to ``size`` elements, each with the inner part that it repeats."""
    end = size - after
    if mode == "reflect":
        first, last = slice(2 * before, before, -1), slice(end - 2, end - 2 - after if end - 2 >= after else None, -1)
    elif mode == "replicate":
        first, last = slice(before, before + 1), slice(end - 1, end)
    else:
        first, last = slice(end - before, end), slice(before, before + after)
    pairs = [(slice(0, before), first)] if before else []
    return [*pairs, (slice(end, size), last)] if after else pairs


def _bordered_x(grad: Tensor, widths: Widths, mode: str) -> Tensor:
    return unbordered(grad, widths, mode)


@op(x=_bordered_x)
def bordered(xp: Any, x: Array, widths: Widths, mode: str) -> Array:
    """``widths`` elements around each axis that repeat those inside; memory order is kept."""
    shape = tuple(size + before + after for size, (before, after) in zip(x.shape, widths, strict=True))
    out = xp.empty_like(x, shape=shape)
    out[tuple(slice(before, before + size) for size, (before, _) in zip(x.shape, widths, strict=True))] = x
    # Axis by axis; what earlier axes have not grown yet is not looked at.
    rest = [slice(before, before + size) for size, (before, _) in zip(x.shape, widths, strict=True)]
    for axis, (before, after) in enumerate(widths):
        whole_axis = (*[slice(None)] * axis, slice(None), *rest[axis + 1 :])
        for border, inside in _strips(shape[axis], before, after, mode):
            out[_at(whole_axis, axis, border)] = out[_at(whole_axis, axis, inside)]
    return out


def _at(index: tuple[slice, ...], axis: int, part: slice) -> tuple[slice, ...]:
    return (*index[:axis], part, *index[axis + 1 :])


def _unbordered_x(grad: Tensor, widths: Widths, mode: str) -> Tensor:
    return bordered(grad, widths, mode)


@op(x=_unbordered_x)
def unbordered(xp: Any, x: Array, widths: Widths, mode: str) -> Array:
    """The inner part, with what lies around it added to the elements that it repeats."""
    out = x.astype(accumulator(x.dtype), copy=True)
    rest = [slice(before, size - after) for size, (before, after) in zip(x.shape, widths, strict=True)]
    for axis in reversed(range(x.ndim)):
        index = (*[slice(None)] * axis, slice(None), *rest[axis + 1 :])
        for border, inside in _strips(x.shape[axis], *widths[axis], mode):
            part = out[_at(index, axis, border)]
            out[_at(index, axis, inside)] += part.sum(axis, keepdims=True) if mode == "replicate" else part
    return out[tuple(rest)].astype(x.dtype, copy=False)
