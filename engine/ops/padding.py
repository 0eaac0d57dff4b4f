"""Elements added around a tensor, or cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dtype import Array
from ..errors import SettingError, ShapeError
from ..op import op
from ..tensor import Tensor, tensor_like
from .shape import broadcast_to, cat_along, whole

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
    if mode not in _BORDERS:
        raise SettingError(f"pad: mode {mode!r} is not known; give 'constant', 'reflect', 'replicate' or 'circular'")
    if value:
        raise SettingError(f"pad: mode {mode!r} takes its elements from the tensor; leave out value={value!r}")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = _extended(x, axis, before, after, mode)
    return x


def _extended(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """One axis, grown or cut at both ends: pieces of the tensor put behind one another."""
    size = x.shape[axis]
    limit = size - 1 if mode == "reflect" else size
    if size == 0 or (mode != "replicate" and max(before, after) > limit):
        raise ShapeError(
            f"pad: mode {mode!r} can add up to {max(limit, 0)} elements at axis {axis} of shape {tuple(x.shape)}, not {(before, after)}"
        )
    middle = _piece(x, axis, slice(max(-before, 0), size - max(-after, 0)))
    # What wraps around is what is left after cutting; mirrors and borders stand where they stood.
    first, last = _BORDERS[mode](middle if mode == "circular" else x, axis, max(before, 0), max(after, 0))
    pieces = [piece for piece in (first, middle, last) if piece is not None and piece.shape[axis]]
    return pieces[0] if len(pieces) == 1 else cat_along(*pieces, axis=axis)


def _piece(x: Tensor, axis: int, part: slice) -> Tensor:
    from .index import items

    return items(x, (slice(None),) * axis + (part,))


def _reflect(x: Tensor, axis: int, before: int, after: int) -> tuple[Tensor | None, Tensor | None]:
    size = x.shape[axis]
    # A slice that runs down to the first element has no number for its end.
    stop = size - 2 - after if size - 2 - after >= 0 else None
    return (
        _piece(x, axis, slice(before, 0, -1)) if before else None,
        _piece(x, axis, slice(size - 2, stop, -1)) if after else None,
    )


def _replicate(x: Tensor, axis: int, before: int, after: int) -> tuple[Tensor | None, Tensor | None]:
    def repeated(part: slice, count: int) -> Tensor | None:
        shape = tuple(count if i == axis else size for i, size in enumerate(x.shape))
        return broadcast_to(_piece(x, axis, part), shape) if count else None

    return repeated(slice(0, 1), before), repeated(slice(x.shape[axis] - 1, None), after)


def _circular(x: Tensor, axis: int, before: int, after: int) -> tuple[Tensor | None, Tensor | None]:
    size = x.shape[axis]
    if max(before, after) > size:
        raise ShapeError(f"pad: mode 'circular' cannot add {(before, after)} to the {size} elements that are left")
    return (
        _piece(x, axis, slice(size - before, None)) if before else None,
        _piece(x, axis, slice(0, after)) if after else None,
    )


_BORDERS = {"reflect": _reflect, "replicate": _replicate, "circular": _circular}
