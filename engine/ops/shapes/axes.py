"""Axes renamed, exchanged, turned, split and joined: views of other operations' making."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import SettingError, ShapeError
from ...tensor import Tensor, tensor_like
from ..reductions.reduction import normal_axes, one_axis
from .shape import expand, flip, permute, reshape, transpose, whole

__all__ = [
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "broadcast_shapes",
    "broadcast_tensors",
    "fliplr",
    "flipud",
    "moveaxis",
    "movedim",
    "narrow",
    "ravel",
    "rot90",
    "select",
    "swapaxes",
    "swapdims",
    "t",
    "unflatten",
]


def movedim(x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Tensor:
    """The axes ``source`` moved to the places ``destination``, the others keeping their order; a view."""
    x = tensor_like("movedim", x)
    sources, places = normal_axes("movedim", source, x.ndim), normal_axes("movedim", destination, x.ndim)
    if len(sources) != len(places):
        raise ShapeError(f"movedim: {len(sources)} source(s) but {len(places)} destination(s) were given")
    rest = iter(i for i in range(x.ndim) if i not in sources)
    back = dict(zip(places, sources, strict=True))
    return permute(x, tuple(back[i] if i in back else next(rest) for i in range(x.ndim))) if x.ndim else x


moveaxis = movedim


def swapaxes(x: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two axes exchanged; a view."""
    return transpose(x, axis0, axis1)


def swapdims(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged; a view."""
    return transpose(x, dim0, dim1)


def t(x: Tensor) -> Tensor:
    """A matrix transposed; fewer axes stay as they are."""
    x = tensor_like("t", x)
    if x.ndim > 2:
        raise ShapeError(f"t: wants at most two axes, not shape {tuple(x.shape)}; use .mT or transpose")
    return transpose(x, 0, 1) if x.ndim == 2 else x


def rot90(x: Tensor, k: int = 1, dims: tuple[int, int] = (0, 1)) -> Tensor:
    """Turned by ``k`` quarter turns from the first of ``dims`` towards the second."""
    x = tensor_like("rot90", x)
    axes = normal_axes("rot90", tuple(whole("rot90", list(dims))), x.ndim)
    if len(axes) != 2:
        raise ShapeError(f"rot90: dims names two axes, not {dims!r:.60} of shape {tuple(x.shape)}")
    turns = whole("rot90", k) % 4
    if turns == 0:
        return x
    if turns == 2:
        return flip(x, axes)
    return transpose(flip(x, axes[1:] if turns == 1 else axes[:1]), *axes)


def fliplr(x: Tensor) -> Tensor:
    """The order reversed along the second axis."""
    return flip(x, (one_of("fliplr", x, 2, 1),))


def flipud(x: Tensor) -> Tensor:
    """The order reversed along the first axis."""
    return flip(x, (one_of("flipud", x, 1, 0),))


def one_of(name: str, x: Tensor, least: int, axis: int) -> int:
    """An axis that a tensor of at least so many axes has."""
    if tensor_like(name, x).ndim < least:
        raise ShapeError(f"{name}: needs at least {least} axes, but the shape is {tuple(x.shape)}")
    return axis


def unflatten(x: Tensor, dim: int, sizes: Any) -> Tensor:
    """One axis made several of ``sizes``; one size may be -1."""
    x = tensor_like("unflatten", x)
    axis = one_axis("unflatten", dim, x.ndim)
    parts = whole("unflatten", sizes if isinstance(sizes, (tuple, list)) else (sizes,))
    known = math.prod(size for size in parts if size != -1)
    length = x.shape[axis]
    if (
        not parts
        or parts.count(-1) > 1
        or min(parts) < -1
        or (length % known if -1 in parts and known else length != known)
    ):
        raise ShapeError(
            f"unflatten: the {length} elements of axis {dim} of shape {tuple(x.shape)} do not fit the sizes {parts}"
        )
    filled = tuple(length // known if size == -1 and known else size for size in parts)
    return reshape(x, (*x.shape[:axis], *filled, *x.shape[axis + 1 :]))


def ravel(x: Tensor) -> Tensor:
    """All elements in row order along one axis; a view where strides allow."""
    return reshape(tensor_like("ravel", x), (-1,) if tensor_like("ravel", x).numel() else (0,))


def narrow(x: Tensor, dim: int, start: int, length: int) -> Tensor:
    """``length`` elements from ``start`` along an axis; a view."""
    from ..indexing.index import items

    x = tensor_like("narrow", x)
    axis = one_axis("narrow", dim, x.ndim)
    size = x.shape[axis]
    first, count = whole("narrow", int(start) if isinstance(start, Tensor) else start), whole("narrow", length)
    first = first + size if first < 0 else first
    if count < 0 or not 0 <= first <= size - count:
        raise ShapeError(
            f"narrow: elements {start} to {start} + {length} do not lie within the {size} along axis {dim} of shape {tuple(x.shape)}"
        )
    return items(x, (slice(None),) * axis + (slice(first, first + count),))


def select(x: Tensor, dim: int, index: int) -> Tensor:
    """The slice at ``index`` along an axis, that axis gone; a view."""
    from ..indexing.index import items

    x = tensor_like("select", x)
    axis = one_axis("select", dim, x.ndim)
    place = whole("select", index)
    if not -x.shape[axis] <= place < x.shape[axis]:
        raise ShapeError(
            f"select: index {index} is out of range for axis {dim} of size {x.shape[axis]}; give {-x.shape[axis]} to {x.shape[axis] - 1}"
        )
    return items(x, (slice(None),) * axis + (place,))


def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The shape that several shapes broadcast to."""
    sizes = [whole("broadcast_shapes", shape if isinstance(shape, (tuple, list)) else (shape,)) for shape in shapes]
    try:
        return np.broadcast_shapes(*sizes)
    except ValueError:
        raise ShapeError(
            f"broadcast_shapes: {', '.join(map(str, sizes))} do not broadcast: counted from the last axis, sizes must be equal or 1"
        ) from None


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Tensors expanded to the shape that they have together; views."""
    found = several("broadcast_tensors", tensors)
    shape = broadcast_shapes(*(x.shape for x in found))
    return tuple(x if x.shape == shape else expand(x, shape) for x in found)


def sum_to_size(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Summed over the axes along which ``size`` would have to be stretched: what undoes a broadcast."""
    extra = x.ndim - len(size)
    if extra < 0 or any(b not in (1, a) for a, b in zip(x.shape[max(extra, 0) :], size, strict=True)):
        raise ShapeError(f"sum_to_size: {tuple(size)} does not broadcast to {tuple(x.shape)}")
    axes = tuple(i for i in range(x.ndim) if i < extra or (size[i - extra] == 1 and x.shape[i] != 1))
    return reshape(x.sum(axes), size) if axes else x


def several(name: str, tensors: tuple[Any, ...]) -> list[Tensor]:
    """``f(a, b)`` and ``f([a, b])`` mean the same."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    return [tensor_like(name, x) for x in tensors]


def _grown(name: str, tensors: tuple[Any, ...], least: int) -> Any:
    if not tensors:
        raise SettingError(f"{name}: needs at least one tensor")
    single = len(tensors) == 1 and not isinstance(tensors[0], (tuple, list))
    results = []
    for x in several(name, tensors):
        shape = x.shape
        if x.ndim == 0:
            shape = (1,) * least
        elif x.ndim < least:
            # A vector is a row, and a matrix one deep.
            row = (1, *shape) if x.ndim == 1 else shape
            shape = (*row, 1) if least == 3 else row
        results.append(x if x.shape == shape else reshape(x, shape))
    return results[0] if single else tuple(results)


def atleast_1d(*tensors: Any) -> Any:
    """With an axis, where there is none. One tensor, or a tuple of several."""
    return _grown("atleast_1d", tensors, 1)


def atleast_2d(*tensors: Any) -> Any:
    """With two axes at least: (n) becomes (1, n)."""
    return _grown("atleast_2d", tensors, 2)


def atleast_3d(*tensors: Any) -> Any:
    """With three axes at least: (n) becomes (1, n, 1), (m, n) becomes (m, n, 1)."""
    return _grown("atleast_3d", tensors, 3)
