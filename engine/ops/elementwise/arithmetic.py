"""Arithmetic on each element: operands broadcast, dtypes promoted as PyTorch's."""

from __future__ import annotations

import builtins
import math
from typing import Any, overload

import numpy as np

from ...bounds import without_zero
from ...dtype import Array, Dtype, float32, number_array, result_type
from ...errors import DtypeError, SettingError, ShapeError
from ...node import Node
from ...op import elementwise, floating, op
from ...tensor import Tensor, tensor_of

__all__ = [
    "abs",
    "add",
    "clip",
    "either",
    "floor_divide",
    "maximum",
    "minimum",
    "mul",
    "neg",
    "pow",
    "remainder",
    "sign",
    "sub",
    "where",
]


@elementwise(x=lambda grad: grad, y=lambda grad: grad)
def add(xp: Any, x: Array, y: Array) -> Array:
    """The sum x + y; for booleans, or."""
    return x + y


@elementwise(x=lambda grad: grad, y=lambda grad: -grad)
def sub(xp: Any, x: Array, y: Array) -> Array:
    """The difference x - y."""
    try:
        return x - y
    except TypeError:
        raise DtypeError("sub: booleans have no difference; use ^, or convert with .int()") from None


@elementwise(x=lambda grad, y: grad * y, y=lambda grad, x: grad * x)
def mul(xp: Any, x: Array, y: Array) -> Array:
    """The product x y."""
    return x * y


@mul.directly
def _mul_directly(node: Node, arrived: Tensor) -> list[Any] | None:
    flow, (to_x, to_y) = arrived.array, node.edges
    kept: Any = node.saved  # x for the gradient of y, then y for that of x
    x, y = None if to_y is None else kept[0].array, None if to_x is None else kept[-1].array
    if (x is not None and x.dtype is not flow.dtype) or (y is not None and y.dtype is not flow.dtype):
        return None
    return [None if y is None else mul.compute(flow, y), None if x is None else mul.compute(flow, x)]


@floating(x=lambda grad, y: grad / y, y=lambda grad, out, y: -grad * out / y)
def div(xp: Any, x: Array, y: Array) -> Array:
    """The quotient x / y; infinite or NaN where y is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return x / y


def _pow_x(grad: Tensor, x: Tensor, y: Tensor) -> Tensor:
    # y = 0 gives 0 also at x = 0, where x ** -1 has no value.
    if not y.ndim and not y.requires_grad and isinstance(y.array, np.ndarray):  # a number: the host knows
        return grad * (pow(x, y) * 0.0 if y.array == 0 else y * pow(x, y - 1))
    return grad * where(y == 0, 0.0, y * pow(x, where(y == 0, 1.0, y) - 1))


def _pow_y(grad: Tensor, out: Tensor, x: Tensor, y: Tensor) -> Tensor:
    from .complex_numbers import real
    from .elementary import log

    flat = (x == 0) & (real(y) >= 0)
    return grad * where(flat, 0.0, out * log(where(flat, 1.0, x)))


@elementwise(x=_pow_x, y=_pow_y)
def pow(xp: Any, x: Array, y: Array) -> Array:
    """The power x ** y."""
    if y.ndim == 0 and y == 2:
        return x * x
    if x.dtype.kind == "b":
        return x | ~y
    if y.dtype.kind == "i" and y.size and y.min() < 0:
        raise DtypeError("pow: whole numbers have no negative powers among whole numbers; convert with .float()")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return x**y


@elementwise(x=lambda grad: -grad)
def neg(xp: Any, x: Array) -> Array:
    """The negative -x."""
    if x.dtype.kind == "b":
        raise DtypeError("neg: booleans have no negative; use ~, or convert with .int()")
    return -x


def _abs_x(grad: Tensor, x: Tensor) -> Tensor:
    from .complex_numbers import sgn

    return grad * (sgn(x) if x.array.dtype.kind == "c" else sign(x))


@elementwise(x=_abs_x)
def abs(xp: Any, x: Array) -> Array:
    """The absolute value |x|, real for complex numbers; its slope at 0 is 0."""
    return xp.abs(x)


@elementwise(x=lambda grad: grad * 0.0)
def sign(xp: Any, x: Array) -> Array:
    """-1, 0 or 1, as x is below, at or above 0."""
    return x.copy() if x.dtype.kind == "b" else xp.sign(x)


@elementwise(x=lambda grad, x, y: grad * _share(x, y), y=lambda grad, x, y: grad * _share(y, x))
def maximum(xp: Any, x: Array, y: Array) -> Array:
    """The larger of x and y; where they are equal each gets half of the gradient."""
    return xp.maximum(x, y)


@elementwise(x=lambda grad, x, y: grad * _share(y, x), y=lambda grad, x, y: grad * _share(x, y))
def minimum(xp: Any, x: Array, y: Array) -> Array:
    """The smaller of x and y; where they are equal each gets half of the gradient."""
    return xp.minimum(x, y)


# Python's own, whose names the operations of this file take.
abs_of, max_of, min_of = builtins.abs, builtins.max, builtins.min


def _share(winner: Tensor, loser: Tensor) -> Tensor:
    dtype = result_type(winner.array, loser.array)
    return (winner > loser).to(dtype=dtype) + (winner == loser).to(dtype=dtype) * 0.5


def _clip_x(grad: Tensor, x: Tensor, low: float | None, high: float | None) -> Tensor:
    inside = x >= low if low is not None else None
    if high is not None:
        inside = x <= high if inside is None else inside & (x <= high)
    return grad if inside is None else where(inside, grad, 0.0)


@elementwise(x=_clip_x)
def clip(xp: Any, x: Array, *, low: float | None = None, high: float | None = None) -> Array:
    """min(max(x, low), high); None leaves that side open."""
    if low is None and high is None:
        return x.copy()
    low, high = _limit(low, x.dtype), _limit(high, x.dtype)
    if x.dtype.kind in "biu" and float in (type(low), type(high)):
        x = x.astype(float32)  # a float beside integers makes float32, as everywhere
    # Not xp.clip: it widens bfloat16.
    raised = x if low is None else xp.maximum(x, x.dtype.type(low))
    return raised if high is None else xp.minimum(raised, x.dtype.type(high))


def _limit(value: Any, dtype: Dtype) -> Any:
    """One side of ``clip``, checked; past the ends of an integer dtype it is that end."""
    if value is None:
        return None
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise SettingError(
            f"clip: low and high are numbers or None, not {type(value).__name__}; use clamp with tensors"
        )
    if isinstance(value, (float, np.floating)):
        return float(value)
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        return min_of(max_of(int(value), int(ends.min)), int(ends.max))
    number = int(value)
    return number if abs_of(number) < 2**64 else math.inf if number > 0 else -math.inf


@elementwise()
def floor_divide(xp: Any, x: Array, y: Array) -> Array:
    """The quotient rounded down; no gradient."""
    _refuse_zero("floor_divide", y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return x // y


@elementwise(x=lambda grad: grad, y=lambda grad, x, y: -grad * floor_divide(x, y))
def remainder(xp: Any, x: Array, y: Array) -> Array:
    """x - y floor(x / y): it has the sign of y."""
    _refuse_zero("remainder", y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return x % y


def _refuse_zero(name: str, y: Array) -> None:
    wrong = f"{name}: a whole number cannot be divided by 0; convert with .float() for infinities"
    if y.dtype.kind in "biu" and not without_zero(y, wrong, SettingError) and not y.all():
        raise SettingError(wrong)


def _either_x(grad: Tensor, condition: Tensor) -> Tensor:
    return where(condition, grad, 0.0)


def _either_y(grad: Tensor, condition: Tensor) -> Tensor:
    return where(condition, 0.0, grad)


@op(x=_either_x, y=_either_y)
def either(xp: Any, condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, else y: both of one dtype (``where`` takes any)."""
    return xp.where(condition if condition.dtype.kind == "b" else condition != 0, x, y)


@overload
def where(condition: Any) -> tuple[Tensor, ...]: ...
@overload
def where(condition: Any, x: Any, y: Any) -> Tensor: ...
def where(condition: Any, x: Any = None, y: Any = None) -> Tensor | tuple[Tensor, ...]:
    """x where the condition holds, else y; operands broadcast, their dtypes promoted.

    Of a condition alone: where it holds, as ``nonzero(condition, as_tuple=True)``.
    """
    if x is None and y is None:
        from ..indexing.picking import nonzero

        return nonzero(condition, as_tuple=True)  # type: ignore[no-any-return]
    condition = condition if isinstance(condition, Tensor) else Tensor(condition)
    x, y = (Tensor(value) if isinstance(value, (list, tuple)) else value for value in (x, y))
    dtype = result_type(*(value.array if isinstance(value, Tensor) else value for value in (x, y)))
    # Numbers that came as tensors without axes go where the others are.
    like = next(
        (v for v in (condition, x, y) if isinstance(v, Tensor) and not isinstance(v.array, np.ndarray)), condition
    )
    operands = [
        _beside(like, value.to(dtype=dtype)) if isinstance(value, Tensor) else _constant(value, dtype)
        for value in (x, y)
    ]
    condition = _beside(like, condition)
    try:
        return either(condition, *operands)
    except ShapeError:
        raise ShapeError(
            f"where: the shapes {', '.join(str(tuple(v.shape)) for v in (condition, *operands))} do not broadcast: "
            "counted from the last axis, sizes must be equal or 1"
        ) from None


def _beside(like: Tensor, x: Tensor) -> Tensor:
    return x.to(device=like.device) if not x.ndim and like is not x and isinstance(x.array, np.ndarray) else x


def _constant(value: Any, dtype: Any) -> Tensor:
    try:
        return tensor_of(number_array(value, dtype))
    except OverflowError:
        raise DtypeError(f"where: the number {value!r:.40} does not fit {dtype}; convert the tensor first") from None
