"""Cutting a tensor apart along an axis. All pieces are views, and results of one operation: their gradients are joined in one pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...dtype import Array
from ...errors import SettingError, ShapeError
from ...op import Op
from ...tensor import Tensor, tensor_like
from ..indexing.index import items
from ..reductions.reduction import one_axis
from .create import zeros
from .shape import cat_along, stack_along, whole

__all__ = [
    "chunk",
    "dsplit",
    "hsplit",
    "split",
    "tensor_split",
    "unbind",
    "vsplit",
]


def _pieces_x(
    grads: tuple[Tensor | None, ...], x_shape: tuple[int, ...], axis: int, cuts: tuple[int, ...], drop: bool
) -> Tensor:
    """The pieces' gradients behind one another, zeros for those that were not used."""
    given = next(grad for grad in grads if grad is not None)
    parts = []
    for grad, start, stop in zip(grads, cuts[:-1], cuts[1:], strict=True):
        if grad is None:
            size = () if drop else (stop - start,)
            grad = zeros((*x_shape[:axis], *size, *x_shape[axis + 1 :]), dtype=given.dtype, device=given.device)
        parts.append(grad)
    return stack_along(*parts, axis=axis) if drop else cat_along(*parts, axis=axis)


@lru_cache(maxsize=256)
def _cutting(count: int) -> Callable[..., tuple[Tensor, ...]]:
    """The operation that gives so many pieces."""

    def pieces(xp: Any, x: Array, axis: int, cuts: tuple[int, ...], drop: bool) -> tuple[Array, ...]:
        """The parts of x between ``cuts`` along ``axis``; with ``drop``, of one element each, without that axis."""
        before = (slice(None),) * axis
        if drop:
            return tuple([x[(*before, start)] for start in cuts[:-1]])
        return tuple([x[(*before, slice(start, stop))] for start, stop in itertools.pairwise(cuts)])

    return Op(pieces, {"x": _pieces_x}, outputs=count, listed=False)


def _cut(x: Tensor, axis: int, cuts: tuple[int, ...], drop: bool = False) -> tuple[Tensor, ...]:
    if len(cuts) == 2:
        return (items(x, (slice(None),) * axis + (cuts[0] if drop else slice(*cuts),)),)
    return _cutting(len(cuts) - 1)(x, axis, cuts, drop)


def split(x: Tensor, sizes: int | Sequence[int], axis: int = 0, *, dim: int | None = None) -> tuple[Tensor, ...]:
    """Pieces of ``sizes`` along ``axis``: all of one size (the last may be smaller), or as listed."""
    x = tensor_like("split", x)
    axis = axis if dim is None else dim
    place = one_axis("split", axis, x.ndim)
    length = x.shape[place]
    sizes = whole("split", sizes)
    if isinstance(sizes, int):
        if sizes < 1:
            raise SettingError(f"split: the size of a piece must be at least 1, not {sizes}")
        return _cut(x, place, (*range(0, length, sizes), length) if length else (0, 0))
    if sum(sizes) != length or any(size < 0 for size in sizes):
        raise ShapeError(
            f"split: the sizes {list(sizes)} must add up to {length}, the length of axis {axis} of shape {tuple(x.shape)}"
        )
    return _cut(x, place, (0, *itertools.accumulate(sizes)))


def chunk(x: Tensor, chunks: int, axis: int = 0, *, dim: int | None = None) -> tuple[Tensor, ...]:
    """At most ``chunks`` pieces of equal size along ``axis``, the last perhaps smaller."""
    axis = axis if dim is None else dim
    x = tensor_like("chunk", x)
    if isinstance(chunks, bool) or not isinstance(chunks, (int, np.integer)) or chunks < 1:
        raise SettingError(f"chunk: the number of chunks must be a whole number of at least 1, not {chunks!r:.60}")
    length = x.shape[one_axis("chunk", axis, x.ndim)]
    return split(x, max(-(-length // chunks), 1), axis)


def unbind(x: Tensor, axis: int = 0, *, dim: int | None = None) -> tuple[Tensor, ...]:
    """The slices along ``axis``, that axis gone."""
    x = tensor_like("unbind", x)
    place = one_axis("unbind", axis if dim is None else dim, x.ndim)
    return _cut(x, place, tuple(range(x.shape[place] + 1)), True) if x.shape[place] else ()


def tensor_split(x: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces along an axis: so many, of sizes that differ by at most one, or cut before the given places."""
    x = tensor_like("tensor_split", x)
    axis = one_axis("tensor_split", dim, x.ndim)
    length = x.shape[axis]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    given = whole("tensor_split", indices_or_sections)
    if isinstance(given, int):
        if given < 1:
            raise SettingError(f"tensor_split: the number of pieces must be at least 1, not {given}")
        small, larger = divmod(length, given)
        return _cut(x, axis, tuple(i * small + min(i, larger) for i in range(given + 1)))
    bounds = [slice(start, stop).indices(length)[:2] for start, stop in itertools.pairwise((0, *given, length))]
    if all(a[1] == b[0] for a, b in itertools.pairwise(bounds)):
        return _cut(x, axis, (0, *(stop for _, stop in bounds)))
    # Places out of order: pieces overlap, or leave something out.
    return tuple(items(x, (slice(None),) * axis + (slice(*bound),)) for bound in bounds)


def _split_along(name: str, x: Tensor, given: Any, axis: int, least: int) -> tuple[Tensor, ...]:
    x = tensor_like(name, x)
    if x.ndim < least:
        raise ShapeError(f"{name}: needs at least {least} axes, but the shape is {tuple(x.shape)}")
    sections = whole(name, given)
    if isinstance(sections, int) and (sections < 1 or x.shape[axis] % sections):
        raise ShapeError(
            f"{name}: the {x.shape[axis]} elements of axis {axis} of shape {tuple(x.shape)} do not split into {given} equal pieces"
        )
    return tensor_split(x, sections, axis)


def hsplit(x: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal pieces, or pieces cut before the given places, along the second axis (the only one of a vector)."""
    return _split_along("hsplit", x, indices_or_sections, 0 if tensor_like("hsplit", x).ndim == 1 else 1, 1)


def vsplit(x: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Likewise along the first axis."""
    return _split_along("vsplit", x, indices_or_sections, 0, 2)


def dsplit(x: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Likewise along the third axis."""
    return _split_along("dsplit", x, indices_or_sections, 2, 3)
