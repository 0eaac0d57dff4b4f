"""Inverses, determinants and solutions of linear equations, batched over leading axes. The gradients are those of M. Giles, "An extended
collection of matrix derivative results for forward and reverse mode algorithmic differentiation" (2008), unless said otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import numpy as np

from ...device import product
from ...dtype import Array, accumulator, kind
from ...errors import DtypeError, MatrixError, SettingError, ShapeError
from ...op import op, op_with_results
from ...tensor import Tensor, tensor_like, tensor_of
from ..elementwise.complex_numbers import adjoint, conj, imag, real
from ..shapes.create import eye
from ..shapes.diagonals import tril, triu
from ..shapes.shape import squeeze, unsqueeze
from .matrix import check_one_dtype, matmul
from .products import square

__all__ = [
    "cholesky_inverse",
    "cholesky_solve",
    "det",
    "inverse",
    "logdet",
    "pinverse",
    "slogdet",
]


def check_matrices(name: str, x: Array, *, is_square: bool = False) -> None:
    """Refuse what is no matrix of float32, float64 or complex numbers: half types have no solver, as in PyTorch."""
    if kind(x.dtype) < 2 or x.dtype.itemsize < 4:
        raise DtypeError(
            f"{name}: wants float32, float64 or complex matrices, not {x.dtype}; convert with .float() first"
        )
    if x.ndim < 2 or (is_square and x.shape[-1] != x.shape[-2]):
        wanted = "square matrices, (..., n, n)" if is_square else "matrices, (..., rows, columns)"
        raise ShapeError(f"{name}: wants {wanted}, not shape {tuple(x.shape)}")


def blame(name: str, x: Array, error: Exception) -> NoReturn:
    """Say which matrix of a batch has no inverse."""
    where = ""
    if x.ndim > 2:
        signs = np.linalg.slogdet(x)[0].reshape(-1)
        bad = int(np.argmax(signs == 0)) if (signs == 0).any() else 0
        where = f" number {tuple(int(i) for i in np.unravel_index(bad, x.shape[:-2]))} of the batch"
    raise MatrixError(
        f"{name}: the matrix{where} is singular (shape {tuple(x.shape)}, {x.dtype}): its rows depend on one another, so it has no inverse; "
        "use pinv or lstsq, or add a little to its diagonal"
    ) from error


def _inverse_x(grad: Tensor, out: Tensor) -> Tensor:
    return -matmul(matmul(out.mT, grad), out.mT)


@op(x=_inverse_x)
def inverse(xp: Any, x: Array) -> Array:
    """The inverses of square matrices, (..., n, n); a MatrixError where there is none."""
    check_matrices("inverse", x, is_square=True)
    try:
        return xp.linalg.inv(x)
    except np.linalg.LinAlgError as error:
        blame("inverse", x, error)


def _equations_a(grad: Tensor, a: Tensor, out: Tensor) -> Tensor:
    return -matmul(equations(a.mT, grad), out.mT)


def _equations_b(grad: Tensor, a: Tensor) -> Tensor:
    return equations(a.mT, grad)


@op(a=_equations_a, b=_equations_b)
def equations(xp: Any, a: Array, b: Array) -> Array:
    """X of A X = B, (..., n, n) and (..., n, k)."""
    check_matrices("solve", a, is_square=True)
    check_one_dtype("solve", a, b)
    if b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"solve: A {tuple(a.shape)} and B {tuple(b.shape)} must have the same number of rows")
    if a.shape[:-2] != b.shape[:-2]:  # before NumPy 2, B could be taken for vectors; CuPy repeats neither
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (xp.broadcast_to(each, (*batch, *each.shape[-2:])) for each in (a, b))
    try:
        return xp.linalg.solve(a, b)
    except np.linalg.LinAlgError as error:
        blame("solve", a, error)


def is_vectors(a: Tensor, b: Tensor) -> bool:
    """Whether B holds one vector for each matrix of A, as PyTorch decides it."""
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def solve(a: Tensor, b: Tensor, *, left: bool = True) -> Tensor:
    """X of A X = B (X A = B unless ``left``): A (..., n, n), B (..., n, k), or (..., n) for one vector a matrix."""
    a, b = square("solve", a), tensor_like("solve", b)
    if is_vectors(a, b):
        column = unsqueeze(b, -1)
        return squeeze(equations(a if left else a.mT, column), -1)
    return equations(a, b) if left else equations(a.mT, b.mT).mT


def _cofactors(x: Tensor) -> Tensor:
    """det(A) A^-T also where A is singular: through singular values, the product of all but one of them for each."""
    from ..reductions.reduction import prod
    from .factorization import svd

    u, s, vh = svd(x, full_matrices=False)
    size = x.shape[-1]
    # A matrix of the singular values with a row's own replaced by 1: the product of each row leaves its own out.
    own = eye(size, dtype=s.dtype, device=x.device)
    others = prod(unsqueeze(s, -2) * (1.0 - own) + own, -1)
    turn = det(matmul(u, vh)).unsqueeze(-1).unsqueeze(-1)
    return turn * conj(matmul(u * unsqueeze(others, -2), vh))


def _det_x(grad: Tensor, out: Tensor, x: Tensor) -> Tensor:
    flow = grad.unsqueeze(-1).unsqueeze(-1)
    if not bool((out == 0).any()):
        return flow * out.unsqueeze(-1).unsqueeze(-1) * inverse(x).mT  # type: ignore[no-any-return]
    return flow * _cofactors(x)


@op(x=_det_x)
def det(xp: Any, x: Array) -> Array:
    """The determinants of square matrices, (..., n, n) to (...). The gradient is that of the cofactors, for singular matrices too."""
    check_matrices("det", x, is_square=True)
    return xp.linalg.det(x)


def _slogdet_x(grads: tuple[Tensor | None, ...], outs: tuple[Tensor, ...], x: Tensor) -> Tensor | None:
    """d log|det| is the real part of the trace of A^-1 dA, and the sign of a complex determinant turns by the imaginary part."""
    of_sign, of_log = grads
    flow: Any = of_log
    if of_sign is not None and x.is_complex():
        turned = imag(conj(of_sign) * outs[0]) * -1j
        flow = turned if flow is None else turned + flow
    if flow is None:
        return None
    return flow.unsqueeze(-1).unsqueeze(-1) * adjoint(inverse(x))  # type: ignore[no-any-return]


@op_with_results(2, x=_slogdet_x)
def slogdet(xp: Any, x: Array) -> tuple[Array, Array]:
    """The sign of the determinants (a complex number of size 1, 0 if singular) and the logarithm of their absolute values."""
    check_matrices("slogdet", x, is_square=True)
    sign, size = xp.linalg.slogdet(x)
    return sign, size


def logdet(x: Tensor) -> Tensor:
    """The logarithm of the determinants; NaN where they are negative, -inf where they are 0."""
    from ..elementwise.arithmetic import where
    from ..elementwise.elementary import log

    sign, size = slogdet(tensor_like("logdet", x))
    return log(sign) + size if sign.is_complex() else where(sign < 0, np.nan, size)


def _substituted_a(grad: Tensor, a: Tensor, out: Tensor, upper: bool, unit: bool) -> Tensor:
    flow = -matmul(substituted(a.mT, grad, upper=not upper, unit=unit), out.mT)
    edge = 1 if unit else 0
    return triu(flow, edge) if upper else tril(flow, -edge)


def _substituted_b(grad: Tensor, a: Tensor, upper: bool, unit: bool) -> Tensor:
    return substituted(a.mT, grad, upper=not upper, unit=unit)


@op(a=_substituted_a, b=_substituted_b)
def substituted(xp: Any, a: Array, b: Array, *, upper: bool, unit: bool) -> Array:
    """X of A X = B for triangular A, of which only that triangle is read; infinite or NaN where its diagonal has zeros."""
    check_matrices("solve_triangular", a, is_square=True)
    check_one_dtype("solve_triangular", a, b)
    if b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"solve_triangular: A {tuple(a.shape)} and B {tuple(b.shape)} do not fit")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    b = xp.broadcast_to(b, (*batch, *b.shape[-2:]))
    with np.errstate(divide="ignore", invalid="ignore"):
        if not upper:
            return _forward(xp, a, b, unit)
        # Read backwards, an upper triangle is a lower one.
        return _forward(xp, a[..., ::-1, ::-1], b[..., ::-1, :], unit)[..., ::-1, :]


SMALL = 24
"""Rows of a triangle that are substituted one by one; larger ones are halved, so that most of the work is products of matrices."""


def _forward(xp: Any, a: Array, b: Array, unit: bool) -> Array:
    size = a.shape[-1]
    if size > SMALL:
        half = size // 2
        first = _forward(xp, a[..., :half, :half], b[..., :half, :], unit)
        rest = b[..., half:, :] - product(xp, a[..., half:, :half], first)
        return xp.concatenate([first, _forward(xp, a[..., half:, half:], rest, unit)], -2)
    out = xp.empty(b.shape, b.dtype)
    for i in range(size):
        row = b[..., i, :]
        if i:
            row = row - product(xp, a[..., i : i + 1, :i], out[..., :i, :])[..., 0, :]
        out[..., i, :] = row if unit else row / a[..., i, i][..., None]
    return out


def solve_triangular(a: Tensor, b: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X of A X = B (X A = B unless ``left``) for triangular A, (..., n, n); only its upper or lower triangle is read.

    ``unitriangular`` takes the diagonal for ones. Zeros on the diagonal give infinities, as in PyTorch.
    """
    a, b = square("solve_triangular", a), tensor_like("solve_triangular", b)
    if left:
        return substituted(a, b, upper=upper, unit=unitriangular)
    return substituted(a.mT, b.mT, upper=not upper, unit=unitriangular).mT  # type: ignore[no-any-return]


def cholesky_solve(b: Tensor, factor: Tensor, upper: bool = False) -> Tensor:
    """X of A X = B, where ``factor`` is Cholesky's lower (or upper) triangle of A."""
    lower = adjoint(square("cholesky_solve", factor)) if upper else square("cholesky_solve", factor)
    return solve_triangular(adjoint(lower), solve_triangular(lower, b, upper=False), upper=True)


def cholesky_inverse(factor: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A, where ``factor`` is Cholesky's lower (or upper) triangle of it."""
    factor = square("cholesky_inverse", factor)
    return cholesky_solve(eye(factor.shape[-1], dtype=factor.dtype, device=factor.device), factor, upper)


def _pseudo_x(grad: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """G. Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems" (1973)."""
    back, flow = adjoint(out), adjoint(grad)
    through = -matmul(matmul(back, grad), back)
    rows = matmul(matmul(flow, out), back)
    columns = matmul(matmul(back, out), flow)
    return through + (rows - matmul(x, matmul(out, rows))) + (columns - matmul(matmul(columns, out), x))


@op(x=_pseudo_x, holomorphic=False)
def pseudoinverse(xp: Any, x: Array, *, absolute: float = 0.0, relative: float, hermitian: bool = False) -> Array:
    """V S^+ U^H: singular values at or below the larger of ``absolute`` and ``relative`` times the largest count as 0."""
    check_matrices("pinv", x, is_square=hermitian)
    if not x.size:
        return xp.zeros((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)
    if hermitian:
        values, u = xp.linalg.eigh(x)
        size, back = xp.abs(values), xp.conj(u.swapaxes(-1, -2))
    else:
        u, values, back = xp.linalg.svd(x, full_matrices=False)
        size = values
    kept = size > xp.maximum(absolute, relative * size.max(-1, keepdims=True))
    inverted = xp.where(kept, 1 / xp.where(kept, values, 1), 0).astype(values.dtype)
    return product(xp, xp.conj(back.swapaxes(-1, -2)) * inverted[..., None, :], xp.conj(u.swapaxes(-1, -2)))


def _tolerance(x: Tensor, atol: Any, rtol: Any) -> tuple[float, float]:
    """What is counted as nothing, as PyTorch has it: the size times the rounding of the dtype, unless an absolute bound is given."""
    for name, value in (("atol", atol), ("rtol", rtol)):
        if value is not None and (not isinstance(value, (int, float)) or value < 0):
            raise SettingError(f"{name} is a number from 0, not {value!r:.40}")
    if rtol is None:
        rtol = 0.0 if atol else max(x.shape[-2:]) * float(np.finfo(accumulator(x.dtype)).eps)
    return float(atol or 0.0), float(rtol)


def pinv(
    x: Tensor, rcond: float | None = None, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Tensor:  # fmt: skip
    """The Moore-Penrose inverse, (..., m, n) to (..., n, m). Singular values below ``atol`` and ``rtol`` times the largest count as 0."""
    x = tensor_like("pinv", x)
    check_matrices("pinv", x.array)
    absolute, relative = _tolerance(x, atol, rcond if rtol is None else rtol)
    return pseudoinverse(x, absolute=absolute, relative=relative, hermitian=hermitian)


def pinverse(x: Tensor, rcond: float = 1e-15) -> Tensor:
    """As ``linalg.pinv``, with PyTorch's older bound for what counts as 0."""
    return pinv(x, rtol=rcond)


class LeastSquares(NamedTuple):
    """What ``lstsq`` gives."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def lstsq(a: Tensor, b: Tensor, rcond: float | None = None, *, driver: str | None = None) -> LeastSquares:
    """X that makes |A X - B| smallest, and of these the smallest: A (..., m, n), B (..., m, k) or (..., m).

    The residuals are the sums of |A X - B|^2, empty unless m > n and all matrices have rank n. The method is one for every ``driver``; singular
    values are given for "gelsd" and "gelss".
    """
    from ..elementwise.arithmetic import abs
    from ..reductions.norms import matrix_rank
    from .factorization import svdvals

    a, b = tensor_like("lstsq", a), tensor_like("lstsq", b)
    check_matrices("lstsq", a.array)
    if driver not in (None, "gelsy", "gels", "gelsd", "gelss"):
        raise SettingError(f"lstsq: driver is 'gelsy', 'gels', 'gelsd' or 'gelss', not {driver!r:.40}")
    vectors = is_vectors(a, b)
    right = unsqueeze(b, -1) if vectors else b
    if right.ndim < 2 or right.shape[-2] != a.shape[-2]:
        raise ShapeError(f"lstsq: A {tuple(a.shape)} and B {tuple(b.shape)} must have the same number of rows")
    solution = matmul(pinv(a, rcond), right)
    rank = matrix_rank(a, rtol=rcond)
    residuals = tensor_of(np.zeros(0, real(a).dtype))
    if a.shape[-2] > a.shape[-1] and bool((rank == a.shape[-1]).all()):
        off = abs(matmul(a, solution) - right)
        residuals = (off * off).sum(-2)
    known = driver in ("gelsd", "gelss")
    values = svdvals(a.detach()) if known else tensor_of(np.zeros(0, real(a).dtype))
    return LeastSquares(squeeze(solution, -1) if vectors else solution, residuals, rank, values)
