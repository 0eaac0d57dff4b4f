"""The sizes of vectors and matrices, and what they say: rank, condition, the exponential of a matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dtype import DtypeLike, accumulator, kind
from ...errors import DtypeError, SettingError, ShapeError
from ...tensor import Tensor, tensor_like, tensor_of
from ..algebra.factorization import eigvalsh, svdvals
from ..algebra.matrix import matmul
from ..algebra.products import square
from ..algebra.solving import _tolerance, check_matrices, equations, inverse
from ..elementwise.arithmetic import abs, where
from ..shapes.axes import movedim
from ..shapes.create import eye
from ..shapes.shape import unsqueeze
from .length import vector_norm
from .reduction import amax, amin, normal_axes

__all__ = [
    "matrix_exp",
]

Order = int | float | str | None


def _floating(name: str, x: Any, dtype: DtypeLike | None) -> Tensor:
    x = tensor_like(name, x)
    x = x if dtype is None else x.to(dtype=dtype)
    if kind(x.dtype) < 2:
        raise DtypeError(f"{name}: wants floating-point or complex numbers, not {x.dtype}; convert with .float()")
    return x  # type: ignore[no-any-return]


def matrix_norm(
    x: Tensor, ord: Order = "fro", dim: tuple[int, int] = (-2, -1), keepdim: bool = False, *, dtype: DtypeLike | None = None
) -> Tensor:  # fmt: skip
    """A norm of matrices, over the axes ``dim``: "fro" (the root of the sum of squares), "nuc" (the sum of singular values), 2 and -2 (the
    largest and smallest of them), 1 and -1 (of the columns' sums of |x|), infinite and -infinite (of the rows').
    """
    x = _floating("matrix_norm", x, dtype)
    axes = normal_axes("matrix_norm", tuple(dim) if isinstance(dim, (tuple, list)) else dim, x.ndim)
    if len(axes) != 2:
        raise ShapeError(f"matrix_norm: dim names two axes, not {dim!r:.40} of shape {tuple(x.shape)}")
    if ord == "fro":
        return vector_norm(x, 2, axes, keepdim)
    first, second = axes
    if ord in (1, -1, math.inf, -math.inf):
        assert isinstance(ord, (int, float))
        summed, chosen = (first, second) if ord in (1, -1) else (second, first)
        out = (amax if ord > 0 else amin)(abs(x).sum(summed, True), chosen, True)
    elif ord in ("nuc", 2, -2):
        values = svdvals(movedim(x, axes, (-2, -1)))
        out = values.sum(-1) if ord == "nuc" else (amax if ord == 2 else amin)(values, -1)
        for axis in sorted(axes):
            out = unsqueeze(out, axis)
    else:
        raise SettingError(f"matrix_norm: ord is 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2, not {ord!r:.40}")
    return out if keepdim else out.squeeze(axes)


def norm(
    x: Tensor, ord: Order = None, dim: int | tuple[int, ...] | None = None, keepdim: bool = False, *, dtype: DtypeLike | None = None
) -> Tensor:  # fmt: skip
    """A vector's norm over one axis, a matrix's over two; without ``ord`` the root of the sum of squares over any axes."""
    x = _floating("norm", x, dtype)
    if ord is None:
        return vector_norm(x, 2, dim, keepdim)
    count = x.ndim if dim is None else len(dim) if isinstance(dim, (tuple, list)) else 1
    if count == 1 and not isinstance(ord, str):
        return vector_norm(x, ord, dim, keepdim)
    if count != 2:
        raise ShapeError(
            f"norm: ord={ord!r} is of one axis or of two, not of {count}; name them with dim (shape {tuple(x.shape)})"
        )
    return matrix_norm(x, ord, (0, 1) if dim is None else dim, keepdim)  # type: ignore[arg-type]


def cond(x: Tensor, p: Order = None) -> Tensor:
    """How much a matrix enlarges errors: its norm times that of its inverse; in the 2-norm unless ``p`` names another."""
    x = tensor_like("cond", x)
    check_matrices("cond", x.array)
    if p is None or p in (2, -2):
        values = svdvals(x)
        largest, smallest = amax(values, -1), amin(values, -1)
        return smallest / largest if p == -2 else largest / smallest
    return matrix_norm(square("cond", x), p) * matrix_norm(inverse(x), p)


def matrix_rank(
    x: Tensor, tol: float | None = None, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Tensor:  # fmt: skip
    """How many singular values are above ``atol`` and above ``rtol`` times the largest, (..., m, n) to (...) int64."""
    x = tensor_like("matrix_rank", x).detach()
    check_matrices("matrix_rank", x.array, is_square=hermitian)
    if not x.numel():
        return tensor_of(np.zeros(x.shape[:-2], np.int64))
    absolute, relative = _tolerance(x, tol if atol is None else atol, rtol)
    values = abs(eigvalsh(x)) if hermitian else svdvals(x)
    bound = amax(values, -1, True) * relative
    return (values > where(bound > absolute, bound, absolute)).sum(-1)


# N. Higham, "The scaling and squaring method for the matrix exponential revisited" (2005): the coefficients of the quotient of degree 13,
# and the norm up to which it is exact in float64.
_PADE = (
    64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0, 10559470521600.0,
    670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
)  # fmt: skip
_LARGEST = 5.371920351148152


def matrix_exp(x: Tensor) -> Tensor:
    """I + A + A^2 / 2 + A^3 / 6 + ... of square matrices, (..., n, n): scaled, approximated by a quotient, and squared again."""
    x = square("matrix_exp", x)
    check_matrices("matrix_exp", x.array)
    if not x.numel():
        return x
    size = float(matrix_norm(x.detach(), 1).amax().item())
    halvings = max(0, math.ceil(math.log2(size / _LARGEST))) if 0 < size < math.inf else 0
    # The quotient's coefficients span 16 decades, so they are scaled by the largest, which float32 then holds.
    b = [c / _PADE[0] for c in _PADE]
    a = x * 0.5**halvings if halvings else x
    one = eye(x.shape[-1], dtype=accumulator(x.dtype), device=x.device)
    a2 = matmul(a, a)
    a4 = matmul(a2, a2)
    a6 = matmul(a4, a2)
    odd = matmul(a, matmul(a6, a6 * b[13] + a4 * b[11] + a2 * b[9]) + a6 * b[7] + a4 * b[5] + a2 * b[3] + one * b[1])
    even = matmul(a6, a6 * b[12] + a4 * b[10] + a2 * b[8]) + a6 * b[6] + a4 * b[4] + a2 * b[2] + one * b[0]
    out = equations(even - odd, even + odd)
    for _ in range(halvings):
        out = matmul(out, out)
    return out
