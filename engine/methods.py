"""A tensor's operators, and the methods that only name an operation of ``engine.ops``: see there for what each computes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .dtype import DtypeLike
from .errors import ShapeError

if TYPE_CHECKING:
    from . import ops
    from .tensor import Tensor
else:
    ops = None

Axis = Any
"""An axis, a tuple of axes, or None for all."""


class Methods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    # ---- operators ------------------------------------------------------------------------------------------------

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
        return ops.matmul(self, other)

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

    # ---- shape ----------------------------------------------------------------------------------------------------

    def reshape(self: Any, *shape: Any) -> Tensor:
        return ops.reshape(self, _unpack(shape))

    view = reshape

    def permute(self: Any, *axes: Any) -> Tensor:
        return ops.permute(self, _unpack(axes))

    def transpose(self: Any, first: Any, second: Any) -> Tensor:
        return ops.transpose(self, first, second)

    def expand(self: Any, *shape: Any) -> Tensor:
        return ops.expand(self, _unpack(shape))

    def flatten(self: Any, start_dim: Any = 0, end_dim: Any = -1) -> Tensor:
        return ops.flatten(self, start_dim, end_dim)

    def squeeze(self: Any, axis: Axis = None) -> Tensor:
        return ops.squeeze(self, axis)

    def unsqueeze(self: Any, axis: Any) -> Tensor:
        return ops.unsqueeze(self, axis)

    def split(self: Any, sizes: Any, axis: Any = 0) -> tuple[Tensor, ...]:
        return ops.split(self, sizes, axis)

    def chunk(self: Any, chunks: Any, axis: Any = 0) -> tuple[Tensor, ...]:
        return ops.chunk(self, chunks, axis)

    def unbind(self: Any, axis: Any = 0) -> tuple[Tensor, ...]:
        return ops.unbind(self, axis)

    def flip(self: Any, *axes: Any) -> Tensor:
        return ops.flip(self, _unpack(axes))

    def roll(self: Any, shifts: Any, axis: Axis = None) -> Tensor:
        return ops.roll(self, shifts, axis)

    def contiguous(self: Any) -> Tensor:
        return ops.contiguous(self)

    @property
    def T(self: Any) -> Any:  # noqa: N802 - PyTorch's and NumPy's name
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self: Any) -> Any:  # noqa: N802
        return self.transpose(-1, -2)

    # ---- reductions -----------------------------------------------------------------------------------------------

    def sum(
        self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, dtype: DtypeLike | None = None
    ) -> Tensor:
        source = self if dtype is None else self.to(dtype=dtype)
        return ops.sum(source, axis if dim is None else dim, keepdim)

    def mean(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.mean(self, axis if dim is None else dim, keepdim)

    def var(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, correction: Any = 1) -> Tensor:
        return ops.var(self, axis if dim is None else dim, keepdim, correction)

    def std(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, correction: Any = 1) -> Tensor:
        return ops.reduction.root(ops.var(self, axis if dim is None else dim, keepdim, correction))

    def prod(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.prod(self, axis if dim is None else dim, keepdim)

    def max(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Any:
        return ops.max(self, axis if dim is None else dim, keepdim)

    def min(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Any:
        return ops.min(self, axis if dim is None else dim, keepdim)

    def amax(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.amax(self, axis if dim is None else dim, keepdim)

    def amin(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.amin(self, axis if dim is None else dim, keepdim)

    def argmax(self: Any, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Tensor:
        return ops.argmax(self, axis if dim is None else dim, keepdim)

    def argmin(self: Any, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Tensor:
        return ops.argmin(self, axis if dim is None else dim, keepdim)

    def all(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.all(self, axis if dim is None else dim, keepdim)

    def any(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.any(self, axis if dim is None else dim, keepdim)

    def norm(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.reduction.root((self * self).sum(axis if dim is None else dim, keepdim))

    def softmax(self: Any, axis: Any = -1, *, dim: Any = None) -> Tensor:
        return ops.softmax(self, axis=axis if dim is None else dim)

    def log_softmax(self: Any, axis: Any = -1, *, dim: Any = None) -> Tensor:
        return ops.log_softmax(self, axis=axis if dim is None else dim)

    # ---- elementwise ----------------------------------------------------------------------------------------------

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

    def masked_fill(self: Any, mask: Tensor, value: Any) -> Tensor:
        return ops.where(mask, value, self)


# Names bound once, when the operations exist: the operators are the hottest calls there are.
_Two = Callable[[Any, Any], "Tensor"]
_One = Callable[[Any], "Tensor"]


def _unbound(*_: Any) -> Any:
    raise AssertionError("the operations are not there yet")


_add: _Two = _unbound
_sub: _Two = _unbound
_mul: _Two = _unbound
_div: _Two = _unbound
_pow: _Two = _unbound
_neg: _One = _unbound
_abs: _One = _unbound
_exp: _One = _unbound
_log: _One = _unbound
_sqrt: _One = _unbound
_sin: _One = _unbound
_cos: _One = _unbound
_tanh: _One = _unbound
_sigmoid: _One = _unbound
_relu: _One = _unbound


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    names = globals()
    names["ops"] = operations
    for name in ("add", "sub", "mul", "div", "pow"):
        names[f"_{name}"] = getattr(operations, name).two
    for name in ("neg", "abs", "exp", "log", "sqrt", "sin", "cos", "tanh", "sigmoid", "relu"):
        names[f"_{name}"] = getattr(operations, name).one


def _unpack(values: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = tuple(values[0])
    try:
        return tuple([operator.index(v) for v in values])
    except TypeError:
        raise ShapeError(f"sizes and axes are whole numbers, not {values!r:.80}") from None
