"""The rows of ``ops/algebra/solving.py``, ``ops/algebra/factorization.py`` and what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from numzoo import engine
from numzoo.engine import linalg, ops

from .row import Row

WIDE = {
    "inverse", "equations", "det", "slogdet", "substituted", "pseudoinverse", "cholesky", "tall_qr", "whole_qr", "symmetric_eigen", "symmetric_values",
    "singular", "singular_values", "general_eigen",
}  # fmt: skip


def wide(function: Any) -> Any:
    """Half types have no solvers: they are widened, as the table's tolerances allow."""
    return lambda *x, **settings: function(*(t.float() if t.dtype.itemsize < 4 else t for t in x), **settings)


def firm(x: Any) -> Any:
    """Square matrices far from singular."""
    return x + 5 * (
        engine.eye(x.shape[-1], dtype=x.dtype).to(device=x.device)
        if isinstance(x, engine.Tensor)
        else np.eye(x.shape[-1])
    )


def positive(x: Any) -> Any:
    turned = x.mT if isinstance(x, engine.Tensor) else x.swapaxes(-1, -2)
    return firm(x @ turned)


def spread_out(x: Any) -> Any:
    """Symmetric matrices with eigenvalues that lie apart."""
    size = x.shape[-1]
    line = (
        engine.diag(engine.arange(size).to(dtype=x.dtype, device=x.device) * 6)
        if isinstance(x, engine.Tensor)
        else np.diag(6.0 * np.arange(size))
    )
    turned = x.mT if isinstance(x, engine.Tensor) else x.swapaxes(-1, -2)
    return x + turned + line


def triangle(a: Any, b: Any) -> Any:
    return np.linalg.solve(np.triu(firm(a)), b[None])


SQUARE = ((2, 3, 3),)
ROWS = [
    Row("inverse", SQUARE, lambda x: np.linalg.inv(firm(x)), call=wide(lambda x: ops.inverse(firm(x)))),
    Row("equations", ((2, 3, 3), (3, 2)), lambda a, b: np.linalg.solve(firm(a), b[None]), call=wide(lambda a, b: linalg.solve(firm(a), b))),
    Row("det", SQUARE, lambda x: np.linalg.det(firm(x)) / 100, call=wide(lambda x: ops.det(firm(x)) / 100)),
    Row("det", ((3, 2),), lambda x: np.zeros(()), call=wide(lambda x: ops.det(x @ x.mT)), label="singular", order=1),
    Row("slogdet", SQUARE, lambda x: np.linalg.slogdet(firm(x))[1], call=wide(lambda x: ops.slogdet(firm(x))[1])),
    Row("substituted", ((2, 3, 3), (3, 2)), triangle, call=wide(lambda a, b: linalg.solve_triangular(firm(a), b, upper=True))),
    Row("substituted", ((31, 31), (31, 2)), lambda a, b: np.linalg.solve(np.tril(a / 20, -1) + np.eye(31), b),
        call=wide(lambda a, b: linalg.solve_triangular(a / 20, b, upper=False, unitriangular=True)), label="halved"),
    Row("pseudoinverse", ((2, 4, 3),), np.linalg.pinv, call=wide(linalg.pinv), low=0.2),
    Row("cholesky", SQUARE, lambda x: np.linalg.cholesky(positive(x)), call=wide(lambda x: ops.cholesky(positive(x)))),
    Row("tall_qr", ((2, 4, 3),), lambda x: np.linalg.qr(x)[0], call=wide(lambda x: linalg.qr(x)[0]), low=0.3),
    Row("tall_qr", ((2, 3, 5),), lambda x: np.linalg.qr(x)[1], call=wide(lambda x: linalg.qr(x)[1]), low=0.3, label="wide"),
    Row("whole_qr", ((2, 4, 3),), lambda x: np.linalg.qr(x, "complete")[0], call=wide(lambda x: linalg.qr(x, "complete")[0]), smooth=False),
    Row("symmetric_eigen", SQUARE, lambda x: np.linalg.eigh(spread_out(x))[0], call=wide(lambda x: linalg.eigh(spread_out(x))[0])),
    Row("symmetric_eigen", SQUARE, lambda x: np.linalg.eigh(spread_out(x))[1] ** 2, call=wide(lambda x: linalg.eigh(spread_out(x))[1] ** 2), label="vectors"),
    Row("symmetric_values", SQUARE, lambda x: np.linalg.eigvalsh(spread_out(x)), call=wide(lambda x: linalg.eigvalsh(spread_out(x))), smooth=False),
    Row("singular", ((2, 4, 3),), lambda x: np.linalg.svd(x)[1], call=wide(lambda x: linalg.svd(x)[1])),
    Row("singular", ((2, 3, 4),), lambda x: np.linalg.svd(x)[0] ** 2, call=wide(lambda x: linalg.svd(x, False)[0] ** 2), label="vectors"),
    Row("singular_values", ((2, 4, 3),), lambda x: np.linalg.svd(x)[1], call=wide(linalg.svdvals), smooth=False),
    Row("general_eigen", SQUARE, lambda x: np.abs(np.linalg.eigvals(spread_out(x))), call=wide(lambda x: linalg.eigvals(spread_out(x)).abs()), order=1),
]  # fmt: skip
