"""Covariances, areas under curves, and which elements are among others."""

from __future__ import annotations

from typing import Any

from ...device import namespace
from ...dtype import kind
from ...errors import ArgumentError, DtypeError, SettingError, ShapeError
from ...tensor import Tensor, tensor_like, tensor_of
from ..algebra.matrix import matmul
from ..elementwise.elementary import sqrt
from ..elementwise.limits import clamp
from ..shapes.shape import reshape, transpose, unsqueeze
from .order import along, comparable
from .reduction import mean, one_axis, sum
from .scan import cumsum

__all__ = [
    "corrcoef",
    "cov",
    "cumulative_trapezoid",
    "isin",
    "trapezoid",
]


def cov(x: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """The covariances of the rows of x (variables by observations); a single row gives its variance.

    Divided by the number of observations less ``correction``; ``fweights`` says how often each came, ``aweights`` how much it counts.
    """
    x = tensor_like("cov", x)
    if x.ndim > 2:
        raise ShapeError(f"cov: wants variables by observations, not shape {tuple(x.shape)}")
    if kind(x.dtype) != 2:
        raise DtypeError(f"cov: wants a real floating-point tensor, not {x.dtype}; convert it with .float()")
    rows = reshape(x, (1, -1)) if x.ndim < 2 else x
    count = rows.shape[1]
    weights, total, square = None, float(count), 1.0
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        given = tensor_like("cov", given)
        if given.shape != (count,) or (name == "fweights" and kind(given.dtype) != 1):
            what = "whole numbers" if name == "fweights" else "numbers"
            raise ShapeError(
                f"cov: {name} are {count} {what}, one for each observation, not {given.dtype} {tuple(given.shape)}"
            )
        if bool((given.array < 0).any()):
            raise SettingError(f"cov: {name} must not be below 0")
        given = given.to(dtype=x.dtype)
        weights = given if weights is None else weights * given
    if weights is None:
        away, weighted = rows - mean(rows, 1, True), None
    else:
        total = float(weights.array.sum())
        away = rows - sum(rows * weights, 1, True) / total
        weighted = away * weights
        if aweights is not None:
            square = float((weights * tensor_like("cov", aweights).to(dtype=x.dtype)).array.sum()) / total
    freedom = total - correction * square
    result = matmul(away if weighted is None else weighted, transpose(away, 0, 1)) / (freedom if freedom > 0 else 0.0)
    return reshape(result, ()) if rows.shape[0] == 1 else result


def corrcoef(x: Tensor) -> Tensor:
    """The correlations of the rows of x, from -1 to 1."""
    covariance = cov(x)
    if not covariance.ndim:
        return covariance / covariance
    deviation = sqrt(covariance.diagonal())
    return clamp(covariance / unsqueeze(deviation, 1) / unsqueeze(deviation, 0), -1.0, 1.0)


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The area under y along ``dim`` by trapezoids, at places ``x`` or in steps of ``dx`` (1 by default)."""
    pieces, axis = _pieces("trapezoid", y, x, dx, dim)
    return sum(pieces, axis)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The areas up to each place but the first; see ``trapezoid``."""
    pieces, axis = _pieces("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(pieces, axis)


def _pieces(name: str, y: Any, x: Any, dx: float | None, dim: int) -> tuple[Tensor, int]:
    y = tensor_like(name, y)
    if x is not None and dx is not None:
        raise ArgumentError(f"{name}: give either x or dx, not both")
    axis = one_axis(name, dim, y.ndim)
    later, earlier = along(y.ndim, axis, slice(1, None)), along(y.ndim, axis, slice(None, -1))
    middles = (y[later] + y[earlier]) / 2.0
    if x is None:
        return middles * (1.0 if dx is None else float(dx)), axis
    x = tensor_like(name, x)
    if x.ndim == 1:
        x = reshape(x, tuple(-1 if i == axis else 1 for i in range(y.ndim)))
    if x.ndim != y.ndim or x.shape[axis] != y.shape[axis]:
        raise ShapeError(
            f"{name}: x {tuple(x.shape)} must have a place for each of y {tuple(y.shape)} along axis {axis}"
        )
    return middles * (x[later] - x[earlier]), axis


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Whether each element is among ``test_elements`` (not among them, with ``invert``); found by search, in the order of n log m."""
    elements, among = tensor_like("isin", elements), tensor_like("isin", test_elements)
    xp = namespace(elements.array)
    wanted, sought = comparable(elements.array), xp.sort(comparable(among.array).reshape(-1))
    if not sought.size:
        return tensor_of(xp.full(wanted.shape, bool(invert)))
    place = xp.minimum(xp.searchsorted(sought, wanted), sought.size - 1)
    found = sought[place] == wanted
    return tensor_of(xp.asarray(~found if invert else found))
