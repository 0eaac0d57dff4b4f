"""The methods that go along an axis in order: scans, sorting, and what is found by order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dtype import DtypeLike

if TYPE_CHECKING:
    from .. import ops
    from ..ops.reductions.choice import Chosen
    from ..tensor import Tensor
else:
    ops = None


class OrderMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def cumsum(self: Any, axis: Any = None, *, dim: Any = None, dtype: DtypeLike | None = None) -> Tensor:
        return ops.cumsum(self, axis, dim=dim, dtype=dtype)

    def cumprod(self: Any, axis: Any = None, *, dim: Any = None, dtype: DtypeLike | None = None) -> Tensor:
        return ops.cumprod(self, axis, dim=dim, dtype=dtype)

    def logcumsumexp(self: Any, axis: Any = None, *, dim: Any = None) -> Tensor:
        return ops.logcumsumexp(self, axis, dim=dim)

    def cummax(self: Any, axis: Any = None, *, dim: Any = None) -> Chosen:
        return ops.cummax(self, axis, dim=dim)

    def cummin(self: Any, axis: Any = None, *, dim: Any = None) -> Chosen:
        return ops.cummin(self, axis, dim=dim)

    def diff(
        self: Any, n: Any = 1, axis: Any = -1, prepend: Any = None, append: Any = None, *, dim: Any = None
    ) -> Tensor:
        return ops.diff(self, n, axis, prepend, append, dim=dim)

    def sort(self: Any, axis: Any = -1, descending: Any = False, stable: Any = False, *, dim: Any = None) -> Chosen:
        return ops.sort(self, axis, descending, stable, dim=dim)

    def argsort(self: Any, axis: Any = -1, descending: Any = False, stable: Any = False, *, dim: Any = None) -> Tensor:
        return ops.argsort(self, axis, descending, stable, dim=dim)

    def msort(self: Any) -> Tensor:
        return ops.msort(self)

    def topk(self: Any, k: Any, axis: Any = -1, largest: Any = True, sorted: Any = True, *, dim: Any = None) -> Chosen:
        return ops.topk(self, k, axis, largest, sorted, dim=dim)

    def kthvalue(self: Any, k: Any, axis: Any = -1, keepdim: Any = False, *, dim: Any = None) -> Chosen:
        return ops.kthvalue(self, k, axis, keepdim, dim=dim)

    def median(self: Any, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Any:
        return ops.median(self, axis, keepdim, dim=dim)

    def nanmedian(self: Any, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Any:
        return ops.nanmedian(self, axis, keepdim, dim=dim)

    def mode(self: Any, axis: Any = -1, keepdim: Any = False, *, dim: Any = None) -> Chosen:
        return ops.mode(self, axis, keepdim, dim=dim)

    def quantile(
        self: Any, q: Any, axis: Any = None, keepdim: Any = False, *, interpolation: Any = "linear", dim: Any = None
    ) -> Tensor:
        return ops.quantile(self, q, axis, keepdim, interpolation=interpolation, dim=dim)

    def nanquantile(
        self: Any, q: Any, axis: Any = None, keepdim: Any = False, *, interpolation: Any = "linear", dim: Any = None
    ) -> Tensor:
        return ops.nanquantile(self, q, axis, keepdim, interpolation=interpolation, dim=dim)

    def unique(
        self: Any, sorted: Any = True, return_inverse: Any = False, return_counts: Any = False, axis: Any = None, *, dim: Any = None
    ) -> Any:  # fmt: skip
        return ops.unique(self, sorted, return_inverse, return_counts, axis, dim=dim)

    def unique_consecutive(
        self: Any, return_inverse: Any = False, return_counts: Any = False, axis: Any = None, *, dim: Any = None
    ) -> Any:
        return ops.unique_consecutive(self, return_inverse, return_counts, axis, dim=dim)

    def bincount(self: Any, weights: Any = None, minlength: Any = 0) -> Tensor:
        return ops.bincount(self, weights, minlength)

    def histc(self: Any, bins: Any = 100, min: Any = 0, max: Any = 0) -> Tensor:
        return ops.histc(self, bins, min, max)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
