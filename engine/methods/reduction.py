"""The methods that reduce a tensor."""

from __future__ import annotations

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
        source = self if dtype is None else self.to(dtype=dtype)
        return ops.sum(source, axis if dim is None else dim, keepdim)

    def mean(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.mean(self, axis if dim is None else dim, keepdim)

    def var(self: Any, *args: Any, **settings: Any) -> Tensor:
        return ops.var(self, *args, **settings)

    def std(self: Any, *args: Any, **settings: Any) -> Tensor:
        return ops.std(self, *args, **settings)

    def prod(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Tensor:
        return ops.prod(self, axis if dim is None else dim, keepdim)

    def max(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Any:
        return ops.max(self, axis if dim is None else dim, keepdim)

    def min(self: Any, axis: Axis = None, keepdim: Any = False, *, dim: Axis = None) -> Any:
        return ops.min(self, axis if dim is None else dim, keepdim)

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

    def softmax(self: Any, axis: Any = -1, *, dim: Any = None) -> Tensor:
        return ops.softmax(self, axis=axis if dim is None else dim)

    def log_softmax(self: Any, axis: Any = -1, *, dim: Any = None) -> Tensor:
        return ops.log_softmax(self, axis=axis if dim is None else dim)


def bind(operations: Any) -> None:
    """Let the methods call these operations."""
    globals()["ops"] = operations
