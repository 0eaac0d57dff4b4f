"""Comparisons and logic: results are booleans, and nothing has a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dtype import Array
from ...errors import DtypeError, SettingError
from ...op import comparison, elementwise
from ...tensor import tensor_like

__all__ = [
    "allclose",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "eq",
    "equal",
    "ge",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "le",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
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
def logical_xor(xp: Any, x: Array, y: Array) -> Array:
    """Whether just one of them is other than 0."""
    return xp.logical_xor(x, y)


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
def bitwise_left_shift(xp: Any, x: Array, y: Array) -> Array:
    """The bits of x moved up by y places: x 2^y, what leaves the dtype being lost."""
    return xp.left_shift(*_whole("bitwise_left_shift", x, y))


@elementwise()
def bitwise_right_shift(xp: Any, x: Array, y: Array) -> Array:
    """The bits of x moved down by y places: x / 2^y rounded down."""
    return xp.right_shift(*_whole("bitwise_right_shift", x, y))


def _whole(name: str, x: Array, y: Array) -> tuple[Array, Array]:
    if x.dtype.kind not in "iu":
        raise DtypeError(f"{name}: wants integers, not {x.dtype}; multiply or divide by a power of 2 instead")
    return x, y


@elementwise()
def isnan(xp: Any, x: Array) -> Array:
    """Whether x is not a number."""
    return x != x


@elementwise()
def isfinite(xp: Any, x: Array) -> Array:
    """Whether x is neither infinite nor NaN."""
    return xp.isfinite(x)


@elementwise()
def isinf(xp: Any, x: Array) -> Array:
    """Whether x is infinite."""
    return xp.isinf(x)


@elementwise()
def isposinf(xp: Any, x: Array) -> Array:
    """Whether x is infinity."""
    return x == xp.inf


@elementwise()
def isneginf(xp: Any, x: Array) -> Array:
    """Whether x is minus infinity."""
    return x == -xp.inf


@elementwise()
def isclose(xp: Any, x: Array, y: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """Whether |x - y| <= atol + rtol |y|; infinities are close to themselves alone, NaN to nothing unless ``equal_nan``."""
    if not (rtol >= 0 and atol >= 0):
        raise SettingError(f"isclose: rtol and atol are numbers from 0, not {rtol!r:.40} and {atol!r:.40}")
    same = x == y
    if x.dtype.kind == "b":
        return same
    wide = x.astype("float64") if x.dtype.kind in "iu" else x
    with np.errstate(invalid="ignore", over="ignore"):
        gap = xp.abs(wide - y)
        near = xp.isfinite(gap) & (gap <= atol + rtol * xp.abs(y))
    if equal_nan:
        near = near | ((x != x) & (y != y))
    return same | near


def allclose(x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all of two tensors that broadcast is close, as ``isclose`` says."""
    return bool(isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan).array.all())


def equal(x: Any, y: Any) -> bool:
    """Whether two tensors have one shape and equal elements (NaN equals nothing)."""
    x, y = tensor_like("equal", x), tensor_like("equal", y)
    return bool(x.shape == y.shape and eq(x, y).array.all())
