"""Keeping values between limits that are tensors, and products that are added or blended."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...device import is_array
from ...dtype import Array, kind
from ...errors import ArgumentError, DtypeError
from ...op import elementwise
from ...tensor import Tensor
from .arithmetic import clip, where

__all__ = [
    "addcdiv",
    "addcmul",
    "clamp",
    "clamp_between",
    "clamp_max",
    "clamp_min",
    "fmax",
    "fmin",
    "lerp",
]


NUMBERS = {int, float, type(None)}


def clamp(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """min(max(x, min), max), where each limit is a number, a tensor that broadcasts, or None for none.

    Where the limits cross, the result is ``max``. The gradient goes to whichever the result is; to x where it equals a limit.
    """
    if type(min) in NUMBERS and type(max) in NUMBERS:
        if min is None and max is None:
            raise ArgumentError("clamp: at least one of min and max must be given")
        return clip(x, low=min, high=max)
    if not any(isinstance(limit, (Tensor, list)) or is_array(limit) for limit in (min, max)):
        return clip(x, low=min, high=max)  # which says what is wrong, or takes numbers of NumPy's
    if min is None:
        return clamp_max(x, max)
    return clamp_min(x, min) if max is None else clamp_between(x, min, max)


def _between_x(grad: Tensor, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return where((x >= low) & (x <= high), grad, 0.0)


def _between_low(grad: Tensor, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return where((x < low) & (low < high), grad, 0.0)


def _between_high(grad: Tensor, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return where((x > high) | (high < low), grad, 0.0)


@elementwise(x=_between_x, low=_between_low, high=_between_high)
def clamp_between(xp: Any, x: Array, low: Array, high: Array) -> Array:
    """min(max(x, low), high)."""
    return xp.minimum(xp.maximum(x, low), high)


@elementwise(x=lambda grad, x, min: where(x >= min, grad, 0.0), min=lambda grad, x, min: where(x < min, grad, 0.0))
def clamp_min(xp: Any, x: Array, min: Array) -> Array:
    """The larger of x and ``min``; where they are equal, the gradient is x's."""
    return xp.maximum(x, min)


@elementwise(x=lambda grad, x, max: where(x <= max, grad, 0.0), max=lambda grad, x, max: where(x > max, grad, 0.0))
def clamp_max(xp: Any, x: Array, max: Array) -> Array:
    """The smaller of x and ``max``; where they are equal, the gradient is x's."""
    return xp.minimum(x, max)


@elementwise(
    x=lambda grad, x, y: where((x >= y) | (y != y), grad, 0.0),
    y=lambda grad, x, y: where((x >= y) | (y != y), 0.0, grad),
)
def fmax(xp: Any, x: Array, y: Array) -> Array:
    """The larger of x and y, or the other where one is NaN; the gradient is x's where they are equal."""
    return xp.fmax(x, y)


@elementwise(
    x=lambda grad, x, y: where((x <= y) | (y != y), grad, 0.0),
    y=lambda grad, x, y: where((x <= y) | (y != y), 0.0, grad),
)
def fmin(xp: Any, x: Array, y: Array) -> Array:
    """The smaller of x and y, or the other where one is NaN; the gradient is x's where they are equal."""
    return xp.fmin(x, y)


@elementwise(
    x=lambda grad: grad,
    first=lambda grad, second, value: grad * (second * value),
    second=lambda grad, first, value: grad * (first * value),
)
def addcmul(xp: Any, x: Array, first: Array, second: Array, *, value: Any = 1) -> Array:
    """x + value first second."""
    product = first * second
    return x + (product if value == 1 else product * x.dtype.type(_scale("addcmul", value, x)))


@elementwise(
    x=lambda grad: grad,
    first=lambda grad, second, value: grad * (value / second),
    second=lambda grad, first, second, value: -grad * (first * value / (second * second)),
)
def addcdiv(xp: Any, x: Array, first: Array, second: Array, *, value: Any = 1) -> Array:
    """x + value first / second, for floating-point tensors."""
    if kind(x.dtype) < 2:
        raise DtypeError(f"addcdiv: wants floating-point tensors, not {x.dtype}; convert with .float()")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = first / second
    return x + (ratio if value == 1 else ratio * x.dtype.type(_scale("addcdiv", value, x)))


def _scale(name: str, value: Any, x: Array) -> Any:
    if not isinstance(value, (int, float)) or (isinstance(value, float) and kind(x.dtype) < 2):
        raise DtypeError(f"{name}: value is a number that fits {x.dtype}, not {value!r:.40}")
    return value


@elementwise(
    x=lambda grad, weight: grad * (1.0 - weight),
    end=lambda grad, weight: grad * weight,
    weight=lambda grad, x, end: grad * (end - x),
)
def lerp(xp: Any, x: Array, end: Array, weight: Array) -> Array:
    """x + weight (end - x): on the way from x to ``end``, which it reaches exactly at weight 1."""
    if kind(x.dtype) < 2:
        raise DtypeError(f"lerp: wants floating-point tensors, not {x.dtype}; convert with .float()")
    step = end - x
    if weight.ndim:
        return xp.where(xp.abs(weight) < 0.5, x + weight * step, end - step * (1 - weight))
    if abs(weight) < 0.5:
        step = step * weight if step.ndim == 0 else xp.multiply(step, weight, out=step)
        return x + step
    return end - step * (1 - weight)
