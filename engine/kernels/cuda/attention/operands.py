"""The operands of an attention on their way to cuDNN: whether they are one attention's, how they lie, and which must be copied first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ....dtype import Array, Dtype
from ....ops.layers import blockwise
from ..layout import dense_order, maker
from ..machine import Machine
from ..program import SCALARS
from ..shapes.transposing import copy_like
from .graph import Laid, Sizes, fourfold

__all__ = [
    "ALIGNED",
    "Operands",
    "dense",
    "fetcher",
    "gradients_like",
    "is_one_attention",
    "is_readable",
    "laid_out",
    "operands_of",
    "places_of",
    "result_in_heads",
    "result_like",
    "strides_of",
]

WIDEST = 256
FEWEST_QUERIES = 16
"""Fewer queries are the steps of a decoder, whose keys grow with each: products serve them without a new engine each time."""
ALIGNED = 16
"""What addresses are multiples of."""


def is_one_attention(query: Array, key: Array, value: Array, bias: Array | None) -> bool:
    """Whether these are the operands of one attention, and not empty; the body says what is wrong where they are not."""
    if (
        query.dtype not in SCALARS
        or not query.dtype == key.dtype == value.dtype
        or min(query.ndim, key.ndim, value.ndim) < 2
    ):
        return False
    if bias is not None and bias.dtype != query.dtype:
        return False
    if (
        query.shape[-1] != key.shape[-1]
        or key.shape[-2] != value.shape[-2]
        or 0 in (*query.shape, *key.shape, *value.shape)
    ):
        return False
    try:
        others = () if bias is None else bias.shape[:-2]
        np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2], others)
        return bias is None or np.broadcast_shapes(bias.shape[-2:], (query.shape[-2], key.shape[-2])) == (query.shape[-2], key.shape[-2])  # fmt: skip
    except ValueError:
        return False


@dataclass
class Operands:
    """How query, key, value and bias go to cuDNN: their layouts, and which of them are copied first."""

    query: Laid
    key: Laid
    value: Laid
    bias: Laid | None
    grouped: bool
    copied: tuple[bool, bool, bool]


def operands_of(here: Machine, query: Array, key: Array, value: Array, bias: Array | None) -> Operands | None:
    """None where cuDNN has no engine for them."""
    grouped = query.ndim == key.ndim == value.ndim == 5 and key.shape[2] == value.shape[2] == 1
    found: list[Laid] = []
    copied = []
    for array in (query, key, value):
        laid = fourfold(array.shape, strides_of(array), grouped)
        copied.append(laid is None or not is_readable(laid) or here.address(array) % ALIGNED != 0)
        laid = fourfold(array.shape, dense(array.shape), grouped) if copied[-1] else laid
        if laid is None:
            return None
        found.append(laid)
    first, second, third = found
    entries, heads, queries, width = first.shape
    if second.shape[0] != entries or third.shape[:3] != second.shape[:3] or heads % second.shape[1]:
        return None
    if queries < FEWEST_QUERIES or max(width, third.shape[3]) > WIDEST or width % 8 or third.shape[3] % 8:
        return None
    added = None
    if bias is not None:
        laid = fourfold(bias.shape, strides_of(bias), grouped)
        whole = (entries, heads, queries, second.shape[2])
        if laid is None or any(n not in (1, most) for n, most in zip(laid.shape, whole, strict=True)):
            return None
        added = laid
    return Operands(first, second, third, added, grouped, (copied[0], copied[1], copied[2]))


def is_readable(laid: Laid) -> bool:
    """Whether cuDNN's engines read an operand as it lies: rows without gaps, everything else at multiples of 16 bytes."""
    *outer, (width, step) = zip(laid.shape, laid.strides, strict=True)
    return (width == 1 or step == 1) and all(n == 1 or (stride > 0 and stride % 8 == 0) for n, stride in outer)


def result_like(here: Machine, query: Array, width: int, grouped: bool) -> tuple[Callable[[], Array], Laid]:
    """What makes memory for a result, its axes in the order that the query's have in memory, and how it lies."""
    shape = (*query.shape[:-1], width)
    axes = range(query.ndim - 1)
    order = (*sorted(axes, key=lambda axis: (-abs(query.strides[axis]), axis)), query.ndim - 1)
    strides = [0] * query.ndim
    step = 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    laid = fourfold(shape, tuple(0 if n == 1 else s for n, s in zip(shape, strides, strict=True)), grouped)
    if laid is None or 0 in (s for n, s in zip(query.shape, query.strides, strict=True) if n > 1):
        order = tuple(range(query.ndim))
        laid = fourfold(shape, dense(shape), grouped)
    assert laid is not None
    return maker(here, shape, query.dtype, order), laid


def places_of(
    here: Machine, query: Array, key: Array | None, value: Array | None
) -> tuple[int, int, int, tuple[Any, ...] | None]:
    """Where query, key and value begin, 0 for those that lie behind the query, and how the last two lie."""
    if key is None or value is None:
        return here.address(query), 0, 0, None
    others = key.shape, key.strides, key.dtype, value.shape, value.strides, value.dtype
    return here.address(query), here.address(key), here.address(value), others


def result_in_heads(here: Machine, query: Array, width: int) -> tuple[Callable[[], Array], Laid]:
    """The same for heads that lie side by side, (batch, length, heads width); the query is a view of such."""
    batch, heads, length = query.shape[:3]
    steps = (length * heads * width, width, heads * width, 1)
    shape = (batch, heads, length, width)
    laid = Laid(shape, tuple(0 if n == 1 else step for n, step in zip(shape, steps, strict=True)))
    return maker(here, (batch, length, heads * width), query.dtype), laid


def gradients_like(
    here: Machine, query: Array, key: Array, value: Array
) -> tuple[Callable[[], tuple[Array, ...]], tuple[Array, ...]]:
    """For plans: what makes memory for the three gradients, each lying as its operand does; and three such arrays."""
    dtype, together = query.dtype, blockwise.maker_of_three(query, key, value)
    three = together(here.empty, dtype)
    if blockwise.are_side_by_side(query, key, value):
        return partial(together, here.empty, dtype), three
    first, second, third = (maker(here, each.shape, dtype, dense_order(each)) for each in three)
    return lambda: (first(), second(), third()), three


def laid_out(here: Machine, laid: Laid, dtype: Dtype) -> Array:
    """Zeros that lie as cuDNN is told."""
    steps = [n * step for n, step in zip(laid.shape, laid.strides, strict=True)]
    room = here.zeros((max(1, *steps),), dtype)
    strides = tuple(step * dtype.itemsize for step in laid.strides)
    view: Array = here.xp.lib.stride_tricks.as_strided(room, laid.shape, strides)
    return view


def strides_of(array: Array) -> Sizes:
    """In elements, and 0 along axes of one element."""
    size = array.itemsize
    return tuple(0 if n == 1 else step // size for n, step in zip(array.shape, array.strides, strict=True))


def dense(shape: Sizes) -> Sizes:
    """In elements, of an array without gaps that is stored by rows."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def fetcher(given: Operands) -> Callable[[Array, Array, Array], tuple[Array, ...]]:
    """What gives query, key and value as cuDNN reads them."""
    copied = given.copied

    def fetch(*arrays: Array) -> tuple[Array, ...]:
        return tuple([copy_like(array) if must else array for array, must in zip(arrays, copied, strict=True)])

    return fetch
