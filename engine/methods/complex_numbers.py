"""The methods of complex tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ShapeError

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


def matrix_only(name: str, x: Tensor) -> Tensor:
    """The tensor, if it is one matrix."""
    if x.ndim != 2:
        raise ShapeError(f"{name}: wants one matrix, not shape {tuple(x.shape)}; use .m{name} for the last two axes")
    return x


class ComplexMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    @property
    def real(self: Any) -> Tensor:
        return ops.real(self)

    @property
    def imag(self: Any) -> Tensor:
        return ops.imag(self)

    @property
    def H(self: Any) -> Tensor:  # noqa: N802 - PyTorch's name
        return ops.adjoint(matrix_only("H", self))

    @property
    def mH(self: Any) -> Tensor:  # noqa: N802
        return ops.adjoint(self)

    def adjoint(self: Any) -> Tensor:
        return ops.adjoint(self)

    def conj(self: Any) -> Tensor:
        return ops.conj(self)

    def resolve_conj(self: Any) -> Any:
        return self

    def angle(self: Any) -> Tensor:
        return ops.angle(self)

    def sgn(self: Any) -> Tensor:
        return ops.sgn(self)

    def isreal(self: Any) -> Tensor:
        return ops.isreal(self)

    def is_complex(self: Any) -> Any:
        return ops.is_complex(self)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
