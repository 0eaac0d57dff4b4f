"""Changing a tensor's shape, and joining and cutting tensors."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...dtype import Array, result_type
from ...errors import ArgumentError, ShapeError
from ...node import Node
from ...op import op
from ...tensor import Tensor, tensor_like
from ..reductions.reduction import broadcast_number, normal_axes, one_axis

__all__ = [
    "broadcast_to",
    "cat",
    "expand",
    "flatten",
    "flip",
    "permute",
    "reshape",
    "roll",
    "squeeze",
    "stack",
    "transpose",
    "unsqueeze",
]

ndarray = np.ndarray


def _reshape_x(grad: Tensor, x_shape: tuple[int, ...]) -> Tensor:
    return reshape.one(grad, {"shape": x_shape})


@op(x=_reshape_x)
def reshape(xp: Any, x: Array, shape: tuple[int, ...]) -> Array:
    """The elements in row order in another shape; one size may be -1. A view where strides allow."""
    if math.prod(shape) == x.size and not (shape and min(shape) < 0):
        return x.reshape(shape)
    known = math.prod(size for size in shape if size != -1)
    fits = x.size == known if -1 not in shape else known > 0 and x.size % known == 0
    if not fits or sum(size == -1 for size in shape) > 1 or any(size < -1 for size in shape):
        raise ShapeError(
            f"reshape: {x.size} elements of shape {tuple(x.shape)} do not fit {tuple(shape)}; the sizes must multiply to {x.size}, with at most one -1"
        )
    return x.reshape(shape)


@reshape.directly
def _reshape_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    return [reshape.compute(arrived.array, shape=node.edges[0].shape)]


def _permute_x(grad: Tensor, axes: tuple[int, ...]) -> Tensor:
    return permute.one(grad, {"axes": _back(tuple(axes))})


@lru_cache(256)
def _is_order(axes: tuple[int, ...], ndim: int) -> bool:
    return sorted(axes) == [*range(ndim)]


@lru_cache(256)
def _back(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The order that undoes an order of axes."""
    return tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))


@op(x=_permute_x)
def permute(xp: Any, x: Array, axes: tuple[int, ...]) -> Array:
    """The axes in another order; a view."""
    if not _is_order(tuple(axes), x.ndim) and (
        len(axes) != x.ndim or len(normal_axes("permute", tuple(axes), x.ndim)) != x.ndim
    ):
        raise ShapeError(f"permute: {axes} must name each of the {x.ndim} axes of shape {tuple(x.shape)} once")
    return x.transpose(axes)


@permute.directly
def _permute_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    return [arrived.array.transpose(_back(tuple(node.settings["axes"])))]


@op(x=lambda grad: grad)
def broadcast_to(xp: Any, x: Array, shape: tuple[int, ...]) -> Array:
    """The tensor repeated over axes of size 1 and new leading axes; a view."""
    if x.size == 1 and type(x) is ndarray and x.ndim <= len(shape) and 0 not in shape:
        return broadcast_number(x, shape)
    return xp.broadcast_to(x, shape)


def expand(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """As ``broadcast_to``, where -1 keeps a size."""
    x = tensor_like("expand", x)
    shape = _sizes("expand", shape)
    extra = len(shape) - x.ndim
    sizes = tuple(x.shape[i - extra] if size == -1 and i >= extra else size for i, size in enumerate(shape))
    if extra < 0 or -1 in sizes or any(a not in (1, b) for a, b in zip(x.shape, sizes[extra:], strict=True)):
        raise ShapeError(
            f"expand: shape {tuple(x.shape)} does not stretch to {tuple(shape)}; only axes of size 1 and new leading axes can grow"
        )
    return broadcast_to(x, sizes)


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged; a view."""
    x = tensor_like("transpose", x)
    if type(dim0) is int and type(dim1) is int:
        return permute.one(x, {"axes": _exchanged(x.array.ndim, dim0, dim1)})
    return permute(x, _exchanged.__wrapped__(x.ndim, dim0, dim1))


@lru_cache(256)
def _exchanged(ndim: int, dim0: int, dim1: int) -> tuple[int, ...]:
    axes = list(range(ndim))
    first, second = one_axis("transpose", dim0, ndim), one_axis("transpose", dim1, ndim)
    axes[first], axes[second] = axes[second], axes[first]
    return tuple(axes)


def _sizes(name: str, sizes: Any) -> tuple[int, ...]:
    found = whole(name, sizes)
    return (found,) if isinstance(found, int) else found


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from ``start_dim`` to ``end_dim`` made one."""
    x = tensor_like("flatten", x)
    if x.ndim == 0:
        return reshape(x, (1,))
    start, end = one_axis("flatten", start_dim, x.ndim), one_axis("flatten", end_dim, x.ndim)
    if start > end:
        raise ShapeError(f"flatten: start_dim {start_dim} lies behind end_dim {end_dim} for shape {tuple(x.shape)}")
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


def squeeze(
    x: Tensor, axis: int | tuple[int, ...] | None = None, *, dim: int | tuple[int, ...] | None = None
) -> Tensor:
    """Without the axes of size 1, or without those of them that ``axis`` names."""
    axis = axis if dim is None else dim
    x = tensor_like("squeeze", x)
    axes = range(x.ndim) if axis is None else normal_axes("squeeze", axis, x.ndim)
    return reshape(x, tuple(size for i, size in enumerate(x.shape) if not (i in axes and size == 1)))


def unsqueeze(x: Tensor, axis: int = 0, *, dim: int | None = None) -> Tensor:
    """With a new axis of size 1 before ``axis``."""
    axis = axis if dim is None else dim
    x = tensor_like("unsqueeze", x)
    position = one_axis("unsqueeze", axis, x.ndim + 1)
    return reshape(x, (*x.shape[:position], 1, *x.shape[position:]))


def _flip_x(grad: Tensor, axes: tuple[int, ...]) -> Tensor:
    return flip(grad, axes)


@op(x=_flip_x)
def flip(xp: Any, x: Array, axes: tuple[int, ...]) -> Array:
    """The order reversed along ``axes``."""
    return xp.flip(x, normal_axes("flip", axes, x.ndim))


def _rolled_x(grad: Tensor, shifts: tuple[int, ...], axis: tuple[int, ...]) -> Tensor:
    return rolled(grad, tuple(-s for s in shifts), axis)


@op(x=_rolled_x)
def rolled(xp: Any, x: Array, shifts: tuple[int, ...], axis: tuple[int, ...]) -> Array:
    """Elements moved by ``shifts`` along ``axis``, those pushed out coming back at the other end."""
    return xp.roll(x, shifts, axis)


def roll(
    x: Tensor,
    shifts: int | tuple[int, ...],
    axis: int | tuple[int, ...] | None = None,
    *,
    dims: int | tuple[int, ...] | None = None,
) -> Tensor:
    """As ``rolled``; without an axis, through the flattened tensor."""
    axis = axis if dims is None else dims
    x = tensor_like("roll", x)
    shifts = whole("roll", shifts)
    steps = (shifts,) if isinstance(shifts, int) else shifts
    if axis is None:
        return reshape(rolled(flatten(x), (sum(steps),), (0,)), x.shape)
    axis = whole("roll", axis)
    axes = (axis,) if isinstance(axis, int) else axis
    if len(axes) != len(steps):
        raise ShapeError(f"roll: {len(steps)} shift(s) were given for {len(axes)} axes; give one for each")
    return rolled(x, steps, normal_axes("roll", axes, x.ndim))


def _cat_part(grad: Tensor, tensors_shape: tuple[tuple[int, ...], ...], position: int, axis: int) -> Tensor:
    from ..indexing.index import getitem

    start = sum(shape[axis] for shape in tensors_shape[:position])
    stop = start + tensors_shape[position][axis]
    return getitem(grad, (slice(None),) * (axis % grad.ndim) + (slice(start, stop),))


@op(tensors=_cat_part)
def cat_along(xp: Any, *tensors: Array, axis: int) -> Array:
    """Tensors of one dtype, one behind the other along ``axis``."""
    return xp.concatenate(tensors, axis)


def cat(tensors: Sequence[Tensor], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Tensors one behind the other along ``axis``; the other sizes must agree, dtypes are promoted."""
    tensors = _several("cat", tensors)
    axis = axis if dim is None else dim
    if not tensors:
        raise ShapeError("cat: needs at least one tensor")
    place = normal_axes("cat", axis, tensors[0].ndim)
    shapes = [t.shape for t in tensors]
    if not place or any(
        len(s) != len(shapes[0])
        or any(a != b for i, (a, b) in enumerate(zip(s, shapes[0], strict=True)) if i != place[0])
        for s in shapes
    ):
        raise ShapeError(
            f"cat: along axis {axis} the other sizes must agree, but the shapes are {', '.join(str(tuple(s)) for s in shapes)}"
        )
    return cat_along(*_of_one_dtype(tensors), axis=place[0])


def _of_one_dtype(tensors: list[Tensor]) -> list[Tensor]:
    dtype = tensors[0].dtype
    if all(t.dtype == dtype for t in tensors):
        return tensors
    dtype = result_type(*(t.array for t in tensors))
    return [t.to(dtype=dtype) for t in tensors]


def _several(name: str, tensors: Any) -> list[Tensor]:
    if not isinstance(tensors, Iterable) or isinstance(tensors, (str, bytes, Mapping)):
        raise ArgumentError(f"{name}: wants a list of tensors, not {type(tensors).__name__} ({tensors!r:.60})")
    return [tensor_like(name, t) for t in tensors]


def _stack_part(grad: Tensor, position: int, axis: int) -> Tensor:
    from ..indexing.index import items

    return items(grad, (slice(None),) * axis + (position,))


@op(tensors=_stack_part)
def stack_along(xp: Any, *tensors: Array, axis: int) -> Array:
    """Tensors of one shape and dtype side by side along a new axis."""
    return xp.stack(tensors, axis)


def stack(tensors: Sequence[Tensor], axis: int = 0, *, dim: int | None = None) -> Tensor:
    """Tensors of one shape side by side along a new axis."""
    tensors = _several("stack", tensors)
    axis = axis if dim is None else dim
    if len({t.shape for t in tensors}) != 1:
        raise ShapeError(
            f"stack: needs tensors of one shape, but was given {', '.join(str(tuple(t.shape)) for t in tensors) or 'none'}"
        )
    place = normal_axes("stack", axis, tensors[0].ndim + 1)[0]
    return stack_along(*_of_one_dtype(tensors), axis=place)


def whole(name: str, sizes: Any) -> Any:
    """Sizes as Python's whole numbers: one, or a tuple of several."""
    try:
        if isinstance(sizes, (tuple, list)):
            return tuple([operator.index(size) for size in sizes])
        return operator.index(sizes)
    except TypeError:
        raise ShapeError(f"{name}: wants whole numbers, not {sizes!r:.60}") from None
