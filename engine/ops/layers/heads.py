"""Projections cut into heads, and heads put together again."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import Array
from ...errors import ShapeError
from ...op import op, op_with_results
from ...tensor import Tensor

__all__ = [
    "join_heads",
    "split_heads",
]

Parts = tuple[Array, Array, Array]


def _split_heads_x(grads: tuple[Tensor | None, ...], batch_first: bool) -> Tensor:
    given = next(g for g in grads if g is not None)
    query, key, value = (given * 0.0 if g is None else g for g in grads)
    return join_heads(query, key, value, batch_first=batch_first)


@op_with_results(3, x=_split_heads_x)
def split_heads(xp: Any, x: Array, *, heads: int, batch_first: bool) -> tuple[Array, Array, Array]:
    """Queries, keys and values, each (batch, heads, length, width of a head), of a projection that holds them side by side.

    x is (batch, length, 3 width), or (length, batch, 3 width); the results are views.
    """
    if x.ndim != 3 or x.shape[2] % (3 * heads):
        raise ShapeError(
            f"split_heads: the last of three axes must hold 3 x {heads} heads of equal width; x has shape {tuple(x.shape)}"
        )
    first, second, width = x.shape
    parts = x.reshape(first, second, 3, heads, width // (3 * heads))
    turned = parts.transpose((2, 0, 3, 1, 4) if batch_first else (2, 1, 3, 0, 4))
    return turned[0], turned[1], turned[2]


def _join_query(grad: Tensor, query_shape: tuple[int, ...], batch_first: bool) -> Tensor:
    return split_heads(grad, heads=query_shape[1], batch_first=batch_first)[0]


def _join_key(grad: Tensor, query_shape: tuple[int, ...], batch_first: bool) -> Tensor:
    return split_heads(grad, heads=query_shape[1], batch_first=batch_first)[1]


def _join_value(grad: Tensor, query_shape: tuple[int, ...], batch_first: bool) -> Tensor:
    return split_heads(grad, heads=query_shape[1], batch_first=batch_first)[2]


@op(query=_join_query, key=_join_key, value=_join_value)
def join_heads(xp: Any, query: Array, key: Array, value: Array, *, batch_first: bool) -> Array:
    """The projection that split_heads cut; what lies side by side already, as attention's gradients do, is not copied."""
    found = side_by_side(query, key, value, batch_first)
    if found is not None:
        return found
    batch, heads, length, width = query.shape
    outer = (batch, length) if batch_first else (length, batch)
    order = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    out = xp.empty((*outer, 3, heads, width), query.dtype)
    for place, part in enumerate((query, key, value)):
        out[:, :, place] = part.transpose(order)
    return out.reshape(*outer, 3 * heads * width)


def side_by_side(query: Array, key: Array, value: Array, batch_first: bool) -> Array | None:
    """The projection whose parts these are, or None where they are no parts of one."""
    batch, heads, length, width = query.shape
    outer = (batch, length) if batch_first else (length, batch)
    order = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    base = query.base
    if (
        isinstance(base, type(query))
        and base.shape == (*outer, 3, heads, width)
        and base.dtype == query.dtype
        and base.flags.c_contiguous
        and all(
            part.base is base and _is_at(part.transpose(order), base[:, :, place])
            for place, part in enumerate((query, key, value))
        )
    ):
        return base.reshape(*outer, 3 * heads * width)
    return None


def _is_at(array: Array, place: Array) -> bool:
    """Whether two arrays are the same memory in the same order."""
    same = array.shape == place.shape and array.strides == place.strides
    return same and address_of(array) == address_of(place)


def address_of(array: Array) -> int:
    """Where an array's first element lies."""
    address: int = array.__array_interface__["data"][0] if isinstance(array, np.ndarray) else array.data.ptr
    return address


def in_heads(array: Array, heads: int) -> Array:
    """The view (batch, heads, length, width of a head) of (batch, length, heads width)."""
    batch, length, width = array.shape
    return array.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)


def in_rows(array: Array) -> Array:
    """(batch, length, heads width) of (batch, heads, length, width of a head): a view where each row lies in one piece."""
    batch, heads, length, width = array.shape
    return array.transpose(0, 2, 1, 3).reshape(batch, length, heads * width)


def thirds(packed: Array) -> Parts:
    """The views of queries, keys and values (batch, length, width) that lie side by side in (batch, length, 3 width)."""
    width = packed.shape[-1] // 3
    return packed[..., :width], packed[..., width : 2 * width], packed[..., 2 * width :]


def whole_of_thirds(query: Array, key: Array, value: Array) -> Array | None:
    """The memory (batch, length, 3 width) that three arrays share as ``thirds`` cuts it; None where they do not."""
    batch, length, width = query.shape
    base, size = query.base, query.itemsize
    step = width * size
    if (
        not isinstance(base, type(query))
        or base.nbytes != 3 * query.nbytes
        or not base.flags.c_contiguous
        or not query.strides == key.strides == value.strides == (3 * length * step, 3 * step, size)
    ):
        return None
    start = address_of(base)
    if (address_of(query), address_of(key), address_of(value)) != (start, start + step, start + 2 * step):
        return None
    if base.dtype != query.dtype:  # of memory that is made as bytes
        base = base.reshape(-1).view(query.dtype)
    return base.reshape(batch, length, 3 * width)
