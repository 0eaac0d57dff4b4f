"""The methods that compute on each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class ElementwiseMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def exp(self: Any) -> Tensor:
        return _exp(self)

    def log(self: Any) -> Tensor:
        return _log(self)

    def sqrt(self: Any) -> Tensor:
        return _sqrt(self)

    def rsqrt(self: Any) -> Tensor:
        return ops.rsqrt(self)

    def abs(self: Any) -> Tensor:
        return _abs(self)

    def pow(self: Any, exponent: Any) -> Tensor:
        return ops.pow(self, exponent)

    def square(self: Any) -> Any:
        return self * self

    def sin(self: Any) -> Tensor:
        return _sin(self)

    def cos(self: Any) -> Tensor:
        return _cos(self)

    def tanh(self: Any) -> Tensor:
        return _tanh(self)

    def sigmoid(self: Any) -> Tensor:
        return _sigmoid(self)

    def relu(self: Any) -> Tensor:
        return _relu(self)

    def clip(self: Any, low: Any = None, high: Any = None) -> Tensor:
        return ops.clip(self, low=low, high=high)

    def clamp(self: Any, min: Any = None, max: Any = None) -> Tensor:
        return ops.clip(self, low=min, high=max)


# Names bound once, when the operations exist: these are the hottest calls there are.
_One = Callable[[Any], "Tensor"]


def _unbound(*_: Any) -> Any:
    raise AssertionError("the operations are not there yet")


_exp: _One = _unbound
_log: _One = _unbound
_sqrt: _One = _unbound
_sin: _One = _unbound
_cos: _One = _unbound
_abs: _One = _unbound
_tanh: _One = _unbound
_sigmoid: _One = _unbound
_relu: _One = _unbound


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    names = globals()
    names["ops"] = operations
    for name in ("exp", "log", "sqrt", "sin", "cos", "abs", "tanh", "sigmoid", "relu"):
        names[f"_{name}"] = getattr(operations, name).one
