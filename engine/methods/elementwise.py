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

    def square(self: Any) -> Tensor:
        return ops.square(self) if self.array.dtype.kind == "b" else self * self

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

    def exp2(self: Any) -> Tensor:
        return ops.exp2(self)

    def expm1(self: Any) -> Tensor:
        return ops.expm1(self)

    def log1p(self: Any) -> Tensor:
        return ops.log1p(self)

    def log2(self: Any) -> Tensor:
        return ops.log2(self)

    def log10(self: Any) -> Tensor:
        return ops.log10(self)

    def reciprocal(self: Any) -> Tensor:
        return ops.reciprocal(self)

    def tan(self: Any) -> Tensor:
        return ops.tan(self)

    def asin(self: Any) -> Tensor:
        return ops.asin(self)

    def acos(self: Any) -> Tensor:
        return ops.acos(self)

    def atan(self: Any) -> Tensor:
        return ops.atan(self)

    def sinh(self: Any) -> Tensor:
        return ops.sinh(self)

    def cosh(self: Any) -> Tensor:
        return ops.cosh(self)

    def asinh(self: Any) -> Tensor:
        return ops.asinh(self)

    def acosh(self: Any) -> Tensor:
        return ops.acosh(self)

    def atanh(self: Any) -> Tensor:
        return ops.atanh(self)

    def sinc(self: Any) -> Tensor:
        return ops.sinc(self)

    def deg2rad(self: Any) -> Tensor:
        return ops.deg2rad(self)

    def rad2deg(self: Any) -> Tensor:
        return ops.rad2deg(self)

    def erf(self: Any) -> Tensor:
        return ops.erf(self)

    def erfc(self: Any) -> Tensor:
        return ops.erfc(self)

    def erfinv(self: Any) -> Tensor:
        return ops.erfinv(self)

    def lgamma(self: Any) -> Tensor:
        return ops.lgamma(self)

    def digamma(self: Any) -> Tensor:
        return ops.digamma(self)

    def floor(self: Any) -> Tensor:
        return ops.floor(self)

    def ceil(self: Any) -> Tensor:
        return ops.ceil(self)

    def trunc(self: Any) -> Tensor:
        return ops.trunc(self)

    def frac(self: Any) -> Tensor:
        return ops.frac(self)

    def sign(self: Any) -> Tensor:
        return ops.sign(self)

    def neg(self: Any) -> Tensor:
        return ops.neg(self)

    def positive(self: Any) -> Tensor:
        return ops.positive(self)

    def isnan(self: Any) -> Tensor:
        return ops.isnan(self)

    def isinf(self: Any) -> Tensor:
        return ops.isinf(self)

    def isfinite(self: Any) -> Tensor:
        return ops.isfinite(self)

    def isposinf(self: Any) -> Tensor:
        return ops.isposinf(self)

    def isneginf(self: Any) -> Tensor:
        return ops.isneginf(self)

    def signbit(self: Any) -> Tensor:
        return ops.signbit(self)

    def logical_not(self: Any) -> Tensor:
        return ops.logical_not(self)

    def bitwise_not(self: Any) -> Tensor:
        return ops.bitwise_not(self)

    absolute = abs
    arccos, arccosh, arcsin, arcsinh, arctan, arctanh = acos, acosh, asin, asinh, atan, atanh
    fix, negative = trunc, neg

    def mvlgamma(self: Any, p: Any) -> Tensor:
        return ops.mvlgamma(self, p)

    def round(self: Any, *, decimals: Any = 0) -> Tensor:
        return ops.round(self, decimals=decimals)

    def polygamma(self: Any, n: Any) -> Tensor:
        return ops.polygamma(n, self)

    def logit(self: Any, eps: Any = None) -> Tensor:
        return ops.logit(self, eps)

    def nan_to_num(self: Any, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Tensor:
        return ops.nan_to_num(self, nan, posinf, neginf)


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
