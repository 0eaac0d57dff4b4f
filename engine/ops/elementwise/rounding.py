"""Rounding, remainders and the sign's kin on each element."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ...bounds import without_zero
from ...dtype import Array, kind
from ...errors import DtypeError, SettingError
from ...op import elementwise, floating
from ...tensor import Tensor, tensor_like
from .arithmetic import div as quotient
from .arithmetic import floor_divide, pow, where

__all__ = [
    "copysign",
    "div",
    "div_floor",
    "div_trunc",
    "fmod",
    "frac",
    "gcd",
    "heaviside",
    "lcm",
    "ldexp",
    "nan_to_num",
    "positive",
    "signbit",
    "trunc",
]


def div(x: Any, y: Any, *, rounding_mode: str | None = None) -> Tensor:
    """x / y. ``rounding_mode`` "trunc" rounds the quotient towards 0, "floor" down; then integers stay integers and the gradient is 0."""
    if rounding_mode is None:
        return quotient(x, y)
    if rounding_mode == "floor":
        return div_floor(x, y)
    if rounding_mode == "trunc":
        return div_trunc(x, y)
    raise SettingError(f"div: rounding_mode is None, 'trunc' or 'floor', not {rounding_mode!r:.40}")


@elementwise(x=lambda grad: grad * 0.0, y=lambda grad: grad * 0.0)
def div_floor(xp: Any, x: Array, y: Array) -> Array:
    """The quotient rounded down."""
    return floor_divide.body(xp, x, y)


@elementwise(x=lambda grad: grad * 0.0, y=lambda grad: grad * 0.0)
def div_trunc(xp: Any, x: Array, y: Array) -> Array:
    """The quotient rounded towards 0."""
    if x.dtype.kind in "biu":
        _refuse_zero("div", y)
        down = x // y
        return down + ((down < 0) & (down * y != x)).astype(down.dtype)
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.trunc(x / y)


def _fmod_y(grad: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return -grad * div_trunc(x, y)


@elementwise(x=lambda grad: grad, y=_fmod_y)
def fmod(xp: Any, x: Array, y: Array) -> Array:
    """x - y trunc(x / y): it has the sign of x."""
    _refuse_zero("fmod", y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return xp.fmod(x, y)


def _refuse_zero(name: str, y: Array) -> None:
    wrong = f"{name}: a whole number cannot be divided by 0; convert with .float() for infinities"
    if y.dtype.kind in "biu" and not without_zero(y, wrong, SettingError) and not y.all():
        raise SettingError(wrong)


@elementwise(x=lambda grad: grad * 0.0)
def trunc(xp: Any, x: Array) -> Array:
    """x without what follows its point; the gradient is 0."""
    return x.copy() if x.dtype.kind in "biu" else xp.trunc(x)


@elementwise(x=lambda grad: grad)
def frac(xp: Any, x: Array) -> Array:
    """x - trunc(x): what follows its point, with the sign of x."""
    if kind(x.dtype) < 2:
        raise DtypeError(f"frac: whole numbers ({x.dtype}) have no fraction; convert with .float()")
    with np.errstate(invalid="ignore"):
        return x - xp.trunc(x)


def _copysign_x(grad: Tensor, x: Tensor, out: Tensor) -> Tensor:
    return grad * where(x == 0, 0.0, out.detach() / where(x == 0, 1.0, x.detach()))


@floating(x=_copysign_x, y=lambda grad: grad * 0.0)
def copysign(xp: Any, x: Array, y: Array) -> Array:
    """The size of x with the sign of y (which -0.0 has too); its slope at x = 0 is 0."""
    return xp.copysign(x, y)


@elementwise()
def heaviside(xp: Any, x: Array, values: Array) -> Array:
    """1 where x is above 0, ``values`` at 0, else 0 (for NaN too)."""
    return xp.where(x == 0, values, (x > 0).astype(x.dtype))


def _nan_to_num_x(grad: Tensor, x: Tensor) -> Tensor:
    from .compare import isfinite

    return where(isfinite(x), grad, 0.0)


finfo: Any = ml_dtypes.finfo


@elementwise(x=_nan_to_num_x)
def nan_to_num(xp: Any, x: Array, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """NaN and infinities replaced by numbers: by default 0, the largest and the smallest of the dtype."""
    if x.dtype.kind in "biu" or (xp is np and bool(np.isfinite(x).all())):
        return x.copy()
    ends = finfo(x.dtype)
    number = x.dtype.type
    high = ends.max if posinf is None else posinf
    low = ends.min if neginf is None else neginf
    with np.errstate(over="ignore"):
        finite = xp.where(x == xp.inf, number(high), xp.where(x == -xp.inf, number(low), x))
        return xp.where(x != x, number(nan), finite)


def positive(x: Tensor) -> Tensor:
    """x itself, which must be a number and no truth value."""
    x = tensor_like("positive", x)
    if kind(x.dtype) == 0:
        raise DtypeError("positive: booleans have no sign; convert with .int()")
    return x


@elementwise()
def signbit(xp: Any, x: Array) -> Array:
    """Whether the sign is minus (as -0.0's is)."""
    return x < 0 if x.dtype.kind in "biu" else xp.signbit(x)


@elementwise()
def gcd(xp: Any, x: Array, y: Array) -> Array:
    """The greatest whole number that divides both, from 0."""
    _only_whole("gcd", x)
    return xp.gcd(x, y)


@elementwise()
def lcm(xp: Any, x: Array, y: Array) -> Array:
    """The least whole number that both divide, from 0."""
    _only_whole("lcm", x)
    return xp.lcm(x, y)


def _only_whole(name: str, x: Array) -> None:
    if x.dtype.kind not in "iu":
        raise DtypeError(f"{name}: wants integers, not {x.dtype}; convert with .long()")


def ldexp(x: Any, exponent: Any) -> Tensor:
    """x times 2 ** exponent."""
    return quotient(x, 1) * pow(2.0, exponent)
