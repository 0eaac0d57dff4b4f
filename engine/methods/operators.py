"""A tensor's operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class Operators:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def __add__(self: Any, other: Any) -> Tensor:
        return _add(self, other)

    def __radd__(self: Any, other: Any) -> Tensor:
        return ops.add(other, self)

    def __sub__(self: Any, other: Any) -> Tensor:
        return _sub(self, other)

    def __rsub__(self: Any, other: Any) -> Tensor:
        return ops.sub(other, self)

    def __mul__(self: Any, other: Any) -> Tensor:
        return _mul(self, other)

    def __rmul__(self: Any, other: Any) -> Tensor:
        return ops.mul(other, self)

    def __truediv__(self: Any, other: Any) -> Tensor:
        return _div(self, other)

    def __rtruediv__(self: Any, other: Any) -> Tensor:
        return ops.div(other, self)

    def __floordiv__(self: Any, other: Any) -> Tensor:
        return ops.floor_divide(self, other)

    def __rfloordiv__(self: Any, other: Any) -> Tensor:
        return ops.floor_divide(other, self)

    def __mod__(self: Any, other: Any) -> Tensor:
        return ops.remainder(self, other)

    def __rmod__(self: Any, other: Any) -> Tensor:
        return ops.remainder(other, self)

    def __pow__(self: Any, other: Any) -> Tensor:
        return _pow(self, other)

    def __rpow__(self: Any, other: Any) -> Tensor:
        return ops.pow(other, self)

    def __matmul__(self: Any, other: Any) -> Tensor:
        return _matmul((self, other), {})

    def __rmatmul__(self: Any, other: Any) -> Tensor:
        return ops.matmul(other, self)

    def __neg__(self: Any) -> Tensor:
        return _neg(self)

    def __pos__(self: Any) -> Any:
        return self

    def __abs__(self: Any) -> Tensor:
        return _abs(self)

    def __invert__(self: Any) -> Tensor:
        return ops.bitwise_not(self)

    def __and__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_and(self, other)

    def __or__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_or(self, other)

    def __xor__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_xor(self, other)

    def __rand__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_and(other, self)

    def __ror__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_or(other, self)

    def __rxor__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_xor(other, self)

    def __lshift__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_left_shift(self, other)

    def __rshift__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_right_shift(self, other)

    def __rlshift__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_left_shift(other, self)

    def __rrshift__(self: Any, other: Any) -> Tensor:
        return ops.bitwise_right_shift(other, self)

    def __eq__(self: Any, other: object) -> Tensor:  # type: ignore[override]
        return NotImplemented if other is None else ops.eq(self, other)

    def __ne__(self: Any, other: object) -> Tensor:  # type: ignore[override]
        return NotImplemented if other is None else ops.ne(self, other)

    def __lt__(self: Any, other: Any) -> Tensor:
        return ops.lt(self, other)

    def __le__(self: Any, other: Any) -> Tensor:
        return ops.le(self, other)

    def __gt__(self: Any, other: Any) -> Tensor:
        return ops.gt(self, other)

    def __ge__(self: Any, other: Any) -> Tensor:
        return ops.ge(self, other)

    def __getitem__(self: Any, index: Any) -> Tensor:
        return ops.getitem(self, index)

    def __setitem__(self: Any, index: Any, value: Any) -> None:
        ops.assign(self, index, value)


# Names bound once, when the operations exist: these are the hottest calls there are.
_Two = Callable[[Any, Any], "Tensor"]
_One = Callable[[Any], "Tensor"]


def _unbound(*_: Any) -> Any:
    raise AssertionError("the operations are not there yet")


_add: _Two = _unbound
_sub: _Two = _unbound
_mul: _Two = _unbound
_div: _Two = _unbound
_pow: _Two = _unbound
_matmul: Callable[[tuple[Any, Any], dict[str, Any]], Tensor] = _unbound
_neg: _One = _unbound
_abs: _One = _unbound


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    names = globals()
    names["ops"] = operations
    for name in ("add", "sub", "mul", "div", "pow"):
        names[f"_{name}"] = getattr(operations.arithmetic, name).two
    names["_matmul"] = operations.matmul.run
    for name in ("neg", "abs"):
        names[f"_{name}"] = getattr(operations, name).one
