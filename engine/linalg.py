"""Linear algebra under PyTorch's names: ``engine.linalg.solve``, ``engine.linalg.svd`` and so on.

Matrices are the last two axes, and all leading axes are a batch. float32, float64 and complex; half types are refused. What a matrix does not
have (an inverse, a Cholesky factor) is a ``MatrixError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import ShapeError
from .ops.algebra.factorization import QR, SVD, Eigen, cholesky, eig, eigh, eigvals, eigvalsh, qr, svd, svdvals
from .ops.algebra.matrix import matmul
from .ops.algebra.products import chain_matmul, matrix_power, vecdot
from .ops.algebra.products import cross as _cross
from .ops.algebra.solving import LeastSquares, det, lstsq, pinv, slogdet, solve, solve_triangular
from .ops.algebra.solving import inverse as inv
from .ops.reductions.length import vector_norm
from .ops.reductions.norms import cond, matrix_exp, matrix_norm, matrix_rank, norm
from .ops.shapes.axes import movedim
from .ops.shapes.diagonals import diagonal as _diagonal
from .ops.shapes.shape import reshape, whole
from .tensor import Tensor, tensor_like

__all__ = [
    "QR",
    "SVD",
    "Eigen",
    "LeastSquares",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensorinv",
    "tensorsolve",
    "vander",
    "vecdot",
    "vector_norm",
]


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, in the order that costs least; the first and the last may be vectors."""
    return chain_matmul(*tensors)


def cross(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product along an axis of size 3; the others broadcast."""
    return _cross(x, y, dim)


def diagonal(x: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, along a new last axis; a view."""
    return _diagonal(x, offset, dim1, dim2)


def vander(x: Tensor, N: int | None = None) -> Tensor:  # noqa: N803 - PyTorch's name
    """Vandermonde's matrices: the powers 0 to N - 1 of each element, (..., n) to (..., n, N), N being n unless given."""
    from .ops.shapes.create import arange

    x = tensor_like("vander", x)
    if not x.ndim:
        raise ShapeError("vander: needs an axis; add one with .unsqueeze(0)")
    count = x.shape[-1] if N is None else whole("vander", N)
    return x.unsqueeze(-1) ** arange(count, device=x.device)


def tensorinv(x: Tensor, ind: int = 2) -> Tensor:
    """The inverse of a tensor as a map: its first ``ind`` axes and the others multiply to the same number."""
    x = tensor_like("tensorinv", x)
    first, rest = x.shape[:ind], x.shape[ind:]
    rows = _product(first)
    if ind < 1 or rows != _product(rest):
        raise ShapeError(
            f"tensorinv: the first {ind} axes of shape {tuple(x.shape)} must hold as many elements as the others"
        )
    return reshape(inv(reshape(x, (rows, rows))), (*rest, *first))


def tensorsolve(a: Tensor, b: Tensor, dims: Any = None) -> Tensor:
    """X of tensordot(A, X, X.ndim) = B; ``dims`` are axes of A that are moved to its end first."""
    a, b = tensor_like("tensorsolve", a), tensor_like("tensorsolve", b)
    if dims is not None:
        axes = whole("tensorsolve", list(dims) if isinstance(dims, (tuple, list)) else [dims])
        a = movedim(a, axes, tuple(range(-len(axes), 0)))
    shape = a.shape[b.ndim :]
    if _product(shape) != b.numel() or a.shape[: b.ndim] != b.shape:
        raise ShapeError(f"tensorsolve: A {tuple(a.shape)} does not begin with B {tuple(b.shape)}, or is not square")
    return reshape(solve(reshape(a, (b.numel(), b.numel())), reshape(b, (b.numel(),))), shape)


def _product(shape: tuple[int, ...]) -> int:
    out = 1
    for size in shape:
        out *= size
    return out
