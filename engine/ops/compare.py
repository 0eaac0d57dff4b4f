"""Comparisons and logic: results are booleans, and nothing has a gradient."""

from __future__ import annotations

from typing import Any

from ..dtype import Array
from ..op import comparison, elementwise

__all__ = [
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "eq",
    "ge",
    "gt",
    "isfinite",
    "isnan",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "lt",
    "ne",
]


@comparison()
def eq(xp: Any, x: Array, y: Array) -> Array:
    """Whether x = y."""
    return x == y


@comparison()
def ne(xp: Any, x: Array, y: Array) -> Array:
    """Whether x and y differ."""
    return x != y


@comparison()
def lt(xp: Any, x: Array, y: Array) -> Array:
    """Whether x < y."""
    return x < y


@comparison()
def le(xp: Any, x: Array, y: Array) -> Array:
    """Whether x <= y."""
    return x <= y


@comparison()
def gt(xp: Any, x: Array, y: Array) -> Array:
    """Whether x > y."""
    return x > y


@comparison()
def ge(xp: Any, x: Array, y: Array) -> Array:
    """Whether x >= y."""
    return x >= y


@elementwise()
def logical_and(xp: Any, x: Array, y: Array) -> Array:
    """Whether both are other than 0."""
    return xp.logical_and(x, y)


@elementwise()
def logical_or(xp: Any, x: Array, y: Array) -> Array:
    """Whether one of them is other than 0."""
    return xp.logical_or(x, y)


@elementwise()
def logical_not(xp: Any, x: Array) -> Array:
    """Whether x is 0."""
    return xp.logical_not(x)


@elementwise()
def bitwise_and(xp: Any, x: Array, y: Array) -> Array:
    """The bits set in both; for booleans, and."""
    return x & y


@elementwise()
def bitwise_or(xp: Any, x: Array, y: Array) -> Array:
    """The bits set in either; for booleans, or."""
    return x | y


@elementwise()
def bitwise_xor(xp: Any, x: Array, y: Array) -> Array:
    """The bits set in just one; for booleans, either but not both."""
    return x ^ y


@elementwise()
def bitwise_not(xp: Any, x: Array) -> Array:
    """Every bit turned over; for booleans, not."""
    return ~x


@elementwise()
def isnan(xp: Any, x: Array) -> Array:
    """Whether x is not a number."""
    return x != x


@elementwise()
def isfinite(xp: Any, x: Array) -> Array:
    """Whether x is neither infinite nor NaN."""
    return xp.isfinite(x)
