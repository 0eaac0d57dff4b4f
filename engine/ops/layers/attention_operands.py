"""What an attention is given: whether query, key and value fit, and their heads cut apart where they lie side by side."""

from __future__ import annotations

from typing import Any

from ...dtype import Array, float32, is_floating
from ...errors import DtypeError, ShapeError
from ...modes import is_narrowing
from .heads import Parts, in_heads, thirds

__all__: list[str] = []


def check_attention(query: Any, key: Any, value: Any) -> None:
    """Refuse operands whose last two axes do not fit."""
    first, second, third = query.shape, key.shape, value.shape
    if len(first) < 2 or len(second) < 2 or len(third) < 2 or first[-1] != second[-1] or second[-2] != third[-2]:
        raise ShapeError(
            f"attention: query {tuple(query.shape)} and key {tuple(key.shape)} must agree in their last axis, "
            f"key and value {tuple(value.shape)} in the one before"
        )
    _check_dtypes(query, key, value)


def check_heads(query: Any, key: Any, value: Any, heads: int) -> int:
    """Refuse operands (batch, length, heads width) that do not fit; the width of a head of queries."""
    first, second, third = query.shape, key.shape, value.shape
    if (
        not len(first) == len(second) == len(third) == 3
        or not first[0] == second[0] == third[0]
        or first[2] != second[2]
        or second[1] != third[1]
        or not _divides(heads, first[2])
        or not _divides(heads, third[2])
    ):
        raise ShapeError(
            f"attention: with {heads!r} heads side by side query (batch, queries, width), key (batch, keys, width) and value (batch, keys, width of "
            f"value) are wanted, and widths that the heads divide, not {tuple(first)}, {tuple(second)} and {tuple(third)}"
        )
    _check_dtypes(query, key, value)
    width: int = first[2] // heads
    return width


def check_packed(query: Any, heads: int, alone: bool = True) -> int:
    """Refuse what cannot hold queries, keys and values side by side, (batch, length, 3 heads width); the width of a head."""
    shape = query.shape
    if not alone or len(shape) != 3 or shape[2] % 3 or not _divides(heads, shape[2] // 3):
        raise ShapeError(
            f"attention: without key and value the query must hold all three, (batch, length, 3 x heads x width), of {heads!r} heads, "
            f"not {tuple(shape)}{'' if alone else '; give key and value both, or neither'}"
        )
    _check_dtypes(query, query, query)
    width: int = shape[2] // 3 // heads
    return width


def parts_in_heads(query: Array, key: Array | None, value: Array | None, heads: int) -> Parts | None:
    """Views of the operands of ``attend`` with an axis for the ``heads``; None where they cannot be cut so."""
    if key is None or value is None:
        if key is not value or query.ndim != 3 or query.shape[2] % 3:
            return None
        query, key, value = thirds(query)
    for array in (query, key, value):
        if array.ndim != 3 or not _divides(heads, array.shape[2]):
            return None
    return in_heads(query, heads), in_heads(key, heads), in_heads(value, heads)


def _divides(heads: Any, width: int) -> bool:
    return heads.__class__ is int and heads > 0 and not width % heads


def _check_dtypes(query: Any, key: Any, value: Any) -> None:
    dtype = query.dtype
    if dtype is key.dtype is value.dtype and (dtype is float32 or is_floating(dtype)):
        return
    if dtype == key.dtype == value.dtype and is_floating(dtype):
        return
    if not is_narrowing() or not all(
        is_floating(each.dtype) for each in (query, key, value)
    ):  # brings them to one dtype
        raise DtypeError(
            f"attention: query, key and value must have one floating-point dtype, not {query.dtype}, {key.dtype} and {value.dtype}; convert with .to(dtype)"
        )
