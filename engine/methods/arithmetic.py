"""The methods that compute on each element of a tensor and of others that broadcast with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class ArithmeticMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def add(self: Any, other: Any, *, alpha: Any = 1) -> Tensor:
        return ops.add(self, other if alpha == 1 else ops.mul(other, alpha))

    def sub(self: Any, other: Any, *, alpha: Any = 1) -> Tensor:
        return ops.sub(self, other if alpha == 1 else ops.mul(other, alpha))

    def mul(self: Any, other: Any) -> Tensor:
        return ops.mul(self, other)

    def div(self: Any, other: Any, *, rounding_mode: Any = None) -> Tensor:
        return ops.div(self, other, rounding_mode=rounding_mode)

    def floor_divide(self: Any, other: Any) -> Tensor:
        return ops.floor_divide(self, other)

    def remainder(self: Any, other: Any) -> Tensor:
        return ops.remainder(self, other)

    def fmod(self: Any, other: Any) -> Tensor:
        return ops.fmod(self, other)

    def pow(self: Any, exponent: Any) -> Tensor:
        return ops.pow(self, exponent)

    def float_power(self: Any, exponent: Any) -> Tensor:
        return ops.float_power(self, exponent)

    def maximum(self: Any, other: Any) -> Tensor:
        return ops.maximum(self, other)

    def minimum(self: Any, other: Any) -> Tensor:
        return ops.minimum(self, other)

    def fmax(self: Any, other: Any) -> Tensor:
        return ops.fmax(self, other)

    def fmin(self: Any, other: Any) -> Tensor:
        return ops.fmin(self, other)

    def atan2(self: Any, other: Any) -> Tensor:
        return ops.atan2(self, other)

    def hypot(self: Any, other: Any) -> Tensor:
        return ops.hypot(self, other)

    def copysign(self: Any, other: Any) -> Tensor:
        return ops.copysign(self, other)

    def logaddexp(self: Any, other: Any) -> Tensor:
        return ops.logaddexp(self, other)

    def logaddexp2(self: Any, other: Any) -> Tensor:
        return ops.logaddexp2(self, other)

    def xlogy(self: Any, other: Any) -> Tensor:
        return ops.xlogy(self, other)

    def heaviside(self: Any, values: Any) -> Tensor:
        return ops.heaviside(self, values)

    def eq(self: Any, other: Any) -> Tensor:
        return ops.eq(self, other)

    def ne(self: Any, other: Any) -> Tensor:
        return ops.ne(self, other)

    def lt(self: Any, other: Any) -> Tensor:
        return ops.lt(self, other)

    def le(self: Any, other: Any) -> Tensor:
        return ops.le(self, other)

    def gt(self: Any, other: Any) -> Tensor:
        return ops.gt(self, other)

    def ge(self: Any, other: Any) -> Tensor:
        return ops.ge(self, other)

    def logical_and(self: Any, other: Any) -> Tensor:
        return ops.logical_and(self, other)

    def logical_or(self: Any, other: Any) -> Tensor:
        return ops.logical_or(self, other)

    def logical_xor(self: Any, other: Any) -> Tensor:
        return ops.logical_xor(self, other)

    def bitwise_and(self: Any, other: Any) -> Tensor:
        return ops.bitwise_and(self, other)

    def bitwise_or(self: Any, other: Any) -> Tensor:
        return ops.bitwise_or(self, other)

    def bitwise_xor(self: Any, other: Any) -> Tensor:
        return ops.bitwise_xor(self, other)

    def bitwise_left_shift(self: Any, other: Any) -> Tensor:
        return ops.bitwise_left_shift(self, other)

    def bitwise_right_shift(self: Any, other: Any) -> Tensor:
        return ops.bitwise_right_shift(self, other)

    divide = true_divide = div
    subtract, multiply, arctan2 = sub, mul, atan2
    greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne

    def gcd(self: Any, other: Any) -> Tensor:
        return ops.gcd(self, other)

    def lcm(self: Any, other: Any) -> Tensor:
        return ops.lcm(self, other)

    def ldexp(self: Any, exponent: Any) -> Tensor:
        return ops.ldexp(self, exponent)

    def isclose(self: Any, other: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> Tensor:
        return ops.isclose(self, other, rtol=rtol, atol=atol, equal_nan=equal_nan)

    def allclose(self: Any, other: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: Any = False) -> bool:
        return ops.allclose(self, other, rtol, atol, equal_nan)

    def equal(self: Any, other: Any) -> bool:
        return ops.equal(self, other)

    def clip(self: Any, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Tensor:
        low, high = low if min is None else min, high if max is None else max
        if hasattr(low, "ndim") or hasattr(high, "ndim"):
            return ops.clamp(self, low, high)
        return ops.clip(self, low=low, high=high)

    def clamp(self: Any, min: Any = None, max: Any = None) -> Tensor:
        return ops.clamp(self, min, max)

    def clamp_min(self: Any, min: Any) -> Tensor:
        return ops.clamp_min(self, min)

    def clamp_max(self: Any, max: Any) -> Tensor:
        return ops.clamp_max(self, max)

    def lerp(self: Any, end: Any, weight: Any) -> Tensor:
        return ops.lerp(self, end, weight)

    def addcmul(self: Any, first: Any, second: Any, *, value: Any = 1) -> Tensor:
        return ops.addcmul(self, first, second, value=value)

    def addcdiv(self: Any, first: Any, second: Any, *, value: Any = 1) -> Tensor:
        return ops.addcdiv(self, first, second, value=value)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
