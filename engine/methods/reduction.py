"""The methods that reduce a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..dtype import DtypeLike
from .arguments import Axis

if TYPE_CHECKING:
    from .. import ops
    from ..tensor import Tensor
else:
    ops = None


class ReductionMethods:
    """What ``Tensor`` inherits."""

    __slots__ = ()

    def sum(
        self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, dtype: DtypeLike | None = None
    ) -> Tensor:
        if dtype is None:
            if axis is None and dim is None and keepdim is False:
                return _sum(self)
            return ops.sum(self, axis if dim is None else dim, keepdim)
        return ops.sum(self, axis if dim is None else dim, keepdim, dtype=dtype)

    def mean(
        self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, dtype: DtypeLike | None = None
    ) -> Tensor:
        if dtype is None:
            if axis is None and dim is None and keepdim is False:
                return _mean(self)
            return ops.mean(self, axis if dim is None else dim, keepdim)
        return ops.mean(self, axis if dim is None else dim, keepdim, dtype=dtype)

    def nansum(
        self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, dtype: DtypeLike | None = None
    ) -> Tensor:
        return ops.nansum(self, axis, keepdim, dim=dim, dtype=dtype)

    def nanmean(
        self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, dtype: DtypeLike | None = None
    ) -> Tensor:
        return ops.nanmean(self, axis, keepdim, dim=dim, dtype=dtype)

    def var(
        self: Any, axis: Any = None, unbiased: Any = None, keepdim: Any = False, *, dim: Axis = None, correction: Any = None
    ) -> Tensor:  # fmt: skip
        return ops.var(self, axis, unbiased, keepdim, dim=dim, correction=correction)

    def std(
        self: Any, axis: Any = None, unbiased: Any = None, keepdim: Any = False, *, dim: Axis = None, correction: Any = None
    ) -> Tensor:  # fmt: skip
        return ops.std(self, axis, unbiased, keepdim, dim=dim, correction=correction)

    def prod(
        self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, dtype: DtypeLike | None = None
    ) -> Tensor:
        if dtype is None:
            return ops.prod(self, axis if dim is None else dim, keepdim)
        return ops.prod(self, axis if dim is None else dim, keepdim, dtype=dtype)

    def logsumexp(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.logsumexp(self, axis, keepdim, dim=dim)

    def count_nonzero(self: Any, axis: Axis = None, *, dim: Axis = None) -> Tensor:
        return ops.count_nonzero(self, axis if dim is None else dim)

    def cov(self: Any, *, correction: Any = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
        return ops.cov(self, correction=correction, fweights=fweights, aweights=aweights)

    def corrcoef(self: Any) -> Tensor:
        return ops.corrcoef(self)

    def dist(self: Any, other: Any, p: Any = 2) -> Tensor:
        return ops.dist(self, other, p)

    def max(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Any:
        return ops.max(self, axis if dim is None else dim, keepdim)

    def min(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Any:
        return ops.min(self, axis if dim is None else dim, keepdim)

    def aminmax(self: Any, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Any:
        return ops.aminmax(self, axis, keepdim, dim=dim)

    def amax(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.amax(self, axis if dim is None else dim, keepdim)

    def amin(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.amin(self, axis if dim is None else dim, keepdim)

    def argmax(self: Any, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Tensor:
        return ops.argmax(self, axis if dim is None else dim, keepdim)

    def argmin(self: Any, axis: Any = None, keepdim: Any = False, *, dim: Any = None) -> Tensor:
        return ops.argmin(self, axis if dim is None else dim, keepdim)

    def all(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.all(self, axis if dim is None else dim, keepdim)

    def any(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.any(self, axis if dim is None else dim, keepdim)

    def norm(
        self: Any, p: Any = "fro", axis: Axis = None, keepdim: Any = False, *, dim: Axis = None, dtype: DtypeLike | None = None
    ) -> Tensor:  # fmt: skip
        return ops.norm(self, p, axis, keepdim, dim=dim, dtype=dtype)

    def softmax(self: Any, axis: Any = -1, *, dim: Any = None, dtype: Any = None) -> Tensor:
        return ops.softmax(self if dtype is None else self.to(dtype=dtype), axis=axis if dim is None else dim)

    def log_softmax(self: Any, axis: Any = -1, *, dim: Any = None, dtype: Any = None) -> Tensor:
        return ops.log_softmax(self if dtype is None else self.to(dtype=dtype), axis=axis if dim is None else dim)


# Bound once, as the operators are: the whole tensor's sum and mean are where most backward passes start.
def _unbound(*_: Any) -> Any:
    raise AssertionError("the operations are not there yet")


_sum: Callable[[Any], Tensor] = _unbound
_mean: Callable[[Any], Tensor] = _unbound


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    names = globals()
    names["ops"] = operations
    for name in ("sum", "mean"):
        names[f"_{name}"] = getattr(operations, name).one
