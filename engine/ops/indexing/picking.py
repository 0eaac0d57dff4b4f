"""Picking elements by functions: along an axis, from the flat tensor, by a mask; and where elements are."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ...bounds import left_to_gpu
from ...dtype import Array, kind
from ...errors import DtypeError, ShapeError
from ...op import op
from ...tensor import Tensor, tensor_like, tensor_of
from ..reductions.reduction import one_axis
from ..shapes.shape import expand, reshape, whole
from .accumulation import lies_within
from .index import gather_along, items, spread_items

__all__ = [
    "argwhere",
    "as_strided",
    "combinations",
    "index_select",
    "masked_select",
    "nonzero",
    "take",
    "take_along_dim",
    "take_slices",
    "unravel_index",
]


def integers(name: str, index: Any) -> Tensor:
    """An index that holds integers, checked."""
    found = tensor_like(name, index)
    if kind(found.dtype) != 1 and found.numel():
        raise DtypeError(f"{name}: the index must hold integers, not {found.dtype}; convert with .long()")
    return found


def _take_slices_x(grad: Tensor, x_shape: tuple[int, ...], index: Tensor, axis: int) -> Tensor:
    return spread_items(grad, x_shape, (slice(None),) * axis + (index.array,))


@op(x=_take_slices_x)
def take_slices(xp: Any, x: Array, index: Array, *, axis: int) -> Array:
    """The slices along ``axis`` whose numbers ``index`` (n) holds, in that order."""
    size = x.shape[axis]
    if not lies_within(index, size, "index_select"):
        raise ShapeError(
            f"index_select: index holds {index.min()} to {index.max()}, but axis {axis} of shape {tuple(x.shape)} takes {-size} to {size - 1}"
        )
    return x.take(index.astype("int64", copy=False), axis)


def index_select(x: Tensor, dim: int, index: Any) -> Tensor:
    """The slices along ``dim`` whose numbers ``index`` (n) holds, in that order."""
    x, place = tensor_like("index_select", x), integers("index_select", index)
    if place.ndim > 1:
        raise ShapeError(f"index_select: index has one axis at most, not shape {tuple(place.shape)}")
    if not x.ndim:
        return reshape(take_slices(reshape(x, (1,)), reshape(place, (place.numel(),)), axis=0), ())
    return take_slices(x, reshape(place, (place.numel(),)), axis=one_axis("index_select", dim, x.ndim))


def take(x: Tensor, index: Any) -> Tensor:
    """The elements of the flat tensor that ``index`` names, in the shape of ``index``."""
    x, place = tensor_like("take", x), integers("take", index)
    flat = reshape(x, (x.numel(),))
    return reshape(take_slices(flat, reshape(place, (place.numel(),)), axis=0), place.shape)


def take_along_dim(x: Tensor, indices: Any, dim: int | None = None) -> Tensor:
    """The element at each index along ``dim`` (in the flat tensors if None); the other axes broadcast."""
    x, place = tensor_like("take_along_dim", x), integers("take_along_dim", indices)
    if dim is None:
        return gather_along(reshape(x, (x.numel(),)), reshape(place, (place.numel(),)), axis=0)
    if x.ndim != place.ndim:
        raise ShapeError(
            f"take_along_dim: x {tuple(x.shape)} and indices {tuple(place.shape)} must have as many axes as one another"
        )
    axis = one_axis("take_along_dim", dim, x.ndim)
    try:
        other = np.broadcast_shapes(_without(x.shape, axis), _without(place.shape, axis))
    except ValueError:
        raise ShapeError(
            f"take_along_dim: x {tuple(x.shape)} and indices {tuple(place.shape)} do not broadcast beside axis {dim}"
        ) from None
    wide = (*other[:axis], x.shape[axis], *other[axis + 1 :])
    places = (*other[:axis], place.shape[axis], *other[axis + 1 :])
    return gather_along(expand(x, wide), expand(place, places), axis=axis)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return tuple(1 if i == axis else size for i, size in enumerate(shape))


def masked_select(x: Tensor, mask: Any) -> Tensor:
    """The elements where the mask holds, in row order along one axis; x and mask broadcast."""
    from ..shapes.axes import broadcast_tensors

    x, mask = tensor_like("masked_select", x), tensor_like("masked_select", mask)
    if mask.dtype != bool:
        raise DtypeError(f"masked_select: the mask must be boolean, not {mask.dtype}; compare it with something")
    x, mask = broadcast_tensors(x, mask)
    return items(x, (mask.array,))


def nonzero(x: Tensor, *, as_tuple: bool = False) -> Any:
    """Where elements are other than 0: (found, axes), or with ``as_tuple`` a vector for each axis, which can serve as an index."""
    array = tensor_like("nonzero", x).array
    if as_tuple:
        return tuple(tensor_of(found) for found in array.reshape(array.shape or (1,)).nonzero())
    found = array.reshape(array.shape or (1,)).nonzero()
    if not array.ndim:
        return tensor_of(np.zeros((found[0].size, 0), np.int64))
    return tensor_of(np.stack(found, 1) if isinstance(array, np.ndarray) else _stacked(array, found))


def _stacked(array: Array, found: Any) -> Array:
    from ...device import namespace

    return namespace(array).stack(found, 1)


def argwhere(x: Tensor) -> Tensor:
    """The coordinates of elements other than 0: (found, axes)."""
    return nonzero(x)  # type: ignore[no-any-return]


def as_strided(x: Tensor, size: Any, stride: Any, storage_offset: int = 0) -> Tensor:
    """Elements of the flat tensor, taken in row order, at ``storage_offset`` + the sum of place times ``stride``. A copy."""
    x = tensor_like("as_strided", x)
    sizes, steps = (whole("as_strided", list(v) if isinstance(v, (tuple, list)) else [v]) for v in (size, stride))
    if len(sizes) != len(steps) or any(n < 0 for n in (*sizes, *steps)):
        raise ShapeError(f"as_strided: wants a stride from 0 for each size, not {sizes} and {steps}")
    places = np.asarray(whole("as_strided", storage_offset))
    for n, step in zip(sizes, steps, strict=True):
        places = places[..., None] + np.arange(n) * step
    return take(x, tensor_of(places).to(device=x.device))


def combinations(x: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, in order: (choices, r)."""
    x = tensor_like("combinations", x)
    count = whole("combinations", r)
    if x.ndim != 1 or count < 0:
        raise ShapeError(f"combinations: wants a vector and a number from 0, not shape {tuple(x.shape)} and {r}")
    if count == 0:
        return items(x, (slice(0),))
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    chosen = np.array(list(choose(range(x.numel()), count)), np.int64).reshape(-1, count)
    return take(x, tensor_of(chosen).to(device=x.device))


def unravel_index(indices: Any, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates in a tensor of ``shape`` of places in the flat tensor: a tensor for each axis."""
    place = integers("unravel_index", indices)
    sizes = whole("unravel_index", list(shape) if isinstance(shape, (tuple, list)) else [shape])
    wrong = f"unravel_index: places in shape {sizes} are 0 to {math.prod(sizes) - 1}"
    if not left_to_gpu(place.array, 0, math.prod(sizes) - 1, f"{wrong}, not {{0}}") and (
        not lies_within(place.array, math.prod(sizes)) or (place.numel() and int(place.array.min()) < 0)
    ):
        raise ShapeError(wrong)
    left, found = place.array, []
    for size in reversed(sizes):
        found.append(tensor_of(left % size))
        left = left // size
    return tuple(reversed(found))
