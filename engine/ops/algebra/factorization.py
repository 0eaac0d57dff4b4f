"""Matrices as products of simpler ones: Cholesky, QR, eigenvalues and singular values, batched over leading axes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...dtype import Array
from ...errors import GradientError, MatrixError, SettingError
from ...modes import modes
from ...op import op, op_with_results
from ...tensor import Tensor, tensor_like, tensor_of
from ..elementwise.complex_numbers import adjoint, real
from ..indexing.index import items
from ..shapes.create import eye
from ..shapes.diagonals import diag_embed, diagonal, tril, triu
from ..shapes.shape import cat, unsqueeze
from .matrix import matmul
from .solving import check_matrices, solve_triangular

__all__ = [
    "cholesky",
]

Maybe = Tensor | None


def _cholesky_x(grad: Tensor, out: Tensor, upper: bool) -> Tensor:
    """I. Murray, "Differentiation of the Cholesky decomposition" (2016), equation 10."""
    lower, flow = (adjoint(out), adjoint(grad)) if upper else (out, grad)
    inside = tril(matmul(adjoint(lower), flow))
    inside = inside - diag_embed(diagonal(inside, 0, -2, -1) * 0.5)
    right = solve_triangular(adjoint(lower), inside, upper=True)
    both = adjoint(solve_triangular(adjoint(lower), adjoint(right), upper=True))
    return (both + adjoint(both)) * 0.5


@op(x=_cholesky_x, holomorphic=False)
def cholesky(xp: Any, x: Array, upper: bool = False) -> Array:
    """The lower triangle L of A = L L^H, or with ``upper`` its adjoint, of symmetric positive definite matrices, (..., n, n)."""
    check_matrices("cholesky", x, is_square=True)
    if upper and x.size:
        x = xp.conj(x.swapaxes(-1, -2))  # the other triangle is the one that is read
    try:
        lower = xp.linalg.cholesky(x)
    except np.linalg.LinAlgError as error:
        raise MatrixError(
            f"cholesky: a matrix of shape {tuple(x.shape)} is not positive definite: some of its eigenvalues are 0 or below; "
            "add a little to its diagonal, or use eigh"
        ) from error
    return xp.conj(lower.swapaxes(-1, -2)) if upper else lower


def _doubled(x: Tensor) -> Tensor:
    """X + X^H, with the diagonal's real part once: what an upper triangle says of the whole."""
    both = x + adjoint(x)
    return both - diag_embed(diagonal(both, 0, -2, -1) * 0.5)


def _tall_qr_x(grads: tuple[Maybe, ...], outs: tuple[Tensor, ...]) -> Maybe:
    """S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions" (2010), for at least as many rows as columns."""
    of_q, of_r = grads
    q, r = outs
    inside: Any = None
    if of_r is not None:
        inside = matmul(of_r, adjoint(r))
    if of_q is not None:
        part = matmul(adjoint(q), of_q)
        inside = -part if inside is None else inside - part
    if inside is None:
        return None
    whole = matmul(q, _doubled(triu(inside)))
    if of_q is not None:
        whole = whole + of_q
    return solve_triangular(adjoint(r), whole, upper=False, left=False)


@op_with_results(2, x=_tall_qr_x)
def tall_qr(xp: Any, x: Array) -> tuple[Array, Array]:
    """Q (..., m, n) with orthonormal columns and R (..., n, n) upper triangular, A = Q R, for m >= n."""
    q, r = xp.linalg.qr(x, "reduced")
    return q, r


def _whole_qr_x(grads: tuple[Maybe, ...]) -> Maybe:
    raise GradientError(
        "qr: with mode='complete' and more rows than columns the last columns of Q are any that fit, so they have no gradient; use 'reduced'"
    )


@op_with_results(2, x=_whole_qr_x)
def whole_qr(xp: Any, x: Array) -> tuple[Array, Array]:
    """Q (..., m, m) orthogonal and R (..., m, n) upper triangular, A = Q R."""
    q, r = xp.linalg.qr(x, "complete")
    return q, r


class QR(NamedTuple):
    """What ``qr`` gives."""

    Q: Tensor
    R: Tensor


def qr(x: Tensor, mode: str = "reduced") -> QR:
    """A = Q R, Q with orthonormal columns, R upper triangular, (..., m, n) to (..., m, k) and (..., k, n).

    k is the smaller of m and n; with ``mode`` "complete" it is m (no gradient where m > n); with "r" Q is empty.
    """
    x = tensor_like("qr", x)
    check_matrices("qr", x.array)
    if mode not in ("reduced", "complete", "r"):
        raise SettingError(f"qr: mode is 'reduced', 'complete' or 'r', not {mode!r:.40}")
    rows, columns = x.shape[-2:]
    if rows > columns and mode == "complete":
        return QR(*whole_qr(x))
    if rows >= columns:
        q, r = tall_qr(x)
    else:
        # The first columns decide Q; the others are turned by it.
        q, r = tall_qr(items(x, (..., slice(rows))))
        r = cat([r, matmul(adjoint(q), items(x, (..., slice(rows, None))))], -1)
    return QR(tensor_of(np.zeros(0, x.dtype)) if mode == "r" else q, r)


def _apart(values: Tensor) -> Tensor:
    """v_j - v_i off the diagonal, and 1 on it, where nothing is divided."""
    gaps = unsqueeze(values, -2) - unsqueeze(values, -1)
    return gaps + eye(values.shape[-1], dtype=values.dtype, device=values.device)


def _eigh_x(grads: tuple[Maybe, ...], outs: tuple[Tensor, ...]) -> Maybe:
    """M. Giles (2008), 3.1: eigenvectors turn into one another, the more the nearer their eigenvalues are."""
    of_values, of_vectors = grads
    values, vectors = outs
    inside: Any = None
    if of_vectors is not None:
        turn = matmul(adjoint(vectors), of_vectors)
        turn = turn - diag_embed(diagonal(turn, 0, -2, -1))
        inside = turn / _apart(values)
    if of_values is not None:
        straight = diag_embed(of_values.to(vectors.dtype))
        inside = straight if inside is None else inside + straight
    return None if inside is None else matmul(matmul(vectors, inside), adjoint(vectors))


@op_with_results(2, x=_eigh_x)
def symmetric_eigen(xp: Any, x: Array, *, lower: bool = True) -> tuple[Array, Array]:
    """Eigenvalues in rising order and eigenvectors in columns, of one triangle of symmetric matrices."""
    check_matrices("eigh", x, is_square=True)
    try:
        values, vectors = xp.linalg.eigh(x, "L" if lower else "U")
    except np.linalg.LinAlgError as error:
        raise MatrixError(
            f"eigh: no eigenvalues were found of {tuple(x.shape)}; is something infinite or NaN?"
        ) from error
    return values, vectors


@op()
def symmetric_values(xp: Any, x: Array, *, lower: bool = True) -> Array:
    """The eigenvalues alone, in rising order; without a gradient."""
    check_matrices("eigvalsh", x, is_square=True)
    return xp.linalg.eigvalsh(x, "L" if lower else "U")


class Eigen(NamedTuple):
    """What ``eigh`` gives."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def _is_lower(name: str, triangle: str) -> bool:
    if triangle not in ("L", "U"):
        raise SettingError(f"{name}: UPLO is 'L' or 'U', not {triangle!r:.40}")
    return triangle == "L"


def eigh(x: Tensor, UPLO: str = "L") -> Eigen:  # noqa: N803 - PyTorch's and LAPACK's name
    """Eigenvalues (..., n), rising, and eigenvectors in columns (..., n, n), of symmetric (Hermitian) matrices, A = V diag(w) V^H.

    Only the lower (or "U": upper) triangle is read. Eigenvectors are known but for their signs; of equal eigenvalues they have no gradient.
    """
    return Eigen(*symmetric_eigen(tensor_like("eigh", x), lower=_is_lower("eigh", UPLO)))


def eigvalsh(x: Tensor, UPLO: str = "L") -> Tensor:  # noqa: N803
    """The eigenvalues of symmetric (Hermitian) matrices, in rising order."""
    x = tensor_like("eigvalsh", x)
    lower = _is_lower("eigvalsh", UPLO)
    if x.requires_grad and modes.recording:
        return symmetric_eigen(x, lower=lower)[0]
    return symmetric_values(x, lower=lower)


def _skew(x: Tensor) -> Tensor:
    return x - adjoint(x)


def _svd_x(grads: tuple[Maybe, ...], outs: tuple[Tensor, ...], full: bool) -> Maybe:
    """J. Townsend, "Differentiating the singular value decomposition" (2016); for complex matrices, Z.-Q. Wan and S.-X. Zhang (2019)."""
    (of_u, of_s, of_vh), (u, s, vh) = grads, outs
    k = s.shape[-1]
    if full:
        # Columns beyond the singular values are any that fit: nothing may depend on them.
        u, vh = items(u, (..., slice(k))), items(vh, (..., slice(k), slice(None)))
        of_u = None if of_u is None else items(of_u, (..., slice(k)))
        of_vh = None if of_vh is None else items(of_vh, (..., slice(k), slice(None)))
    inside: Any = None if of_s is None else diag_embed(of_s.to(u.dtype))
    squares = s * s
    across, down = unsqueeze(s, -2), unsqueeze(s, -1)
    left = None if of_u is None else _skew(matmul(adjoint(u), of_u))
    right = None if of_vh is None else _skew(matmul(vh, adjoint(of_vh)))
    for part in (None if left is None else left * across, None if right is None else down * right):
        if part is not None:
            turned = part / _apart(squares)
            turned = turned - diag_embed(diagonal(turned, 0, -2, -1))
            inside = turned if inside is None else inside + turned
    if left is not None and right is not None and left.is_complex():
        inside = inside + diag_embed(diagonal(left, 0, -2, -1) / (s * 2.0))
    if inside is None:
        return None
    out = matmul(matmul(u, inside), vh)
    if of_u is not None and u.shape[-2] > k:
        scaled = of_u / across
        out = out + matmul(scaled - matmul(u, matmul(adjoint(u), scaled)), vh)
    if of_vh is not None and vh.shape[-1] > k:
        scaled = of_vh / down
        out = out + matmul(u, scaled - matmul(matmul(scaled, adjoint(vh)), vh))
    return out


@op_with_results(3, x=_svd_x)
def singular(xp: Any, x: Array, *, full: bool) -> tuple[Array, Array, Array]:
    """U, singular values in falling order, and V^H, of A = U diag(s) V^H."""
    check_matrices("svd", x)
    try:
        u, s, vh = xp.linalg.svd(x, full_matrices=full)
    except np.linalg.LinAlgError as error:
        raise MatrixError(
            f"svd: no singular values were found of {tuple(x.shape)}; is something infinite or NaN?"
        ) from error
    return u, s, vh


@op()
def singular_values(xp: Any, x: Array) -> Array:
    """The singular values alone, in falling order; without a gradient."""
    check_matrices("svdvals", x)
    return xp.linalg.svd(x, compute_uv=False)


class SVD(NamedTuple):
    """What ``svd`` gives."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(x: Tensor, full_matrices: bool = True) -> SVD:
    """A = U diag(S) Vh, singular values falling: (..., m, n) to U (..., m, m), S (..., k), Vh (..., n, n), k the smaller of m and n.

    Without ``full_matrices`` U is (..., m, k) and Vh (..., k, n). Columns of U and rows of Vh are known but for their signs, so only what
    does not depend on these has a meaningful gradient; singular values that are equal or 0 have none for their vectors.
    """
    return SVD(*singular(tensor_like("svd", x), full=bool(full_matrices)))


def svdvals(x: Tensor) -> Tensor:
    """The singular values of matrices, (..., m, n) to (..., min(m, n)), in falling order."""
    x = tensor_like("svdvals", x)
    if x.requires_grad and modes.recording:
        return singular(x, full=False)[1]
    return singular_values(x)


def _eig_x(grads: tuple[Maybe, ...], outs: tuple[Tensor, ...]) -> Maybe:
    """C. Boeddeker et al., "On the computation of complex-valued gradients with application to statistically optimum beamforming" (2017)."""
    of_values, of_vectors = grads
    values, vectors = outs
    inside: Any = None
    if of_vectors is not None:
        turn = matmul(adjoint(vectors), of_vectors)
        # Eigenvectors have length 1: what would change that is taken off.
        turn = turn - matmul(
            matmul(adjoint(vectors), vectors), diag_embed(real(diagonal(turn, 0, -2, -1)).to(turn.dtype))
        )
        turn = turn - diag_embed(diagonal(turn, 0, -2, -1))
        inside = turn / _apart(values).conj()
    if of_values is not None:
        straight = diag_embed(of_values)
        inside = straight if inside is None else inside + straight
    if inside is None:
        return None
    from .solving import equations

    return matmul(equations(adjoint(vectors), inside), adjoint(vectors))


@op_with_results(2, x=_eig_x)
def general_eigen(xp: Any, x: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors in columns, of any square matrices; complex."""
    check_matrices("eig", x, is_square=True)
    try:
        values, vectors = xp.linalg.eig(x)
    except np.linalg.LinAlgError as error:
        raise MatrixError(
            f"eig: no eigenvalues were found of {tuple(x.shape)}; is something infinite or NaN?"
        ) from error
    wide = "complex64" if x.dtype.itemsize == 4 or x.dtype == "complex64" else "complex128"
    return values.astype(wide, copy=False), vectors.astype(wide, copy=False)


def eig(x: Tensor) -> Eigen:
    """Eigenvalues (..., n) and eigenvectors of length 1 in columns (..., n, n) of square matrices; complex, in no order."""
    return Eigen(*general_eigen(tensor_like("eig", x)))


def eigvals(x: Tensor) -> Tensor:
    """The eigenvalues of square matrices; complex, in no order."""
    return eig(x).eigenvalues
