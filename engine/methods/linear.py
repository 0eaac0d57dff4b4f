"""The methods of linear algebra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class LinearMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def matmul(self: Any, other: Any) -> Tensor:
        return ops.matmul(self, other)

    def mm(self: Any, other: Any) -> Tensor:
        return ops.mm(self, other)

    def bmm(self: Any, other: Any) -> Tensor:
        return ops.bmm(self, other)

    def mv(self: Any, other: Any) -> Tensor:
        return ops.mv(self, other)

    def dot(self: Any, other: Any) -> Tensor:
        return ops.dot(self, other)

    def vdot(self: Any, other: Any) -> Tensor:
        return ops.vdot(self, other)

    def outer(self: Any, other: Any) -> Tensor:
        return ops.outer(self, other)

    def ger(self: Any, other: Any) -> Tensor:
        return ops.ger(self, other)

    def inner(self: Any, other: Any) -> Tensor:
        return ops.inner(self, other)

    def kron(self: Any, other: Any) -> Tensor:
        return ops.kron(self, other)

    def cross(self: Any, other: Any, dim: Any = None) -> Tensor:
        return ops.cross(self, other, dim)

    def addmm(self: Any, mat1: Any, mat2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return ops.addmm(self, mat1, mat2, beta=beta, alpha=alpha)

    def addmv(self: Any, mat: Any, vec: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return ops.addmv(self, mat, vec, beta=beta, alpha=alpha)

    def addr(self: Any, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return ops.addr(self, vec1, vec2, beta=beta, alpha=alpha)

    def baddbmm(self: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return ops.baddbmm(self, batch1, batch2, beta=beta, alpha=alpha)

    def addbmm(self: Any, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
        return ops.addbmm(self, batch1, batch2, beta=beta, alpha=alpha)

    def matrix_power(self: Any, n: Any) -> Tensor:
        return ops.matrix_power(self, n)

    def matrix_exp(self: Any) -> Tensor:
        return ops.matrix_exp(self)

    def inverse(self: Any) -> Tensor:
        return ops.inverse(self)

    def det(self: Any) -> Tensor:
        return ops.det(self)

    def logdet(self: Any) -> Tensor:
        return ops.logdet(self)

    def slogdet(self: Any) -> tuple[Tensor, ...]:
        return ops.slogdet(self)

    def cholesky(self: Any, upper: Any = False) -> Tensor:
        return ops.cholesky(self, upper)

    def cholesky_solve(self: Any, factor: Any, upper: Any = False) -> Tensor:
        return ops.cholesky_solve(self, factor, upper)

    def cholesky_inverse(self: Any, upper: Any = False) -> Tensor:
        return ops.cholesky_inverse(self, upper)

    def pinverse(self: Any, rcond: Any = 1e-15) -> Tensor:
        return ops.pinverse(self, rcond)

    def trace(self: Any) -> Tensor:
        return ops.trace(self)

    def svd(self: Any, some: Any = True) -> tuple[Tensor, ...]:
        return ops.svd(self, some)

    def qr(self: Any, some: Any = True) -> tuple[Tensor, ...]:
        return ops.qr(self, some)

    def triangular_solve(
        self: Any, a: Any, upper: Any = True, transpose: Any = False, unitriangular: Any = False
    ) -> tuple[Tensor, ...]:
        return ops.triangular_solve(self, a, upper, transpose, unitriangular)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
