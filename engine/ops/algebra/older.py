"""Factorizations under PyTorch's older names, which old code still uses; ``engine.linalg`` has the newer ones."""

from __future__ import annotations

from typing import NamedTuple

from ...tensor import Tensor, tensor_like
from ..elementwise.complex_numbers import adjoint
from . import factorization
from .factorization import QR
from .solving import solve_triangular

__all__ = [
    "qr",
    "svd",
    "triangular_solve",
]


class USV(NamedTuple):
    """What ``svd`` gives."""

    U: Tensor
    S: Tensor
    V: Tensor


def svd(x: Tensor, some: bool = True) -> USV:
    """A = U diag(S) V^H: V itself, where ``linalg.svd`` gives its adjoint; ``some`` leaves out what no singular value belongs to."""
    u, s, vh = factorization.svd(x, full_matrices=not some)
    return USV(u, s, adjoint(vh))


def qr(x: Tensor, some: bool = True) -> QR:
    """A = Q R, "reduced" if ``some``, else "complete"; see ``linalg.qr``."""
    return factorization.qr(x, "reduced" if some else "complete")


class Solution(NamedTuple):
    """What ``triangular_solve`` gives."""

    solution: Tensor
    cloned_coefficient: Tensor


def triangular_solve(
    b: Tensor, a: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Solution:
    """X of A X = B (A^T X = B with ``transpose``) for triangular A, and a copy of A; see ``linalg.solve_triangular``."""
    a = tensor_like("triangular_solve", a)
    turned, triangle = (a.mT, not upper) if transpose else (a, upper)
    return Solution(solve_triangular(turned, b, upper=triangle, unitriangular=unitriangular), a.clone())
